"""Detectors and features over clips, kept in files where wanted; one bad clip stops no set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Extractor, Item, Metric, Observation, Reference, Truth
from savg.paths import atomic_file

Features = Mapping[str, Extractor]

CURVE_THRESHOLD = 0.01
"""Score of candidates: boxes below the working threshold make the tail of precision over recall."""

WORKING_THRESHOLD = 0.3
"""Score above which a candidate is a box that metrics use [S1]."""


@dataclass(frozen=True)
class Detectors:
    """What finds persons and sounds; `words` say so; threshold: where boxes are told from candidates.

    Without a threshold all boxes that the person detector gives are used.
    """

    persons: Callable[[Clip], Boxes]
    sounds: Callable[[Clip], SoundEvents]
    words: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None

    @classmethod
    def load(
        cls,
        weights: str = "demo",
        person: str = "yolox",
        sound: str = "seld",
        person_weights: str | None = None,
        sound_weights: str | None = None,
        candidates: bool = False,
    ) -> Detectors:
        """Registered detectors by name; candidates: keep boxes of low scores too.

        Raises SavgError for unknown names, CheckpointError for wrong weights.
        """
        from savg.detectors import person_detector, sound_detector

        one, other = person_weights or weights, sound_weights or weights
        options = {"score_threshold": CURVE_THRESHOLD} if candidates else {}
        return cls(
            person_detector(person, one, **options),
            sound_detector(sound, other),
            {"persons": f"{person}: {one}", "sounds": f"{sound}: {other}"},
            WORKING_THRESHOLD if candidates else None,
        )


@dataclass(frozen=True)
class Failure:
    """A clip that could not be observed, and why in a sentence."""

    name: str
    reason: str


def observe(clip: Clip, detectors: Detectors, features: Features | None = None) -> Observation:
    """What the detectors and extractors find in a clip; events after its end are dropped."""
    format = clip.format
    candidates, events = detectors.persons(clip), detectors.sounds(clip)
    boxes = candidates
    if detectors.threshold is not None and candidates.scores is not None:
        boxes = candidates.select(candidates.scores > detectors.threshold)
    return Observation(
        events.select(events.frames < format.seconds * format.label_fps),
        boxes,
        format.with_size(SAVGBENCH.size),
        candidates,
        extract(clip, features or {}),
    )


def extract(clip: Clip, features: Features) -> dict[str, np.ndarray]:
    """The features of a clip by the names of their extractors."""
    return {name: np.asarray(extractor(clip)) for name, extractor in features.items()}


def features_of(metrics: Iterable[type[Metric]]) -> dict[str, Extractor]:
    """All extractors that some metrics ask for."""
    return {name: extractor for metric in metrics for name, extractor in metric.features.items()}


def reference_of(clips: Iterable[Clip], features: Features) -> Reference:
    """The reference set of some clips, which are not kept."""
    return Reference([extract(clip, features) for clip in clips])


def observe_all(
    clips: Iterable[tuple[str, Callable[[], Clip]]],
    detectors: Detectors,
    features: Features | None = None,
    cache: Cache | None = None,
    truth: Callable[[str], Truth] | None = None,
) -> Iterator[Item | Failure]:
    """One clip after the other, read or made on its turn by `clips`' functions; those in the cache
    are neither made nor observed again. A SavgError of one clip becomes a Failure."""
    for name, make in clips:
        try:
            known = cache.read(name) if cache else None
            clip = None if known else make()
            if known is None:
                assert clip is not None
                known = observe(clip, detectors, features)
                if cache:
                    cache.write(name, known)
            yield Item(name, known, clip, truth(name) if truth else None)
        except SavgError as error:
            yield Failure(name, str(error))


@dataclass(frozen=True)
class Cache:
    """A folder with the observations of clips, one file each; a new folder for other settings."""

    folder: Path

    def read(self, name: str) -> Observation | None:
        """A kept observation, None if there is none; SavgError for a file that is none."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            with np.load(path) as data:
                boxes, candidates = (
                    _boxes(data[key], data.get(f"{key}_scores")) for key in ("boxes", "candidates")
                )
                features = {
                    key.removeprefix("feature_"): data[key]
                    for key in data.files
                    if key.startswith("feature_")
                }
                rows = data["events"]
                format = ClipFormat(**json.loads(str(data["format"])))
                events = SoundEvents(rows[:, 0], rows[:, 1], rows[:, 2])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SavgError(f"{path} is not a kept observation: delete it.") from error
        return Observation(events, boxes, format, candidates, features)

    def write(self, name: str, observation: Observation) -> None:
        """Keep an observation, whole or not at all."""
        events = observation.events
        arrays: dict[str, np.ndarray] = {
            "format": np.array(json.dumps(asdict(observation.format))),
            "events": np.column_stack([events.frames, events.categories, events.x]),
        }
        candidates = observation.candidates or observation.boxes
        for key, boxes in (("boxes", observation.boxes), ("candidates", candidates)):
            arrays[key] = np.column_stack([boxes.frames, boxes.categories, boxes.xyxy])
            if boxes.scores is not None:
                arrays[f"{key}_scores"] = boxes.scores
        arrays |= {f"feature_{name}": value for name, value in observation.features.items()}
        with atomic_file(self._path(name)) as part, part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def _boxes(rows: np.ndarray, scores: np.ndarray | None) -> Boxes:
    return Boxes(rows[:, 0], rows[:, 1], rows[:, 2:], scores)
