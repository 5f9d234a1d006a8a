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
from savg.hub import CONFIG_FILE, PIPELINE_FILE, part_folder, read_config, resolve
from savg.hub.imported import imported

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
    package that must be installed; imported: the kind of the weights that the user must have imported;
    words: which weights it has where nobody names others; threshold: score above which metrics use a
    candidate as a box; trust: a sentence on what it was measured to do outside what it is trained on.
    """

    kind: Kind
    label: str
    where: str
    module: str = ""
    imported: str = ""
    words: str = "bundled weights"
    threshold: float = 0.3
    trust: str = ""

    @property
    def available(self) -> bool:
        """Whether the package that it needs is installed, and its weights are imported."""
        if self.imported and imported(self.imported) is None:
            return False
        return not self.module or importlib.util.find_spec(self.module) is not None

    def load(self, source: str | os.PathLike[str] = "demo", **options: Any) -> Any:
        """The detector with the weights `source`; its class is imported on first use."""
        module, attribute = self.where.split(":")
        return getattr(importlib.import_module(module), attribute).from_pretrained(
            source, **options
        )


DETECTORS: dict[str, Detector] = {
    "yolox-tiny": Detector(
        "persons",
        "YOLOX-tiny",
        "savg.detectors.persons:PublishedYoloxDetector",
        imported="yolox",
        words="published weights, trained on COCO",
    ),
    "nanodet": Detector(
        "persons",
        "NanoDet",
        "savg.detectors.nanodet:NanodetDetector",
        words="bundled weights, trained on COCO",
        threshold=0.22,
        trust="On 32 real clips NanoDet's boxes were 4 px off (median).",
    ),
    "yolox": Detector(
        "persons",
        "YOLOX, drawn scenes",
        "savg.detectors.persons:YoloxDetector",
        words="bundled weights, trained on synthetic scenes",
        trust="On 32 real clips YOLOX's boxes were 7 px off (median); it misses some people.",
    ),
    "mmdet": Detector(
        "persons",
        "YOLOX by mmdet",
        "savg.detectors.mmdet_persons:MmdetDetector",
        "mmdet",
        words="bundled weights, trained on synthetic scenes",
    ),
    "seld": Detector(
        "sounds",
        "stereo SELD",
        "savg.detectors.sounds:SeldDetector",
        words="bundled weights, trained on synthetic scenes",
        trust="On 94 real clips of one recording the sound detector was 14 px off (median) and heard "
        "speech beside instruments: take scores of real videos as a hint.",
    ),
}
"""name → detector; the first of a kind that is available is its default for users' videos."""

EVALUATION_DETECTOR = "yolox"
"""Detector of the drawn scenes, by which clips of the bundled pipelines are judged where they are made
and measured; files are judged by `default_detector`, whichever command reads them."""


def default_detector(kind: Kind) -> str:
    """The name of the detector of a kind for users' videos: the published YOLOX-tiny where the user has
    imported it, else the bundled NanoDet."""
    return next(name for name, entry in detectors(kind).items() if entry.available)


def detector_of(source: str | os.PathLike[str]) -> str:
    """The name of the person detector for weights: what a pipeline's "persons" or a component are,
    `default_detector` for "demo", "yolox" for a published file.

    SavgError or CheckpointError for a source without a person detector.
    """
    if source == "demo":
        return default_detector("persons")
    if os.path.isfile(source):
        return EVALUATION_DETECTOR
    folder = resolve(source)
    if (folder / "nanodet" / CONFIG_FILE).is_file() and not (folder / PIPELINE_FILE).is_file():
        return "nanodet"
    kind = read_config(part_folder(source, "persons") / CONFIG_FILE).get("kind")
    return kind if isinstance(kind, str) and kind in detectors("persons") else EVALUATION_DETECTOR


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
    name: str | None = None, source: str | os.PathLike[str] = "demo", **options: Any
) -> PersonDetector:
    """A person detector.

    Args:
        name: in `DETECTORS`; None: as `detector_of` says.
        source: "demo", a component or pipeline folder, or a Hub repo id.
        options: of the class's `from_pretrained`.

    Raises:
        SavgError: the name is not registered, or its package is not installed.
        CheckpointError: the weights do not fit.

    Example:
        >>> boxes = person_detector()(Clip.read("clip.mp4"))
    """
    loaded: PersonDetector = detector("persons", name or detector_of(source)).load(
        source, **options
    )
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
