"""Detectors and plain features of single clips; see `savg.evaluation.observers` for sets of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Extractor, Metric, Observation
from savg.metrics.sounding import SOUNDING

Features = Mapping[str, Extractor]

CURVE_THRESHOLD = 0.01
"""Least score of candidates; those below the working threshold are the tail of average precision."""


@dataclass(frozen=True)
class Detectors:
    """A person and a sound detector.

    names: of detectors and weights; threshold: score above which a candidate is a box (None: all are).
    """

    persons: Callable[[Clip], Boxes]
    sounds: Callable[[Clip], SoundEvents]
    names: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None

    @classmethod
    def load(
        cls,
        weights: str = "demo",
        person: str | None = None,
        sound: str = "seld",
        person_weights: str | None = None,
        sound_weights: str | None = None,
        candidates: bool = False,
        device: str | None = None,
        objects: bool = False,
    ) -> Detectors:
        """Registered detectors by name.

        Args:
            weights: source of both detectors: "demo", a pipeline folder, or a Hub repo id.
            person: name of the person detector (None: the one of its weights, and of "demo" the one by
                which sets of clips are evaluated).
            sound: name of the sound detector.
            person_weights: another source for the person detector.
            sound_weights: another source for the sound detector.
            candidates: detect boxes of low scores too, for average precision.
            device: as in `savg.device.choose`.
            objects: find other objects that can sound too, where the network knows them.

        Raises:
            SavgError: a name is not registered.
            CheckpointError: the weights do not fit.
        """
        from savg.detectors import (
            EVALUATION_DETECTOR,
            detector,
            detector_of,
            person_detector,
            sound_detector,
        )

        person_source, sound_source = person_weights or weights, sound_weights or weights
        if person is None:
            person = EVALUATION_DETECTOR if person_source == "demo" else detector_of(person_source)
        place = {} if device is None else {"device": device}
        options: dict[str, Any] = {"score_threshold": CURVE_THRESHOLD} if candidates else {}
        options |= {"categories": SOUNDING} if objects else {}
        return cls(
            person_detector(person, person_source, **options, **place),
            sound_detector(sound, sound_source, **place),
            {"persons": f"{person}: {person_source}", "sounds": f"{sound}: {sound_source}"},
            detector("persons", person).threshold if candidates else None,
        )


@dataclass(frozen=True)
class Failure:
    """A clip that could not be observed; reason: a sentence."""

    name: str
    reason: str


def observe(clip: Clip, detectors: Detectors, features: Features | None = None) -> Observation:
    """Detections and features of a clip; events after its end are dropped.

    Args:
        clip: of any length and size.
        detectors: such as `Detectors.load()`.
        features: extractors by name.

    Example:
        >>> observe(Clip.read("clip.mp4"), Detectors.load()).boxes
    """
    return observation(
        clip.format,
        detectors.persons(clip),
        detectors.sounds(clip),
        extract(clip, features or {}),
        detectors.threshold,
    )


def observation(
    format: ClipFormat,
    candidates: Boxes,
    events: SoundEvents,
    features: Mapping[str, NDArray[Any]],
    threshold: float | None = None,
) -> Observation:
    """What was found in a clip of a format, as metrics take it: in the pixels of tables, without
    events after its end.

    threshold: score above which a candidate is a box; None: all are.
    """
    boxes = candidates
    if threshold is not None and candidates.scores is not None:
        boxes = candidates.select(candidates.scores > threshold)
    return Observation(
        events.select(events.frames < format.seconds * format.label_fps),
        boxes,
        format.with_size(SAVGBENCH.size),
        candidates,
        features,
    )


def extract(clip: Clip, features: Features) -> dict[str, np.ndarray]:
    """The features of a clip by the names of their extractors."""
    return {name: np.asarray(extractor(clip)) for name, extractor in features.items()}


def features_of(metrics: Iterable[type[Metric]]) -> dict[str, Extractor]:
    """Extractors by name that the metrics need."""
    return {name: extractor for metric in metrics for name, extractor in metric.features.items()}
