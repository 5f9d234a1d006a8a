"""What detectors of objects that are networks here share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from savg.annotation import PERSON, Boxes
from savg.clip import Clip
from savg.detectors.frames import Video, known_categories
from savg.detectors.weights import module_sha256, precision

Network = TypeVar("Network", bound=nn.Module)


class NetworkDetector(ABC, Generic[Network]):
    """Detects persons in a clip of any length: `detector(clip) -> Boxes`.

    model: its configuration has num_classes, input_size and picture_only. score_threshold: boxes above
    it are kept, by default the class's `score`; iou_threshold: of non-maximum suppression, by default
    the class's `overlap`; batch_size: frames at once; sha256: of the weights' file, where there is
    one. categories: of the objects to find, persons alone by default; those that the network knows are
    its `known`. SavgError where it knows none.
    """

    title: ClassVar[str]
    score: ClassVar[float]
    overlap: ClassVar[float]
    config: Any

    def __init__(
        self,
        model: Network,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        batch_size: int = 20,
        sha256: str = "",
        categories: Collection[int] = (PERSON,),
    ) -> None:
        self.model = model.eval()
        self.config = model.config
        self.known = known_categories(self.config.num_classes, categories)
        self.sha256 = sha256
        self.score_threshold = self.score if score_threshold is None else score_threshold
        self.iou_threshold = self.overlap if iou_threshold is None else iou_threshold
        self.batch_size = batch_size

    @abstractmethod
    def find(self, videos: Sequence[Video]) -> list[Boxes]:
        """The boxes of each video, whose frames share batches."""

    def __call__(self, clip: Clip) -> Boxes:
        return self.many([clip])[0]

    def many(self, clips: Sequence[Clip]) -> list[Boxes]:
        """The boxes of each clip; the clips' frames share batches."""
        return self.find([(clip.video, clip.format) for clip in clips])

    @property
    def provenance(self) -> dict[str, Any]:
        """What the boxes depend on, ready for JSON."""
        height, width = self.config.input_size
        rows = "the picture's rows" if self.config.picture_only else "whole frames"
        return {
            "detector": self.title,
            "sha256": self.sha256 or module_sha256(self.model),
            "input": f"{rows} within {width}×{height}",
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "categories": list(self.known),
            "precision": precision(self.model),
        }
