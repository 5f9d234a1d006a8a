"""Made-up clips with detections, labels and features, for the tests of metrics."""

from __future__ import annotations

import numpy as np

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.evaluation.observe import extract, features_of
from savg.features.registry import backbone_class
from savg.format import SAVGBENCH
from savg.metrics.base import Item, Observation, Reference, Truth
from savg.metrics.registry import METRICS, metric_class

SMALL = SAVGBENCH.with_size(64)
CLASSES = {name: metric_class(name) for name in METRICS}
FEATURES = features_of(CLASSES.values())
BACKBONES = sorted({name for metric in CLASSES.values() for name in metric.backbones})
WIDTH = 6
"""Values of a made-up feature of a backbone."""


def small_clip(rng: np.random.Generator, silent: bool = False) -> Clip:
    """Noise in the frames, a bright block that moves, and noise, louder and earlier at one side."""
    video = rng.integers(0, 60, (SMALL.frames, 64, 64, 3)).astype(np.uint8)
    left = int(rng.integers(4, 52))
    for frame in range(SMALL.frames):
        top = 20 + frame % 12
        video[frame, top : top + 8, left : left + 8] = 250
    audio = rng.normal(0, 0.05, (2, SMALL.samples)).astype(np.float32).clip(-1, 1)
    audio[1] = 0.5 * audio[1] + np.roll(audio[0], left % 9 - 4)
    audio *= 0 if silent else rng.uniform(0.1, 1, (2, 1)).astype(np.float32)
    audio[1] = audio[int(left % 4 != 0)]  # every fourth clip or so has equal channels
    return Clip(video, audio, SMALL)


def features(clip: Clip, seed: int) -> dict[str, np.ndarray]:
    """The plain features of a clip, and random ones in place of those of backbones."""
    rng = np.random.default_rng([7, seed])
    shapes = {"video": (1, WIDTH), "audio": (4, 2, WIDTH), "both": (2, WIDTH)}
    drawn = {
        name: rng.normal(size=shapes[backbone_class(name).modality]).astype(np.float32)
        for name in BACKBONES
    }
    return extract(clip, FEATURES) | drawn


def draw_item(index: int, silent: bool = False) -> Item:
    rng = np.random.default_rng(index)
    clip = small_clip(rng, silent)
    n, m = int(rng.integers(5, 40)), int(rng.integers(1, 25))
    events = SoundEvents(rng.integers(0, 50, n), rng.integers(0, 2, n), rng.uniform(-20, 270, n))
    left, top = rng.uniform(0, 230, m), rng.uniform(0, 150, m)
    xyxy = np.stack([left, top, left + rng.uniform(10, 60, m), top + rng.uniform(10, 90, m)], 1)
    detections = Boxes(rng.integers(0, 20, m), np.zeros(m), xyxy, rng.uniform(0.3, 1, m))
    labels = events.with_x(events.x + rng.normal(0, 40, n))
    truth = Truth(
        labels, Boxes(detections.frames, detections.categories, xyxy + rng.uniform(0, 6, (m, 1)))
    )
    observation = Observation(events, detections, features=features(clip, index))
    return Item(f"clip {index:02d}", observation, clip, truth)


ITEMS = [draw_item(index) for index in range(9)]
REFERENCE_CLIPS = [small_clip(np.random.default_rng(100 + index)) for index in range(9)]
REFERENCE = Reference(
    {f"clip {index:02d}": features(clip, 100 + index) for index, clip in enumerate(REFERENCE_CLIPS)}
)
