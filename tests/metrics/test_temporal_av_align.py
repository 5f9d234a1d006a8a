"""Temporal AV-Align: published numbers, SciPy's matching, closed forms, chance baselines."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest
from metric_items import ITEMS
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.metrics.base import Item, Observation
from savg.metrics.optical_flow import flow_magnitudes, flow_peaks, grey_frames
from savg.metrics.temporal_av_align import (
    TemporalAvAlign,
    TemporalAvAlignMatched,
    agreeing,
    clip_flow,
    clip_onsets,
    iou_matched,
    iou_official,
    matched_pairs,
)
from tests.goldens import case

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"
GOLDEN = case("temporal_av_align_thin")


def item(name: str, onsets: list[float], peaks: list[int], frames: int = 20) -> Item:
    """A clip of 4 frames a second with onsets at seconds and flow peaks at frames."""
    flow = np.full(frames, 0.2)
    flow[peaks] = 1.0
    features = {"onset_times": np.array(onsets, np.float64), "flow": flow}
    format = SAVGBENCH.with_frames(frames)
    return Item(name, Observation(SoundEvents.empty(), Boxes.empty(), format, features=features))


def result(*items: Item, metric: type[TemporalAvAlign] = TemporalAvAlign):
    filled = metric()
    for one in items:
        filled.update(one)
    return filled.compute()


def test_published_intersections_over_unions() -> None:
    rows = zip(
        GOLDEN["iou_audio_peaks"], GOLDEN["iou_video_peaks"], GOLDEN["iou_fps"],
        GOLDEN["iou_value"], strict=True,
    )  # fmt: skip
    for audio, video, fps, value in rows:
        onsets, peaks = audio[~np.isnan(audio)], video[~np.isnan(video)]
        expected = 0.0 if np.isnan(value) else value
        assert iou_official(onsets, peaks, float(fps)) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(GOLDEN["iou_value"]).sum() == 1


def test_published_flow_and_peaks() -> None:
    flow = flow_magnitudes(GOLDEN["syn_frames_gray"])
    np.testing.assert_allclose(flow, GOLDEN["syn_flow"], rtol=1e-5)
    np.testing.assert_array_equal(flow_peaks(flow, 4), GOLDEN["syn_video_peaks"])
    for clip in (1, 2):
        onsets, peaks = GOLDEN[f"onset_times_{clip}"], flow_peaks(GOLDEN[f"flow_{clip}"], 4)
        np.testing.assert_array_equal(peaks, GOLDEN[f"video_peaks_{clip}"])
        assert iou_official(onsets, peaks, 4) == pytest.approx(GOLDEN[f"iou_{clip}"], abs=1e-12)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside the project")
@pytest.mark.parametrize("number", [1, 2])
def test_a_published_clip_from_file_to_score(number: int) -> None:
    clip = Clip.read(CLIPS / f"joint_{number}.mp4")
    golden = case("temporal_av_align")
    pcm = golden[f"audio_pcm16_{number}"].T[:, : clip.format.samples]
    np.testing.assert_array_equal(np.rint(clip.audio * 2**15), pcm)
    parts = [case(f"temporal_frames_{number}{part}")["gray"] for part in "ab"]
    np.testing.assert_array_equal(grey_frames(clip.video), np.concatenate(parts))
    onsets, flow = clip_onsets(clip), clip_flow(clip)
    np.testing.assert_allclose(onsets, golden[f"onset_times_{number}"], atol=1e-6)
    np.testing.assert_allclose(flow, golden[f"flow_{number}"], rtol=1e-5)
    score = iou_official(onsets, flow_peaks(flow, 4), 4)
    assert score == pytest.approx(golden[f"iou_{number}"], abs=1e-12)


def test_flow_is_the_way_that_a_picture_moves() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (12, 12)).astype(np.uint8).repeat(12, 0).repeat(12, 1)
    still, moved = noise[8:-8, 8:-8], noise[8:-8, 5:-11]
    flow = flow_magnitudes(np.stack([still, moved, moved]))
    assert flow[0] == flow[1] == pytest.approx(3, rel=0.15)
    assert flow[2] < 0.05
    assert flow_magnitudes(still[None]).tolist() == [0.0]
    padded = np.pad(np.stack([still, moved]), ((0, 0), (64, 64), (0, 0)))
    assert flow_magnitudes(padded)[1] == pytest.approx(flow[1] / 2, rel=0.2)


def test_peaks_are_strict_and_never_at_an_end() -> None:
    flow = np.array([3.0, 3, 2, 2, 5, 5, 1, 4, 1, 2, 9])
    assert flow_peaks(flow, 10).tolist() == [0.7]
    for short in ([], [1.0], [1.0, 2.0]):
        assert len(flow_peaks(np.array(short), 10)) == 0


def test_several_onsets_share_a_peak_as_published_and_not_when_matched() -> None:
    onsets, peaks = np.array([1.0, 1.1, 1.2]), np.array([1.0])
    assert iou_official(onsets, peaks, 4) == 3.0
    assert iou_matched(onsets, peaks, 4) == pytest.approx(1 / 3)
    none = np.zeros(0)
    for score in (iou_official, iou_matched):
        assert score(none, none, 4) == score(onsets, none, 4) == score(none, peaks, 4) == 0.0
    one_frame_apart = np.array([0.75, 1.25])
    assert not agreeing(one_frame_apart, peaks, 4).any()


def test_matching_is_a_largest_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        fps = float(rng.choice([4, 8, 10, 25]))
        sizes = rng.integers(0, 25, 2)
        onsets = rng.uniform(0, 5, sizes[0])
        peaks = rng.choice(np.arange(1, 5 * fps), sizes[1]) / fps
        if len(onsets) and len(peaks):
            onsets[0] = peaks[0] - 1 / fps
        frame = 1 / fps
        edges = [[p - frame < t < p + frame for p in peaks] for t in onsets]
        graph = csr_matrix(np.array(edges, bool).reshape(len(onsets), len(peaks)))
        expected = int((maximum_bipartite_matching(graph) >= 0).sum())
        assert matched_pairs(onsets, peaks, fps) == expected
        score = iou_matched(onsets, peaks, fps)
        assert 0 <= score <= 1
        assert score == pytest.approx(iou_matched(peaks, onsets, fps), abs=0.2)


def test_matching_by_hand() -> None:
    peaks = np.array([1.0, 1.2])  # the first onset could take either, the second only the first
    assert matched_pairs(np.array([0.96, 1.1]), peaks, 5) == 2
    assert matched_pairs(np.array([0.81, 0.82, 0.83]), peaks, 5) == 1
    assert iou_matched(peaks, peaks, 5) == iou_official(peaks, peaks, 5) == 1.0


def test_the_uniform_baseline_is_the_expected_score_of_random_onsets() -> None:
    clips = [item(f"{i:02d}", [0.1 * k for k in range(6)], [5, 12]) for i in range(400)]
    covered = 4 * 0.25 / 5  # two windows of half a second in 5 s
    chances = [comb(6, k) * covered**k * (1 - covered) ** (6 - k) for k in range(7)]
    expected = sum(chance * k / (8 - k) for k, chance in enumerate(chances))
    assert result(*clips).nulls["uniform"] == pytest.approx(expected, rel=0.03)


def test_the_metronome_by_hand() -> None:
    one = item("a", [1.25, 3.0], [5, 12])
    near = 4 + 5  # 1.1 … 1.4 and 2.8 … 3.2 s; 1.0, 1.5, 2.75 and 3.25 s are a whole frame away
    assert result(one).nulls["metronome"] == near / (50 + 2 - near)
    matched = result(one, metric=TemporalAvAlignMatched)
    assert matched.value == 1.0 and matched.nulls["metronome"] == 2 / 50
    busy = item("b", [1.25, 3.0], list(range(1, 19, 2)))  # nine peaks reach nearly all times
    assert result(busy).nulls["metronome"] == 36 / (50 + 9 - 36) > 1.5  # 4 clicks near each


def test_the_shuffled_baseline_has_the_onsets_of_the_others() -> None:
    a, b = item("a", [1.0], [4]), item("b", [3.0], [12])
    both = result(a, b)
    assert both.value == 1.0 and both.nulls["shuffled"] == 0.0
    assert "warnings" not in both.notes
    assert result(a).nulls["shuffled"] is None and result(a).value == 1.0
    short = item("c", [0.9], [4], frames=6)
    longer = item("d", [1.0, 3.0], [4])  # its second onset lies after the end of the short clip
    assert result(short, longer).nulls["shuffled"] == 1.0


def test_counts_warnings_and_empty_clips() -> None:
    quiet = item("quiet", [], [])
    dense = item("dense", [1.0, 1.05, 1.1], [4])
    both = result(quiet, dense)
    assert both.value == 1.5 and both.n == 2
    assert {k: both.notes[k] for k in ("onsets", "flow_peaks", "empty", "above_one")} == {
        "onsets": 3, "flow_peaks": 1, "empty": 1, "above_one": 1
    }  # fmt: skip
    assert both.notes["warnings"] == [
        "This result is uninformative: its interval 0.00…3.00 does not lie above the chance baseline "
        f"'metronome' (10 clicks a second whatever is seen), {both.nulls['metronome']:.2f}."
    ]  # 0 and 3
    by_chance = result(item("a", [0.1], [4]), item("b", [4.9], [4]))
    assert "uninformative: its interval 0.00…0.00 does not" in by_chance.notes["warnings"][0]
    still = replace(
        dense,
        observation=replace(
            dense.observation, features={**dense.observation.features, "flow": np.zeros(20)}
        ),
    )
    assert any("hardly differ" in text for text in result(still).notes["warnings"])


def test_columns_of_clips_and_of_label_frames() -> None:
    one = item("a", [1.0, 1.05, 4.99], [4, 10])
    assert TemporalAvAlign.cells(one) == {
        "onsets": 3, "flow_peaks": 2, "temporal_av_align": 2 / 3
    }  # fmt: skip
    assert TemporalAvAlignMatched.cells(one) == {"temporal_av_align_matched": 0.25}
    rows = TemporalAvAlign.frame_cells(one)
    assert [row["frame"] for row in rows] == list(range(50))
    assert [row["frame"] for row in rows if row["onsets"]] == [10, 49]
    assert rows[10] == {"frame": 10, "onsets": 2, "flow_peaks": 1, "flow": 1.0}
    assert [row["frame"] for row in rows if row["flow_peaks"]] == [10, 25]
    for made in ITEMS:
        assert len(TemporalAvAlign.frame_cells(made)) == 50


@pytest.mark.parametrize("late,score", [(0.0, 1.0), (0.6, 0.0)])
def test_clicks_when_things_move_and_late_ones(late: float, score: float) -> None:
    """From pixels and samples to the score: a picture moves at three frames, a click at each."""
    format, rng = SAVGBENCH.with_size(64), np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, 16)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
    moves = np.isin(np.arange(format.frames), (4, 9, 14)).cumsum() * 3
    video = np.stack([noise[:64, x : x + 64] for x in moves])[..., None].repeat(3, axis=3)
    audio = np.zeros((2, format.samples), np.float32)
    burst = rng.normal(0, 0.3, 800) * np.exp(-np.linspace(0, 5, 800))
    for second in (1.0, 2.25, 3.5):
        first = round((second + late) * format.sample_rate)
        audio[:, first : first + 800] = burst.clip(-1, 1)
    clip = Clip(video, audio, format)
    onsets, peaks = clip_onsets(clip), flow_peaks(clip_flow(clip), format.fps)
    assert peaks.tolist() == [1.0, 2.25, 3.5] and len(onsets) == 3
    assert iou_official(onsets, peaks, format.fps) == score
    assert iou_matched(onsets, peaks, format.fps) == score
