"""Metrics of the stereo image on sets with known answers, and what they say beside their values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from savg.annotation import Boxes, SoundEvents
from savg.audio.stereo_measures import likeness
from savg.clip import Clip
from savg.evaluation.observe import extract
from savg.format import SAVGBENCH, ClipFormat
from savg.geometry import stereo_gains
from savg.metrics.base import Item, Metric, MetricResult, Observation, Reference
from savg.metrics.fake_stereo import FakeStereo
from savg.metrics.itd import Itd
from savg.metrics.stereo import Balance, Ild, MonoCompatibility, Width
from savg.metrics.stereo_measure import wasserstein
from savg.metrics.track_error import IldError, PanError, track_correlation, track_difference

FORMAT = ClipFormat(frames=4, fps=4, size=8, picture_height=4)
RATE = FORMAT.sample_rate

Audio = NDArray[np.float64]


def noise(seed: int) -> Audio:
    return np.random.default_rng(seed).normal(0, 0.05, RATE)


def coincident(azimuth: float, seed: int) -> Audio:
    """W ± Y of a source, with a little noise of the room."""
    room = np.stack([noise(1000 + seed), noise(2000 + seed)]) * 0.05
    return stereo_gains(azimuth)[:, None] * noise(seed) + room


def features(audio: Audio, metric: type[Metric]) -> dict[str, NDArray[np.float64]]:
    video = np.zeros((4, 8, 8, 3), np.uint8)
    clip = Clip(video, audio.astype(np.float32).clip(-1, 1), FORMAT)
    return extract(clip, metric.features)


def result(
    metric: type[Metric], audio: Sequence[Audio], reference: Sequence[Audio] | None = None
) -> MetricResult:
    theirs = None
    if reference is not None:
        theirs = Reference({f"{i:02d}": features(a, metric) for i, a in enumerate(reference)})
    filled = metric(theirs)
    for i, a in enumerate(audio):
        empty = Observation(SoundEvents.empty(), Boxes.empty(), features=features(a, metric))
        filled.update(Item(f"{i:02d}", empty))
    return filled.compute()


AZIMUTHS = (-50, -30, -10, 0, 15, 35, 55)
COINCIDENT = [coincident(azimuth, i) for i, azimuth in enumerate(AZIMUTHS)]
APART = [
    np.stack([np.roll(noise(i), max(-delay, 0)), np.roll(noise(i), max(delay, 0))])
    for i, delay in enumerate((-8, -4, 0, 3, 6, 9))
]
SILENT = np.zeros((2, RATE))


def test_coincident_stereo_says_that_itd_says_little() -> None:
    found = result(Itd, COINCIDENT)
    assert found.value is not None and found.value < 10 and found.n == 7
    assert found.notes["near_zero"] == 7 and sum(found.notes["histogram"]["counts"]) == 7
    (sentence,) = found.notes["warnings"]
    assert "coincident stereo" in sentence and "7 of 7 clips" in sentence
    apart = result(Itd, APART)
    assert apart.value == pytest.approx(np.mean([8, 4, 0, 3, 6, 9]) / RATE * 1e6, abs=1)
    assert apart.notes["warnings"] == []
    assert apart.notes["mean"] == pytest.approx(np.mean([-8, -4, 0, 3, 6, 9]) / RATE * 1e6, abs=1)


def test_equal_channels_say_nothing_of_coincidence() -> None:
    equal = [np.stack([noise(i)] * 2) for i in range(6)]
    assert result(Itd, equal).notes["warnings"] == []


def test_clips_of_unrelated_channels_have_no_itd() -> None:
    unrelated = [np.stack([noise(i), noise(100 + i)]) for i in range(5)]
    assert result(Itd, unrelated).value is None
    found = result(Itd, [*unrelated, APART[0]])
    assert found.n == 1 and "Only 1 of 6 clips" in found.notes["warnings"][0]


def test_the_reference_has_its_value_and_a_distance() -> None:
    centred = [coincident(azimuth / 10, 50 + i) for i, azimuth in enumerate(AZIMUTHS)]
    found = result(Ild, centred, COINCIDENT)
    theirs, ours = result(Ild, COINCIDENT), result(Ild, centred)
    reference = found.notes["reference"]
    assert reference["value"] == pytest.approx(theirs.value) and reference["n"] == 7
    assert found.value == ours.value and found.value < theirs.value / 4
    assert reference["distance"] > 4 and reference["p"] < 0.2
    itself = result(Ild, COINCIDENT, COINCIDENT).notes["reference"]
    assert itself["distance"] == pytest.approx(0) and itself["p"] == 1


def test_the_distance_is_scipys_and_chance_is_what_equal_sets_get() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 3, 40), rng.normal(0, 3, 60)
    same = wasserstein(a, b)
    assert same["distance"] == pytest.approx(wasserstein_distance(a, b))
    ties = np.repeat([1.0, 2.0, 2.5], 3), np.array([2.0, 2.0, 7.0])
    assert wasserstein(*ties)["distance"] == pytest.approx(wasserstein_distance(*ties))
    assert same["p"] > 0.05 and same["distance"] < 3 * same["chance"]
    apart = wasserstein(a, b + 4)
    assert apart["p"] < 0.01 and apart["distance"] > 3.5
    deals = [rng.permutation(np.concatenate([a, b])) for _ in range(300)]
    chance = np.mean([wasserstein_distance(deal[:40], deal[40:]) for deal in deals])
    assert same["chance"] == pytest.approx(chance, rel=0.1)


def test_fake_stereo_counts_equal_channels_and_not_panned_ones() -> None:
    equal = [np.stack([noise(i)] * 2) for i in range(3)]
    panned = [np.stack([noise(9), 0.4 * noise(9)]), np.stack([noise(8), -noise(8)])]
    unrelated = np.stack([noise(5), noise(6)])
    found = result(FakeStereo, [*equal, *panned, unrelated, SILENT])
    assert found.value == pytest.approx(3 / 6) and found.n == 6
    counts = {name: found.notes[name] for name in ("equal", "gain", "opposite", "silent")}
    assert counts == {"equal": 3, "gain": 1, "opposite": 1, "silent": 1}
    assert "3 of 6 clips have equal channels" in found.notes["warnings"][0]
    assert "3 of 6 clips" in FakeStereo.text(found)
    assert result(FakeStereo, COINCIDENT).notes["warnings"] == []


def test_mono_that_went_through_a_codec_is_still_fake(tmp_path: Path) -> None:
    format = SAVGBENCH.with_frames(8).with_size(64)
    wave = np.random.default_rng(0).normal(0, 0.05, format.samples)
    audio = np.stack([wave, wave]).astype(np.float32)
    path = tmp_path / "a.mp4"
    Clip(np.zeros((8, 64, 64, 3), np.uint8), audio, format).write(path)
    read = Clip.read(path, format).audio
    assert not np.array_equal(*read)
    assert likeness(read, format.sample_rate).kind == "equal"


def test_a_set_that_leans_to_a_side_says_so() -> None:
    left = [coincident(azimuth, i) for i, azimuth in enumerate((20, 30, 25, 40, 22, 33, 28, 31))]
    found = result(Balance, left)
    assert found.value is not None and found.value < -0.3
    assert "leans to the left" in found.notes["warnings"][0]
    assert "right" in result(Balance, [a[::-1] for a in left]).notes["warnings"][0]
    assert result(Balance, COINCIDENT).notes["warnings"] == []


def test_channels_that_cancel_are_lost_in_mono() -> None:
    found = result(MonoCompatibility, [np.stack([noise(0), -noise(0)]), COINCIDENT[3]])
    assert found.notes["lost"] == found.notes["out_of_phase"] == 1
    assert "1 of 2 clips lose more than 6 dB" in found.notes["warnings"][0]


def test_silence_has_a_reason_and_is_counted() -> None:
    for metric in (Ild, Itd, Width, FakeStereo, Balance):
        silent = result(metric, [SILENT])
        assert silent.value is None and silent.notes["silent"] == 1
    assert result(Width, [SILENT, COINCIDENT[0]]).n == 1


def test_label_frames_have_ild_and_pan() -> None:
    audio = COINCIDENT[0].copy()
    audio[:, RATE // 2 :] = 0
    observation = Observation(
        SoundEvents.empty(), Boxes.empty(), FORMAT, features=features(audio, Ild)
    )
    rows = Ild.frame_cells(Item("a", observation))
    assert [row["frame"] for row in rows] == list(range(FORMAT.label_frames))
    left, right = stereo_gains(-50)
    assert rows[0]["ild_db"] == pytest.approx(20 * np.log10(left / right), abs=0.5)
    assert rows[0]["pan"] == pytest.approx((right - left) / (right + left), abs=0.02)
    assert rows[-1]["ild_db"] is None and rows[-1]["pan"] is None


def moving(start: float, end: float, seed: int) -> Audio:
    azimuth = np.repeat(np.linspace(start, end, 10), RATE // 10)
    return stereo_gains(azimuth) * noise(seed)


REFERENCES = [moving(50, -50, 1), moving(-40, 20, 2), moving(10, 45, 3)]


@pytest.mark.parametrize("metric", [IldError, PanError])
def test_trajectories_of_the_reference_itself_and_of_swapped_channels(metric) -> None:
    same = result(metric, REFERENCES, REFERENCES)
    assert same.value == pytest.approx(0) and same.notes["correlation"] == pytest.approx(1)
    assert same.notes["moving"] == 3 and same.notes["same_activity"] == 1
    swapped = result(metric, [a[::-1] for a in REFERENCES], REFERENCES)
    assert swapped.value == pytest.approx(same.nulls["swapped"])
    assert swapped.notes["correlation_within"] == pytest.approx(-1)
    assert swapped.nulls["swapped"] == pytest.approx(0)
    centred = result(metric, [np.stack([noise(i)] * 2) for i in range(3)], REFERENCES)
    assert centred.value == pytest.approx(same.nulls["centre"])
    assert centred.notes["correlation"] is None and centred.notes["moving"] == 0
    assert same.nulls["centre"] < same.nulls["swapped"] and same.nulls["shuffled"] > 0
    assert same.notes["warnings"] == []
    for useless in (swapped, centred):
        assert "This result is uninformative" in useless.notes["warnings"][0]


def test_an_ild_error_is_that_of_the_gains() -> None:
    clip, truth = np.stack([noise(1), 0.5 * noise(1)]), np.stack([noise(2), noise(2)])
    found = result(IldError, [clip], [truth])
    assert found.value == pytest.approx(20 * np.log10(2), abs=1e-3) and found.low is None
    one_sided = result(IldError, [np.stack([noise(1), 0 * noise(1)])], [truth])
    assert one_sided.value == pytest.approx(20)
    assert result(PanError, [clip], [truth]).value == pytest.approx(1 / 3, abs=1e-4)


def test_pairs_without_common_sound_are_left_out_and_counted() -> None:
    early, late = (moving(20, 30, 4) for _ in range(2))
    early[:, RATE // 2 :], late[:, : RATE // 2] = 0, 0
    found = result(IldError, [early, *REFERENCES[1:], REFERENCES[0]], [late, *REFERENCES[1:]])
    assert found.n == 2 and found.value == pytest.approx(0)
    assert found.notes["never_both_active"] == 1 and found.notes["unpaired"] == 1
    assert len(found.notes["warnings"]) == 2
    assert result(IldError, [early], [late]).value is None
    assert track_difference(np.array([1.0, np.nan]), np.array([2.0, 3.0, 4.0])) == 1
    assert np.isnan(track_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
