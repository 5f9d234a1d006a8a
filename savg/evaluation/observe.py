"""Detectors and features over clips, with a cache in files; one bad clip stops no set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from savg.annotation import Boxes, SoundEvents
from savg.arrays import read_arrays
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.json_files import parse_json
from savg.metrics.base import Extractor, Item, Metric, Observation, Reference, Truth
from savg.paths import atomic_file

Features = Mapping[str, Extractor]

CURVE_THRESHOLD = 0.01
"""Least score of candidates; those below the working threshold are the tail of average precision."""

WORKING_THRESHOLD = 0.3
"""Score above which metrics use a candidate as a box [S1]."""


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
        person: str = "yolox",
        sound: str = "seld",
        person_weights: str | None = None,
        sound_weights: str | None = None,
        candidates: bool = False,
    ) -> Detectors:
        """Registered detectors by name.

        Args:
            weights: source of both detectors: "demo", a pipeline folder, or a Hub repo id.
            person: name of the person detector.
            sound: name of the sound detector.
            person_weights: another source for the person detector.
            sound_weights: another source for the sound detector.
            candidates: detect boxes of low scores too, for average precision.

        Raises:
            SavgError: a name is not registered.
            CheckpointError: the weights do not fit.
        """
        from savg.detectors import person_detector, sound_detector

        person_source, sound_source = person_weights or weights, sound_weights or weights
        options = {"score_threshold": CURVE_THRESHOLD} if candidates else {}
        return cls(
            person_detector(person, person_source, **options),
            sound_detector(sound, sound_source),
            {"persons": f"{person}: {person_source}", "sounds": f"{sound}: {sound_source}"},
            WORKING_THRESHOLD if candidates else None,
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
    """Extractors by name that the metrics need."""
    return {name: extractor for metric in metrics for name, extractor in metric.features.items()}


def reference_of(clips: Iterable[tuple[str, Clip]], features: Features) -> Reference:
    """Features of named clips as a reference set; the clips themselves are not stored."""
    return Reference({name: extract(clip, features) for name, clip in clips})


def observe_all(
    clips: Iterable[tuple[str, Callable[[], Clip]]],
    detectors: Detectors,
    features: Features | None = None,
    cache: Cache | None = None,
    truth: Callable[[str], Truth] | None = None,
) -> Iterator[Item | Failure]:
    """Observe clips one after the other.

    Args:
        clips: (name, function that reads or generates the clip); cached clips are not read again.
        detectors: such as `Detectors.load()`.
        features: extractors by name, such as `features_of(metrics)`.
        cache: observations of an earlier run.
        truth: ground truth of a clip by name.

    Yields:
        An Item for each clip; a Failure where one raises SavgError.

    Example:
        >>> items = observe_all([("a", partial(Clip.read, "a.mp4"))], Detectors.load())
    """
    for name, load in clips:
        try:
            observation = cache.read(name) if cache else None
            clip = None if observation else load()
            if observation is None:
                assert clip is not None
                observation = observe(clip, detectors, features)
                if cache:
                    cache.write(name, observation)
            yield Item(name, observation, clip, truth(name) if truth else None)
        except SavgError as error:
            yield Failure(name, str(error))


@dataclass(frozen=True)
class Cache:
    """A folder with observations of clips, one file each; other settings need another folder."""

    folder: Path

    def read(self, name: str) -> Observation | None:
        """A cached observation, None if there is none; SavgError for a file of another form."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            data = read_arrays(path)
            boxes, candidates = (
                _boxes(data[key], data.get(f"{key}_scores")) for key in ("boxes", "candidates")
            )
            features = {
                key.removeprefix("feature_"): values
                for key, values in data.items()
                if key.startswith("feature_")
            }
            rows = data["events"]
            format = ClipFormat(**parse_json(str(data["format"])))
            events = SoundEvents(rows[:, 0], rows[:, 1], rows[:, 2])
        except (SavgError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise SavgError(f"{path} is not a cached observation: delete it.") from error
        return Observation(events, boxes, format, candidates, features)

    def write(self, name: str, observation: Observation) -> None:
        """Write an observation, atomically."""
        events = observation.events
        arrays: dict[str, np.ndarray] = {
            "format": np.array(json.dumps(asdict(observation.format))),
            "events": np.column_stack([events.frames, events.categories, events.x]),
        }
        candidates = observation.candidates
        if candidates is None:
            candidates = observation.boxes
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
