"""Detectors: a clip in, `Boxes` of persons or `SoundEvents` out; see the registries for names.

Every detector has `from_pretrained(source, …)` and is called with a `Clip`. To add one, write its
module and add a line here.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, Protocol

from savg.errors import SavgError

if TYPE_CHECKING:
    from savg.annotation import Boxes, SoundEvents
    from savg.clip import Clip

PERSON_DETECTORS: dict[str, str] = {
    "yolox": "savg.detectors.persons:YoloxDetector",
    "mmdet": "savg.detectors.mmdet_persons:MmdetDetector",
}
"""name → class of a person detector, resolved on first use."""

SOUND_DETECTORS: dict[str, str] = {
    "seld": "savg.detectors.sounds:SeldDetector",
}
"""name → class of a sound event detector, resolved on first use."""


class PersonDetector(Protocol):
    """Finds persons in the pictures of a clip."""

    def __call__(self, clip: Clip) -> Boxes: ...


class SoundDetector(Protocol):
    """Finds sound events and where they are in the sound of a clip."""

    def __call__(self, clip: Clip) -> SoundEvents: ...


def person_detector(
    name: str = "yolox", source: str | os.PathLike[str] = "demo", **options: Any
) -> PersonDetector:
    """The person detector `name` with the weights `source`; SavgError lists the names there are."""
    return _class_of(PERSON_DETECTORS, name, "person detector").from_pretrained(source, **options)


def sound_detector(
    name: str = "seld", source: str | os.PathLike[str] = "demo", **options: Any
) -> SoundDetector:
    """The sound detector `name` with the weights `source`; SavgError lists the names there are."""
    return _class_of(SOUND_DETECTORS, name, "sound detector").from_pretrained(source, **options)


def _class_of(registry: dict[str, str], name: str, what: str) -> Any:
    if name not in registry:
        raise SavgError(f"Unknown {what} {name!r}: expected one of {', '.join(registry)}.")
    module, attribute = registry[name].split(":")
    return getattr(importlib.import_module(module), attribute)
