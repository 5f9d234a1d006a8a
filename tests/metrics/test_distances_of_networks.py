"""Distances through the bundled networks: the stand-ins see what a mono network cannot, and what they
look at alone."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.features.registry import backbone_class
from savg.metrics.audio_distances import KadSeld
from savg.metrics.base import Item, Observation, Reference
from savg.metrics.distribution import DistributionMetric
from savg.metrics.video_distances import KvdYolox


def scenes(first: int, count: int) -> list[Clip]:
    """Scenes of one person whose sound is louder on the left."""
    clips = []
    for index in range(first, first + count):
        clip = render(draw_scene(split_seed("test", index), World.solo())).clip
        clips.append(with_audio(clip, clip.audio * np.array([[1.0], [0.3]], np.float32)))
    return clips


def with_audio(clip: Clip, audio: np.ndarray) -> Clip:
    return Clip(clip.video, np.ascontiguousarray(audio, np.float32), clip.format)


def shortened(clip: Clip, frames: int = 2) -> Clip:
    """The beginning of a clip."""
    form = clip.format.with_frames(frames)
    return Clip(clip.video[:frames], np.ascontiguousarray(clip.audio[:, : form.samples]), form)


def features(name: str, clips: Sequence[Clip]) -> list[np.ndarray]:
    return list(backbone_class(name).load(device="cpu")(list(clips)))


def distance(
    metric: type[DistributionMetric], generated: Sequence[np.ndarray], known: Sequence[np.ndarray]
) -> float:
    name = metric.backbones[0]
    filled = metric(Reference({f"{i:02d}": {name: array} for i, array in enumerate(known)}))
    for index, array in enumerate(generated):
        observed = Observation(SoundEvents.empty(), Boxes.empty(), features={name: array})
        filled.update(Item(f"{index:02d}", observed))
    value = filled.compute().value
    assert value is not None
    return value


def test_the_sound_detector_hears_swapped_channels() -> None:
    clips = scenes(0, 12)
    swapped = [with_audio(clip, clip.audio[::-1]) for clip in clips]
    reference = features("seld", scenes(12, 12))
    plain, other = (distance(KadSeld, features("seld", c), reference) for c in (clips, swapped))
    assert other > 3 * abs(plain)


def test_the_person_detector_sees_blur_and_hears_nothing() -> None:
    clips, others = ([shortened(clip) for clip in scenes(i, 6)] for i in (0, 6))
    blurred = [
        Clip(np.stack([cv2.GaussianBlur(f, (0, 0), 5) for f in c.video]), c.audio, c.format)
        for c in clips
    ]
    reference, seen = features("yolox", others), features("yolox", clips)
    plain = distance(KvdYolox, seen, reference)
    assert distance(KvdYolox, features("yolox", blurred), reference) > 3 * abs(plain)
    silent = with_audio(clips[0], 0 * clips[0].audio)
    assert features("yolox", [silent])[0] == pytest.approx(seen[0], rel=1e-4, abs=1e-6)
