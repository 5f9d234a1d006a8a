"""Swapped channels are told on drawn scenes and the two published clips; mono and few clips are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.data.scenes.render import Rendered
from savg.detectors import person_detector, sound_detector
from savg.evaluation.channel_check import (
    ClipChannels,
    check_clip,
    check_set,
    persons_side,
)
from savg.evaluation.observe import Detectors, observation, observe
from savg.format import SAVGBENCH

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "clips"
SCENES = 6


Sounds = Callable[[Clip], SoundEvents]


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    """The bundled sound detector, which hears the same audio once."""
    detector, heard = sound_detector("seld", "demo"), {}

    def detect(clip: Clip) -> SoundEvents:
        key = clip.audio.tobytes()
        if key not in heard:
            heard[key] = detector(clip)
        return heard[key]

    return detect


@pytest.fixture(scope="module")
def scenes() -> list[Rendered]:
    """Clips with the boxes of their persons."""
    drawn = (draw_scene(split_seed("test", i), World.demo()) for i in range(SCENES))
    return [render(scene, size=64) for scene in drawn]


def checked(scenes: list[Rendered], sounds: Sounds, change) -> list[ClipChannels]:
    found = []
    for i, scene in enumerate(scenes):
        video, format = scene.clip.video, scene.clip.format
        clip = Clip(video, np.ascontiguousarray(change(scene.clip.audio)), format)
        observed = observation(format, scene.boxes, sounds(clip), {})
        found.append(check_clip(f"{i}", clip, observed, sounds))
    return found


def test_drawn_scenes_are_right_and_swapped_ones_swapped(scenes, sounds) -> None:
    right = check_set(checked(scenes, sounds, lambda audio: audio))
    swapped = check_set(checked(scenes, sounds, lambda audio: audio[::-1]))
    assert right.verdict == "right" and not right.findings and right.faults == {}
    assert swapped.verdict == "swapped" and swapped.findings
    assert right.votes == {"swapped": 0, "right": SCENES, "undecided": 0}
    assert swapped.votes == {"swapped": SCENES, "right": 0, "undecided": 0}
    assert right.score is not None and right.swapped is not None and swapped.score is not None
    assert right.score > 0.9 > 0.5 > right.swapped and swapped.score == pytest.approx(right.swapped)
    assert right.p == swapped.p == pytest.approx(2 / 2**SCENES)  # two-sided, all agree
    assert right.high is not None and swapped.low is not None
    assert right.high < 0 < swapped.low
    assert swapped.sentence.startswith("Channels look swapped: Spatial AV-Align 0.")
    assert f"{SCENES} for swapped, 0 for right" in swapped.sentence
    json.dumps(swapped.to_json(), allow_nan=False)


def test_mono_decides_nothing_whatever_side_the_detector_likes(scenes, sounds) -> None:
    mono = check_set(checked(scenes, sounds, lambda a: np.stack([a.mean(axis=0)] * 2)))
    assert mono.verdict == "undecided" and mono.votes["undecided"] == SCENES
    assert mono.score == mono.swapped and mono.p is None and mono.findings
    assert mono.faults == {"equal": SCENES} and "no clip can tell" in mono.sentence


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published sample clips are not here")
def test_the_first_published_clip_is_the_wrong_way_round(sounds) -> None:
    detectors, found = Detectors(person_detector(), sounds), []
    for path in sorted(PUBLISHED.glob("*.mp4")):
        clip = Clip.read(path, max_seconds=60)
        found.append(check_clip(path.stem, clip, observe(clip, detectors), sounds))
    # The second one's louder side says swapped by less than a decibel, its events say right by a few.
    assert found[0].verdict == "swapped" and found[1].swapped_tp > 20
    both = check_set(found)
    assert both.verdict == "undecided" and both.p >= 0.5
    assert "it takes 6 that agree" in both.sentence


def clip_of(tp: int, swapped_tp: int, side: str = "", ild_db: float | None = 0.0) -> ClipChannels:
    return ClipChannels("a", tp, 10 - tp, swapped_tp, 10 - swapped_tp, side, ild_db, 5)


@pytest.mark.parametrize(
    ("found", "verdict", "says"),
    [
        (clip_of(9, 1), "right", "0.90 as they are, 0.10 swapped"),
        (clip_of(1, 9), "swapped", "0.10 as they are, 0.90 swapped"),
        (clip_of(5, 7), "undecided", "persons are at the centre or on both sides"),
        (
            clip_of(10, 10, "left", -0.9),
            "swapped",
            "persons are at the left, the right channel is 0.9",
        ),
        (clip_of(10, 10, "right", -0.9), "right", "the right channel is 0.9 dB louder"),
        (clip_of(10, 10, "right", -0.3), "undecided", "no channel is louder"),
        (clip_of(9, 1, "left", -9.0), "right", "0.90 as they are"),
        (ClipChannels("a", 0, 0, 0, 0, "left", 3.0, 5), "undecided", "no sound event"),
        (ClipChannels("a", 0, 9, 0, 9, "", 3.0, 0), "undecided", "no person is detected"),
        (ClipChannels("a", 5, 0, 0, 0, "", None, 4), "undecided", "persons are at the centre"),
    ],
)
def test_what_one_clip_speaks_for(found: ClipChannels, verdict: str, says: str) -> None:
    assert found.verdict == verdict and says in found.sentence and found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("swapped", "right", "verdict"),
    [
        (6, 0, "swapped"),
        (5, 0, "undecided"),
        (0, 6, "right"),
        (9, 5, "undecided"),
        (30, 10, "swapped"),
    ],
)
def test_a_sign_test_over_clips_decides(swapped: int, right: int, verdict: str) -> None:
    found = check_set([clip_of(0, 10)] * swapped + [clip_of(10, 0)] * right + [clip_of(5, 5)] * 3)
    assert found.verdict == verdict and f"p = {found.p:.2g}" in found.sentence
    total = 10 * (swapped + right + 3)
    assert found.score == pytest.approx((10 * right + 15) / total)
    assert found.swapped == pytest.approx((10 * swapped + 15) / total)


def test_a_set_without_sound_or_clips_has_a_sentence() -> None:
    silent = ClipChannels("a", 0, 0, 0, 0, "", None, 0)
    for clips in ([], [silent], [silent, replace(silent, name="b")]):
        found = check_set(clips)
        assert found.sentence == "Undecided: no clip has a sound event to judge."
        assert found.p is None and found.low is None and not found.findings
        json.dumps(found.to_json(), allow_nan=False)


def test_the_side_of_persons() -> None:
    def side(*centres: float, frames: list[int] | None = None) -> str:
        x = np.array(centres)
        boxes = np.stack([x - 20, 0 * x, x + 20, 0 * x + 90], axis=1).reshape(-1, 4)
        number = np.arange(len(x)) if frames is None else np.array(frames)
        return persons_side(Boxes(number, np.zeros(len(x)), boxes), SAVGBENCH)

    assert side(40, 50, 60, 70, 100) == "left" and side(180, 200, 210) == "right"
    assert side(120, 130) == side() == side(40, 40, 40, 220) == ""
    assert side(40, 220, frames=[0, 0]) == "" and side(40, 60, frames=[0, 0]) == "left"
    assert side(40, 40, 40, 40, 220) == "left"
    table = Boxes(np.array([0]), np.array([60]), np.array([[0.0, 0, 30, 90]]))
    assert persons_side(table, SAVGBENCH) == "" and len(SoundEvents.empty()) == 0
