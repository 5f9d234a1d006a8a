"""The bundled networks do what they are told: left is left in picture and sound, and words are kept."""

from __future__ import annotations

import numpy as np
import pytest

from savg.audio.levels import pan
from savg.clip import Clip
from savg.evaluation.observe import Detectors
from savg.metrics.pan_agreement import person_x
from savg.pipelines.direction import Direction
from savg.pipelines.joint import JointPipeline
from savg.pipelines.two_stage import TwoStagePipeline

SIDES = 56.0, 200.0
"""x that is asked for, left and right of the middle, 128."""


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors.load("demo")


def shown_and_heard(clip: Clip, detectors: Detectors) -> tuple[float, float]:
    """x of the surest person in pixels, and the pan, −1 left … 1 right."""
    boxes = detectors.persons(clip)
    return person_x(boxes, clip.format.frames), pan(clip.audio)


def test_joint_clips_stand_and_sound_where_they_are_asked_to(detectors: Detectors) -> None:
    pipeline = JointPipeline.from_pretrained("demo", "cpu", "float32")
    for x, side in zip(SIDES, (-1, 1), strict=True):
        direction = Direction("speech", (x,), 1)
        clip = pipeline(1, seed=3, direction=direction)[0]
        person, panned = shown_and_heard(clip, detectors)
        assert abs(person - x) < 30, (x, person)
        assert side * panned > 0.1, (x, panned)


def test_two_stages_stand_where_they_are_asked_to(detectors: Detectors) -> None:
    pipeline = TwoStagePipeline.from_pretrained("demo", "cpu", "float32")
    for x, side in zip(SIDES, (-1, 1), strict=True):
        direction = Direction("speech", (x,), 1)
        fast = {"audio_steps": 8}
        clip = pipeline(1, seed=3, direction=direction, **fast)[0]
        person, panned = shown_and_heard(clip, detectors)
        assert abs(person - x) < 30, (x, person)
        assert side * panned > 0.1, (x, panned)


def test_nothing_asked_is_the_same_as_no_direction() -> None:
    pipeline = JointPipeline.from_pretrained("demo", "cpu", "float32")
    fast = {"steps": 2, "superres_steps": 1}
    plain, open_ = (pipeline(1, seed=5, direction=d, **fast)[0] for d in (None, Direction()))
    assert np.array_equal(plain.video, open_.video) and np.array_equal(plain.audio, open_.audio)
