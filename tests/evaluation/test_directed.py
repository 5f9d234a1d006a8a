"""What was asked of clips against what is found in them, by tables made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.evaluation.directed import (
    PATH_PERSON,
    PATH_PERSON_POOLED,
    PATH_SOUND,
    PATH_SOUND_POOLED,
    PERSON_X,
    SOUND_HEARD,
    SOUND_X,
    SOUNDING_X,
    DirectedClip,
    directed_results,
    sound_path,
)
from savg.evaluation.takes import Asked
from savg.format import SAVGBENCH
from savg.metrics.people_count import WRONG_PEOPLE

LABELS, FRAMES = SAVGBENCH.label_frames, SAVGBENCH.frames
TIMES = (np.arange(LABELS) + 0.5) / SAVGBENCH.label_fps
FRAME_TIMES = (np.arange(FRAMES) + 0.5) / SAVGBENCH.fps


def sounds(x: np.ndarray | float, category: int = 0) -> SoundEvents:
    places = np.broadcast_to(np.asarray(x, float), LABELS)
    return SoundEvents(np.arange(LABELS), np.full(LABELS, category), places)


def people(*paths: np.ndarray | float) -> Boxes:
    """A person 20 px wide along each path in all frames."""
    x = np.stack([np.broadcast_to(np.asarray(p, float), FRAMES) for p in paths], axis=1)
    corners = [np.array([c - 10, 80, c + 10, 180]) for row in x for c in row]
    frames = np.repeat(np.arange(FRAMES), len(paths))
    return Boxes(frames, np.zeros(len(frames), int), np.array(corners))


def test_errors_are_medians_of_pixels_from_what_was_asked() -> None:
    clips = [
        DirectedClip(Asked("speech", (40,), 1), sounds(46), people(60, 38)),
        DirectedClip(Asked("speech", (200,), 1), sounds(190), people(203)),
        DirectedClip(Asked("speech", (100,), 1), sounds(128, 1), people(120)),
    ]
    result = directed_results(clips)
    assert result[SOUND_X].value == 10 and result[SOUND_X].n == 3  # of 6, 10, 28
    assert result[PERSON_X].value == 3  # of 2, 3, 20
    assert result[SOUNDING_X].value == 3  # 38 is nearer to 46 than 60: 2, 3, 20
    assert result[SOUND_X].nulls["centre"] == 72  # of 88, 72, 28
    # 46 by 200, 100; 190 by 40, 100; 128 by 40, 200
    assert result[SOUND_X].nulls["shuffled"] == np.median([154, 54, 150, 90, 88, 72])
    assert result[SOUND_X].low == 6 and result[SOUND_X].high == 28
    assert result[SOUND_HEARD].value == pytest.approx(2 / 3)
    assert result[SOUND_HEARD].nulls == {"shuffled": None, "always_one": 1.0}
    assert result[WRONG_PEOPLE].value == pytest.approx(1 / 3)
    assert result[PATH_SOUND].value is None and "moves" in result[PATH_SOUND].notes["reason"]


def test_a_sound_is_heard_where_most_events_are_of_its_class() -> None:
    mixed = SoundEvents(np.arange(5), [1, 1, 1, 0, 0], np.full(5, 90.0))
    half = SoundEvents(np.arange(4), [1, 1, 0, 0], np.full(4, 90.0))
    clips = [
        DirectedClip(Asked("instrument"), mixed, Boxes.empty()),
        DirectedClip(Asked("instrument"), half, Boxes.empty()),
        DirectedClip(Asked("speech"), SoundEvents.empty(), Boxes.empty()),
        DirectedClip(Asked("speech"), sounds(90), Boxes.empty()),
    ]
    result = directed_results(clips)
    assert result[SOUND_HEARD].value == 0.5 and result[SOUND_HEARD].notes["silent"] == 1
    # with the other class: only the first and the last clip have a majority, both wrong then
    assert result[SOUND_HEARD].nulls == {"shuffled": 0.0, "always_one": 0.5}
    assert result[SOUND_X].value is None and result[WRONG_PEOPLE].value is None


def test_a_path_is_followed_in_time() -> None:
    there = np.interp(TIMES, [0, 5], [40, 200])
    rng = np.random.default_rng(2)
    noisy = there + rng.normal(0, 40, LABELS)
    person = np.interp(FRAME_TIMES, [0, 5], [60, 180])
    clips = [
        DirectedClip(Asked(x=(40, 200)), sounds(noisy), people(person)),
        DirectedClip(Asked(x=(200, 40)), sounds(there), people(person)),
        DirectedClip(Asked(x=(200, 40)), SoundEvents.empty(), Boxes.empty()),
        DirectedClip(Asked(x=(90,)), sounds(there), people(person)),  # stays: does not count
    ]
    first = np.corrcoef(noisy, there)[0, 1]
    result = directed_results(clips)
    assert result[PATH_SOUND].n == 3
    assert result[PATH_SOUND].value == pytest.approx((first - 1 + 0) / 3)
    assert result[PATH_SOUND].notes["too_few_values"] == 1
    both, asked = np.concatenate([noisy, there]), np.concatenate([there, there[::-1]])
    assert result[PATH_SOUND_POOLED].value == pytest.approx(np.corrcoef(both, asked)[0, 1])
    assert result[PATH_SOUND_POOLED].n == 2
    assert result[PATH_PERSON].value == pytest.approx((1 - 1 + 0) / 3)
    assert result[PATH_PERSON_POOLED].value == pytest.approx(0, abs=1e-9)
    # clips one, two and three with the other path; of clip one also with the third's, the same
    assert result[PATH_SOUND].nulls["shuffled"] == pytest.approx((-first * 2 + 1 + 0) / 4)


def test_what_was_asked_is_interpolated_at_the_events_times() -> None:
    clip = DirectedClip(Asked(x=(0, 100, 0)), sounds(5), Boxes.empty())
    asked = sound_path(clip, clip.asked)[1]
    assert asked[24] == pytest.approx(100 * 2.45 / 2.5) and asked[0] == pytest.approx(2.0)
    assert asked[25] == pytest.approx(asked[24]) and asked[49] == pytest.approx(2.0)
