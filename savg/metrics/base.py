"""The contract of a metric: what it needs, what it takes of each clip, its result.

A metric is a class in a file of its own and a line in `savg.metrics.registry`. It takes one `Item`
for each clip, in any order, and computes a `MetricResult` of the set. Formulas are free functions
beside it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar

from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat

Extractor = Callable[[Clip], NDArray[Any]]
"""Features of one clip, an array of any fixed shape."""

Cells = Mapping[str, float | int | None]
"""Values of one clip by the names of their columns."""


class Need(StrEnum):
    """An input that a metric requires."""

    PERSONS = "persons"
    """Boxes of a person detector."""
    SOUNDS = "sounds"
    """Events of a sound detector."""
    FEATURES = "features"
    """Features that the metric's extractors compute of each clip."""
    CLIP = "clip"
    """The clip itself, so that nothing can come from a cache."""
    TRUTH = "truth"
    """True boxes and labels."""
    REFERENCE = "reference"
    """Another set of clips to compare with."""
    PAIRS = "pairs"
    """Clips of the same names in the reference set."""


class NeedError(SavgError, ValueError):
    """A metric lacks something that it needs."""


@dataclass(frozen=True, eq=False)
class Observation:
    """Detections and features of one clip.

    boxes: persons that metrics use; candidates: boxes down to lower scores, for precision over recall
    (default: boxes); both in pixels of the 256×256 frame. features: by the names of the extractors.
    """

    events: SoundEvents
    boxes: Boxes
    format: ClipFormat = SAVGBENCH
    candidates: Boxes | None = None
    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of one clip."""

    events: SoundEvents | ClipLabels
    boxes: Boxes


@dataclass(frozen=True, eq=False)
class Item:
    """One clip as metrics take it; clip is None where its observation comes from a file."""

    name: str
    observation: Observation
    clip: Clip | None = None
    truth: Truth | None = None


@dataclass(frozen=True, eq=False)
class Reference:
    """Features of a reference set: for each clip by its name, arrays by the names of the extractors."""

    features: Mapping[str, Mapping[str, NDArray[Any]]]

    def values(self, name: str) -> list[NDArray[Any]]:
        """A feature of every clip, in the order of the clips' names; NeedError if there is none."""
        rows = [row[name] for _, row in sorted(self.features.items()) if name in row]
        if not rows:
            raise NeedError(
                f"The reference set must hold the feature {name!r} of at least one clip."
            )
        return rows

    def pair(self, item: Item) -> Mapping[str, NDArray[Any]] | None:
        """The features of the clip of the same name, None if there is none."""
        return self.features.get(item.name)


@dataclass(frozen=True)
class MetricResult:
    """A metric of a set of clips; every number is finite, or None where it is not defined.

    low, high: 95 % interval over clips; n: number of clips; nulls: chance baselines by name (centre,
    swapped, shuffled); notes: counts and other facts by name, ready for JSON. `notes["reason"]` is the
    sentence that explains a value of None.

    Raises: ValueError for a number that is not finite, or None without a reason.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    nulls: Mapping[str, float | None] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = {"value": self.value, "low": self.low, "high": self.high, **self.nulls}
        for key, number in numbers.items():
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{key} of {self.name} must be finite or None, got {number}.")
        if self.value is None and not self.notes.get("reason"):
            raise ValueError(f"A result of {self.name} without a value must note its reason.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "name": self.name,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "nulls": dict(self.nulls),
            "notes": dict(self.notes),
        }

    @classmethod
    def from_json(cls, data: object) -> MetricResult:
        """The result that `to_json` wrote; ValueError for anything else."""
        try:
            if not isinstance(data, dict):
                raise TypeError(f"A result must be a JSON object, got {data!r}.")
            value, low, high = (_number(data[key]) for key in ("value", "low", "high"))
            nulls = {str(k): _number(v) for k, v in data["nulls"].items()}
            name, n = str(data["name"]), int(data["n"])
            return cls(name, value, low, high, n, nulls, dict(data["notes"]))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError("A result must have the form of MetricResult.to_json.") from error


def _number(value: object) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"A number must be an int or a float, got {value!r}.")
    return None if value is None else float(value)


class Metric(ABC):
    """A measure of a set of clips: `update` with each clip, then `compute`.

    name: key in the registry; label: name in tables; unit: of the value, "" for a plain number;
    higher_is_better: None where neither is; features: functions of a clip by the names of their
    features; backbones: names in `savg.features.registry`, whose features have the same names;
    least_clips: of each set, below which there is no number. Results do not depend on the order of the
    clips.

    Args:
        reference: the set to compare with, for metrics that need one.
        seed: of resampling.

    Raises:
        NeedError: a reference, feature, clip or truth that the metric needs is missing.

    Example:
        >>> metric = EventsPerClip()
        >>> metric.update(Item("clip", observe(clip, Detectors.load())))
        >>> metric.compute().value
    """

    name: ClassVar[str]
    label: ClassVar[str]
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[frozenset[Need]] = frozenset()
    features: ClassVar[Mapping[str, Extractor]] = {}
    backbones: ClassVar[tuple[str, ...]] = ()
    least_clips: ClassVar[int] = 1

    def __init__(self, reference: Reference | None = None, seed: int = 0) -> None:
        if self.needs & {Need.REFERENCE, Need.PAIRS} and reference is None:
            raise NeedError(f"{self.label} needs a reference set.")
        self.reference = reference
        self.seed = seed
        self._items: dict[str, Item] = {}

    def update(self, item: Item) -> None:
        """Take in one clip; ValueError for a name that was taken in before."""
        if item.name in self._items:
            raise ValueError(f"{self.label} has taken in {item.name!r} already.")
        wanted = (*self.features, *self.backbones)
        missing = [name for name in wanted if name not in item.observation.features]
        if missing:
            raise NeedError(f"{self.label} needs the feature {missing[0]!r} of {item.name}.")
        if Need.CLIP in self.needs and item.clip is None:
            raise NeedError(f"{self.label} needs the clip {item.name} itself.")
        if Need.TRUTH in self.needs and item.truth is None:
            raise NeedError(f"{self.label} needs true tables of {item.name}.")
        self._items[item.name] = self.retain(item)

    def retain(self, item: Item) -> Item:
        """The item that is stored until `compute`: without the clip's pixels and samples."""
        return replace(item, clip=None)

    @property
    def items(self) -> list[Item]:
        """The clips taken in, by name."""
        return [self._items[name] for name in sorted(self._items)]

    @abstractmethod
    def compute(self) -> MetricResult:
        """The result over the clips taken in so far."""

    @classmethod
    def cells(cls, item: Item) -> Cells:
        """This metric's columns in the table of single clips; none by default."""
        return {}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        """This metric's columns in the table of single label frames (a tenth of a second): each row
        has its number as `frame`; none by default."""
        return []

    @classmethod
    def text(cls, result: MetricResult) -> str:
        """A result in a table's cell."""
        return with_interval(result)

    def undefined(self, reason: str, n: int = 0, **notes: Any) -> MetricResult:
        """A result without a value."""
        return MetricResult(self.name, None, n=n, notes={"reason": reason, **notes})


def format_number(value: float | None, digits: int = 3) -> str:
    """A number for a table, – for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def with_interval(result: MetricResult, digits: int = 3, more: str = "") -> str:
    """Value, 95 % interval and further text in brackets: "0.750 (0.500…1.000; 3 TP, 1 FN)"."""
    interval = (
        ""
        if result.low is None
        else f"{format_number(result.low, digits)}…{format_number(result.high, digits)}"
    )
    inside = "; ".join(filter(None, (interval, more)))
    return format_number(result.value, digits) + (f" ({inside})" if inside else "")
