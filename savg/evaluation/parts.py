"""Parts of an observation: each is computed of clips in batches, and fits into a file of the cache.

What is computed depends on the clip and on the part's provenance alone, so that equal provenance means
equal values (up to rounding, where a network takes other clips with it).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.evaluation.cache import Arrays, digest
from savg.evaluation.code_version import version_of
from savg.features.base import Backbone
from savg.format import ClipFormat
from savg.json_files import parse_json
from savg.metrics.base import Extractor

BATCH = 8
"""Clips that detectors take at once."""

_UNSAFE = re.compile(r"[^\w.-]+")


class Part(ABC):
    """Something that is computed of each clip.

    name: of its files; visual: it looks at the video alone, so that it serves the same video with other
    audio; batch: clips that `compute` takes at once.
    """

    name: str
    visual: bool = False
    batch: int = 1

    @property
    @abstractmethod
    def provenance(self) -> Mapping[str, Any]:
        """What its values depend on beside the clip, ready for JSON."""

    @abstractmethod
    def compute(self, clips: Sequence[Clip]) -> list[Any]:
        """The value of each clip."""

    @abstractmethod
    def pack(self, value: Any) -> Arrays:
        """A value as arrays."""

    @abstractmethod
    def unpack(self, arrays: Arrays) -> Any:
        """The value of arrays; ValueError, LookupError or TypeError where they are none."""

    @property
    def code(self) -> Mapping[str, Any]:
        """The version of the code that computes it, where the provenance has none."""
        return {}

    @property
    def file(self) -> str:
        """The name of its files in the cache."""
        key = digest({"part": self.name, **self.provenance, "code": self.code})[:16]
        return f"{_UNSAFE.sub('_', self.name)[:80]}-{key}"


class Facts(Part):
    """Format and loudness of a clip: (ClipFormat, whether it is silent)."""

    name = "clip"

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {"version": 1}

    def compute(self, clips: Sequence[Clip]) -> list[tuple[ClipFormat, bool]]:
        return [(clip.format, not clip.audio.any()) for clip in clips]

    def pack(self, value: tuple[ClipFormat, bool]) -> Arrays:
        text = np.frombuffer(json.dumps(asdict(value[0])).encode(), np.uint8)
        return {"format": text, "silent": np.array(value[1])}

    def unpack(self, arrays: Arrays) -> tuple[ClipFormat, bool]:
        data = parse_json(arrays["format"].tobytes().decode())
        return ClipFormat(**data), bool(arrays["silent"])


class _Detections(Part):
    """What a detector finds."""

    batch = BATCH

    def __init__(self, detector: Callable[[Clip], Any]) -> None:
        self.detector = detector

    @property
    def provenance(self) -> Mapping[str, Any]:
        return provenance_of(self.detector)

    @cached_property
    def code(self) -> Mapping[str, Any]:
        return version_of(type(self.detector))

    def compute(self, clips: Sequence[Clip]) -> list[Any]:
        return many(self.detector, clips)


class Persons(_Detections):
    """Candidates of a person detector."""

    name, visual = "persons", True

    def pack(self, value: Boxes) -> Arrays:
        rows = np.column_stack([value.frames, value.categories, value.xyxy])
        return {"rows": rows} | ({} if value.scores is None else {"scores": value.scores})

    def unpack(self, arrays: Arrays) -> Boxes:
        rows = _rows(arrays, 6)
        return Boxes(rows[:, 0], rows[:, 1], rows[:, 2:], arrays.get("scores"))  # type: ignore[arg-type]


class Sounds(_Detections):
    """Events of a sound detector."""

    name = "sounds"

    def pack(self, value: SoundEvents) -> Arrays:
        return {"rows": np.column_stack([value.frames, value.categories, value.x])}

    def unpack(self, arrays: Arrays) -> SoundEvents:
        rows = _rows(arrays, 3)
        return SoundEvents(rows[:, 0], rows[:, 1], rows[:, 2])  # type: ignore[arg-type]


class _Values(Part):
    """Features: an array of any shape."""

    def pack(self, value: NDArray[Any]) -> Arrays:
        return {"values": value}

    def unpack(self, arrays: Arrays) -> NDArray[Any]:
        values = arrays["values"]
        if values.dtype.kind not in "fiub":
            raise ValueError(f"Features must be numbers, got {values.dtype}.")
        return values


class Plain(_Values):
    """A plain feature of a clip."""

    def __init__(self, feature: str, extractor: Extractor) -> None:
        self.name, self.feature, self.extractor = f"feature-{feature}", feature, extractor

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        return version_of(self.extractor)

    def compute(self, clips: Sequence[Clip]) -> list[NDArray[Any]]:
        return [np.asarray(self.extractor(clip)) for clip in clips]


class Network(_Values):
    """The features of a backbone."""

    def __init__(self, feature: str, backbone: Backbone) -> None:
        self.name, self.feature, self.backbone = f"backbone-{feature}", feature, backbone
        self.visual, self.batch = backbone.modality == "video", backbone.batch

    @property
    def provenance(self) -> Mapping[str, Any]:
        return self.backbone.provenance

    @cached_property
    def code(self) -> Mapping[str, Any]:
        return version_of(type(self.backbone))

    def compute(self, clips: Sequence[Clip]) -> list[NDArray[Any]]:
        return [np.asarray(values) for values in self.backbone(clips)]


def many(detector: Callable[[Clip], Any], clips: Sequence[Clip]) -> list[Any]:
    """A detector over clips, together where it can take several."""
    together = getattr(detector, "many", None)
    return list(together(clips)) if together else [detector(clip) for clip in clips]


def provenance_of(detector: Callable[[Clip], Any]) -> Mapping[str, Any]:
    """What a detector's results depend on: what it says, or the version of its code."""
    said = getattr(detector, "provenance", None)
    return said if isinstance(said, Mapping) else version_of(detector)


def _rows(arrays: Arrays, width: int) -> NDArray[Any]:
    rows = arrays["rows"]
    if rows.ndim != 2 or rows.shape[1] != width or rows.dtype.kind not in "fiu":
        raise ValueError(f"A table must have {width} columns of numbers, got {rows.shape}.")
    return rows
