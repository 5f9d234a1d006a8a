"""What stands beside Spatial AV-Align: correction for chance, warnings, groups, frames, objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from spatial_clips import FRAMES, boxes_at, compute, items, sounds_at

from savg.annotation import SoundEvents
from savg.metrics.base import Item, Observation
from savg.metrics.chance import best_chance, corrected_score, uninformative
from savg.metrics.registry import metric_class
from savg.metrics.sounding import KINDS, SOUNDING, SOURCES, kind_of


def test_the_correction_by_hand() -> None:
    counts = np.array([[8, 2]])
    chance = {"centre": np.array([[5, 5]]), "swapped": np.array([[6, 4]])}
    corrected = corrected_score(counts, chance)
    assert corrected.value == pytest.approx((0.8 - 0.6) / (1 - 0.6))
    assert corrected.baseline == "swapped" and corrected.low is corrected.high is None
    assert best_chance({"a": 0.5, "b": 0.2}, higher_is_better=False) == ("b", 0.2)
    assert best_chance({"a": 0.5, "b": None, "c": 0.5}) == ("a", 0.5) and best_chance({}) is None
    perfect_luck = corrected_score(counts, {"centre": np.array([[3, 0]])})
    assert perfect_luck.value is None and perfect_luck.baseline == "centre"
    assert corrected_score(np.zeros((3, 2), int), chance).value is None


def test_which_results_are_uninformative() -> None:
    nulls = {"centre": 0.5, "swapped": 0.3, "shuffled": None}
    assert uninformative(0.7, 0.51, 0.9, nulls) == []
    assert uninformative(0.7, 0.5, 0.9, nulls)[0].endswith(
        "lie above the chance baseline 'centre', 0.50."
    )
    assert uninformative(0.2, 0.1, 0.29, nulls, higher_is_better=False) == []
    lower = uninformative(0.2, 0.1, 0.3, nulls, higher_is_better=False)
    assert "0.10…0.30 does not lie below the chance baseline 'swapped', 0.30." in lower[0]
    assert uninformative(None, None, None, nulls) == []
    assert uninformative(0.1, 0.1, 0.2, {"centre": None}) == []


def test_a_value_without_an_interval_is_compared_itself() -> None:
    nulls = {"centre": 0.5}
    assert uninformative(0.6, None, None, nulls) == []
    (sentence,) = uninformative(0.5, None, None, nulls, words={"centre": "no direction"})
    assert sentence == (
        "This result is uninformative: its value 0.50 does not lie above the chance baseline "
        "'centre' (no direction), 0.50."
    )
    one = compute("spatial_av_align", items((sounds_at(128), boxes_at((128, 0)))))
    assert one.value == 1.0 and one.low is one.high is None
    first, second, *_ = one.notes["warnings"]
    assert "its value 1.00 does not lie above the chance baseline 'centre', 1.00." in first
    assert second == "The score rests on only 1 clip with sounds."


def test_the_correction_is_resampled_with_its_baselines() -> None:
    """Against a plain bootstrap: clips drawn by the same generator, everything formed anew."""
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 30, (12, 2))
    chance = {name: rng.integers(1, 30, (12, 2)) for name in ("centre", "swapped")}
    drawn = np.random.default_rng(3).integers(0, 12, (500, 12))
    values = []
    for rows in drawn:
        share = {n: c[rows].sum(0)[0] / c[rows].sum() for n, c in (chance | {"": counts}).items()}
        best = max(share["centre"], share["swapped"])
        values.append((share[""] - best) / (1 - best))
    corrected = corrected_score(counts, chance, seed=3, resamples=500)
    assert corrected.low == pytest.approx(np.quantile(values, 0.025))
    assert corrected.high == pytest.approx(np.quantile(values, 0.975))


def test_central_clips_call_themselves_uninformative() -> None:
    """Eight of nine talkers in the middle, sounds in the middle: as the six real videos were."""
    clips = items(
        *[(sounds_at(128), boxes_at((128, 0))) for _ in range(8)],
        (sounds_at(128), boxes_at((30, 0))),
    )
    result = compute("spatial_av_align", clips)
    assert result.value == pytest.approx(8 / 9) == result.nulls["centre"]
    first, *others = result.notes["warnings"]
    assert first.startswith("This result is uninformative: its interval")
    assert first.endswith("does not lie above the chance baseline 'centre', 0.89.")
    assert any("only 9 clips" in sentence for sentence in others)
    assert any("100% of the sounds lie within 40 px of the centre" in s for s in others)
    assert result.notes["corrected"]["value"] == pytest.approx(0.0)
    assert compute("spatial_corrected", clips).value == pytest.approx(0.0)


def test_clips_that_are_right_raise_no_warning() -> None:
    xs = np.linspace(20, 236, 16)
    result = compute("spatial_av_align", items(*[(sounds_at(x), boxes_at((x, 0))) for x in xs]))
    assert result.value == 1.0 and result.notes["warnings"] == []
    assert result.notes["corrected"]["value"] == 1.0
    # a box of 20 px with 40 px beside it is 100 of 256 px wide where it is not cut off
    assert 0.3 < result.notes["anywhere"] < 0.4


def test_filled_frames_swapped_channels_and_nobody() -> None:
    wide = compute("spatial_av_align", items((sounds_at(20), boxes_at((128, 0), width=250))))
    assert wide.notes["anywhere"] == 1.0
    assert any("the boxes fill the frame" in sentence for sentence in wide.notes["warnings"])
    assert wide.notes["corrected"] == {
        "value": None, "low": None, "high": None, "baseline": "centre"
    }  # fmt: skip
    undefined = compute("spatial_corrected", items((sounds_at(20), boxes_at((128, 0), width=250))))
    assert undefined.value is None and "'centre' is 1" in undefined.notes["reason"]
    swapped = compute("spatial_av_align", items((sounds_at(226), boxes_at((30, 0)))))
    assert swapped.value == 0 and swapped.nulls["swapped"] == 1.0
    assert any("With left and right swapped" in sentence for sentence in swapped.notes["warnings"])
    alone = compute("spatial_av_align", items((sounds_at(226), boxes_at())))
    assert any("No box was found in 1 of 1 clips" in s for s in alone.notes["warnings"])


def test_swapped_channels_are_told_where_they_exceed_the_interval_alone() -> None:
    """Some clips are the right way round, some the wrong one: the swapped score is a little higher."""
    right, wrong = (sounds_at(30), boxes_at((30, 0))), (sounds_at(226), boxes_at((30, 0)))
    for count, told in ((6, False), (10, True)):
        clips = items(*[right] * (10 - count), *[wrong] * count)
        result = compute("spatial_av_align", clips)
        assert result.nulls["swapped"] == count / 10 > result.value
        assert (result.nulls["swapped"] > result.high) == told
        sentences = [s for s in result.notes["warnings"] if "left and right swapped" in s]
        assert len(sentences) == told


def test_groups_by_position_and_class() -> None:
    left, right = sounds_at(-10), sounds_at(250, category=1)
    clips = items((left, boxes_at((10, 0))), (right, boxes_at((10, 0))))
    notes = compute("spatial_av_align", clips).notes
    assert notes["by_position"][0]["label"] == "0–51 px"
    assert [(row["value"], row["n"]) for row in notes["by_position"]] == [
        (1.0, 50), (None, 0), (None, 0), (None, 0), (0.0, 50)
    ]  # fmt: skip
    assert [(row["label"], row["value"], row["n"]) for row in notes["by_class"]] == [
        ("speech", 1.0, 50), ("instrument", 0.0, 50)
    ]  # fmt: skip
    assert notes["by_class"][0]["low"] is None  # one clip has speech


def test_frames_beside_count_in_the_code_and_not_in_the_text() -> None:
    """A person in every fourth frame: the frame and its two neighbours, or it alone."""
    clips = items((sounds_at(60), boxes_at((60, 0), frames=range(2, 20, 4))))
    video = [min(round(f / 10 * 4), 19) for f in range(FRAMES)]
    around = np.mean([any(abs(v - g) <= 1 for g in range(2, 20, 4)) for v in video])
    alone = np.mean([v % 4 == 2 for v in video])
    assert compute("spatial_av_align", clips).value == pytest.approx(around)
    assert compute("spatial_same_frame", clips).value == pytest.approx(alone)
    assert around > 0.7 > 0.35 > alone


def test_only_persons_count_for_spatial_av_align() -> None:
    tv, dog, person = KINDS["loudspeaker"][0], 16, 0
    chair = 56
    both = items(
        (sounds_at(60), boxes_at((200, person), (60, tv))),
        (sounds_at(60), boxes_at((200, person), (60, dog))),
        (sounds_at(60), boxes_at((200, person), (60, chair))),
        (sounds_at(60, category=1), boxes_at((60, person))),
    )
    assert compute("spatial_av_align", both).value == 0.25
    anything = compute("spatial_any", both)
    assert anything.value == 0.75
    assert anything.notes["boxes_by_kind"] == {"animal": 20, "loudspeaker": 20, "person": 80}
    assert compute("spatial_any_class", both).value == 0.5
    persons = compute("spatial_any", both[3:])
    assert "All boxes are of persons" in persons.notes["warnings"][-1]
    assert "All boxes are of persons" not in " ".join(anything.notes["warnings"])


def test_the_table_of_sounding_objects() -> None:
    assert len(SOUNDING) == len(set(SOUNDING)) and max(SOUNDING) < 80
    assert all(set(sources) <= set(SOUNDING) for sources in SOURCES.values())
    assert kind_of(16) == "animal" and kind_of(56) is None


def test_rows_of_frames() -> None:
    events = SoundEvents([3, 3, 3, 7], [0, 1, 0, 0], [50.0, 200.0, 99.0, 80.0])
    item = Item("a", Observation(events, boxes_at((60, 0), frames=range(0, 3))))
    align, error = (metric_class(n).frame_cells(item) for n in ("spatial_av_align", "pixel_error"))
    assert align == [
        {"frame": 3, "speech_x": 50.0, "speech_matched": 1,
         "instrument_x": 200.0, "instrument_matched": 0},
        {"frame": 7, "speech_x": 80.0, "speech_matched": 1,
         "instrument_x": None, "instrument_matched": None},
    ]  # fmt: skip
    assert error[0] == {
        "frame": 3, "speech_person_x": 60.0, "speech_error_px": -10.0,
        "instrument_person_x": 60.0, "instrument_error_px": 140.0,
    }  # fmt: skip
    # label frame 7 is video frame 3, which is empty: the person of the frame before it counts
    assert error[1]["speech_error_px"] == 20.0
    nothing = replace(item, observation=replace(item.observation, boxes=boxes_at()))
    assert metric_class("pixel_error").frame_cells(nothing)[0]["speech_error_px"] is None
