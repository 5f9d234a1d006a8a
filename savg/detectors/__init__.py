"""Detectors: a clip in, `Boxes` of persons or `SoundEvents` out; see `DETECTORS` for names.

Every detector is a class with `from_pretrained(source, …)` whose instances are called with a `Clip`. To
add one, write its module and add a line here: the command line and the studio read this table.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from savg.errors import SavgError

if TYPE_CHECKING:
    from savg.annotation import Boxes, SoundEvents
    from savg.clip import Clip

Kind = Literal["persons", "sounds"]


class PersonDetector(Protocol):
    """Clip → boxes of persons in its frames."""

    def __call__(self, clip: Clip) -> Boxes: ...


class SoundDetector(Protocol):
    """Clip → sound events in its audio, with their x."""

    def __call__(self, clip: Clip) -> SoundEvents: ...


@dataclass(frozen=True)
class Detector:
    """A line of the table.

    kind: "persons" or "sounds"; label: its name in interfaces; where: "module:class"; module: the
    package that must be installed.
    """

    kind: Kind
    label: str
    where: str
    module: str = ""

    @property
    def available(self) -> bool:
        """Whether the package that it needs is installed."""
        return not self.module or importlib.util.find_spec(self.module) is not None

    def load(self, source: str | os.PathLike[str] = "demo", **options: Any) -> Any:
        """The detector with the weights `source`; its class is imported on first use."""
        module, attribute = self.where.split(":")
        return getattr(importlib.import_module(module), attribute).from_pretrained(
            source, **options
        )


DETECTORS: dict[str, Detector] = {
    "yolox": Detector("persons", "YOLOX", "savg.detectors.persons:YoloxDetector"),
    "mmdet": Detector(
        "persons", "YOLOX by mmdet", "savg.detectors.mmdet_persons:MmdetDetector", "mmdet"
    ),
    "seld": Detector("sounds", "stereo SELD", "savg.detectors.sounds:SeldDetector"),
}
"""name → detector, the default of each kind first."""


def detectors(kind: Kind) -> dict[str, Detector]:
    """The detectors of a kind, whether available or not."""
    return {name: entry for name, entry in DETECTORS.items() if entry.kind == kind}


def detector(kind: Kind, name: str) -> Detector:
    """A registered detector of a kind; SavgError lists the registered names."""
    entries = detectors(kind)
    if name not in entries:
        what = f"{kind.removesuffix('s').capitalize()} detector"
        raise SavgError(f"{what} must be one of {', '.join(entries)}, got {name!r}.")
    return entries[name]


def person_detector(
    name: str = "yolox", source: str | os.PathLike[str] = "demo", **options: Any
) -> PersonDetector:
    """A person detector.

    Args:
        name: in `DETECTORS`.
        source: "demo", a component or pipeline folder, or a Hub repo id.
        options: of the class's `from_pretrained`.

    Raises:
        SavgError: the name is not registered, or its package is not installed.
        CheckpointError: the weights do not fit.

    Example:
        >>> boxes = person_detector("yolox")(Clip.read("clip.mp4"))
    """
    loaded: PersonDetector = detector("persons", name).load(source, **options)
    return loaded


def sound_detector(
    name: str = "seld", source: str | os.PathLike[str] = "demo", **options: Any
) -> SoundDetector:
    """A sound detector; arguments and errors as of `person_detector`.

    Example:
        >>> events = sound_detector("seld")(Clip.read("clip.mp4"))
    """
    loaded: SoundDetector = detector("sounds", name).load(source, **options)
    return loaded
