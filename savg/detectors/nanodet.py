"""The NanoDet detector: boxes of persons, or of other objects of COCO too, in every frame of a clip.

It is trained on photographs, so that it detects people in ordinary videos. Units and categories as in
`savg.detectors.frames`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from savg.annotation import PERSON, Boxes
from savg.clip import Clip
from savg.detectors.frames import Found, Placement, Video, detect_in, known_categories
from savg.detectors.weights import module_sha256, precision
from savg.device import choose
from savg.errors import CheckpointError
from savg.format import ClipFormat
from savg.hub import WEIGHTS_FILE, load_component, part_folder, resolve
from savg.models.nanodet import Nanodet, NanodetConfig, normalise
from savg.models.nanodet_boxes import detections, letterbox
from savg.paths import file_sha256

__all__ = ["NanodetDetector", "detect_in_videos", "prepare"]

FOLDER = "nanodet"
"""Of the component beside those of a pipeline."""

SCORE_THRESHOLD = 0.22
"""Least score of a box. NanoDet's scores are classes weighted by how well a box fits, and lower than
YOLOX's: see benchmarks/person_detectors.md."""


def prepare(
    video: NDArray[np.uint8], format: ClipFormat, config: NanodetConfig
) -> tuple[NDArray[np.uint8], Placement]:
    """Frames [F, H, W, 3] RGB as the network's input [F, 3, h, w] BGR in 0..255, and where they lie
    in it."""
    top, bottom = (format.top, format.bottom) if config.picture_only else (0, format.size)
    boxed, scale, corner = letterbox(video[:, top:bottom, :, ::-1], config.input_size)
    return np.ascontiguousarray(boxed.transpose(0, 3, 1, 2)), Placement(scale, top, corner)


@torch.inference_mode()
def detect_in_videos(
    model: nn.Module,
    config: NanodetConfig,
    videos: Sequence[Video],
    score_threshold: float = SCORE_THRESHOLD,
    iou_threshold: float = 0.6,
    batch_size: int = 20,
    categories: Collection[int] = (PERSON,),
) -> list[Boxes]:
    """Objects in the frames of each video, by frame, best first; scores above `score_threshold`.

    Boxes are not clipped to the frame. model: a Nanodet, or what computes as one.
    """
    weight = next(model.parameters())

    def find(images: NDArray[np.uint8]) -> list[Found]:
        batch = normalise(torch.from_numpy(images).to(weight.device)).to(weight.dtype)
        raw = model(batch.contiguous(memory_format=torch.channels_last))
        return [
            (xyxy.cpu().numpy(), scores.cpu().numpy(), labels.cpu().numpy())
            for xyxy, scores, labels in detections(raw, categories, score_threshold, iou_threshold)
        ]

    return detect_in(videos, batch_size, partial(prepare, config=config), find)


class NanodetDetector:
    """Detects persons in a clip of any length: `detector(clip) -> Boxes`.

    categories: of the objects to find, persons alone by default; those that the network knows are its
    `known`. SavgError where it knows none.
    """

    def __init__(
        self,
        model: Nanodet,
        score_threshold: float = SCORE_THRESHOLD,
        iou_threshold: float = 0.6,
        batch_size: int = 20,
        sha256: str = "",
        categories: Collection[int] = (PERSON,),
    ) -> None:
        self.model = model.eval()
        self.known = known_categories(model.config.num_classes, categories)
        self.sha256 = sha256
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.batch_size = batch_size

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        score_threshold: float = SCORE_THRESHOLD,
        device: str | None = None,
        dtype: str = "float32",
        categories: Collection[int] = (PERSON,),
    ) -> NanodetDetector:
        """The detector of "demo", a component's folder, a folder that holds one named nanodet, a
        pipeline's folder, or a Hub repo id.

        device, dtype: as in `savg.device.choose`; categories: of the objects to find, such as
        `savg.metrics.sounding.SOUNDING`. Raises CheckpointError or SavgError.
        """
        folder = resolve(source)
        beside = folder / FOLDER
        folder = beside if beside.is_dir() else part_folder(folder, "persons")
        network, _ = load_component(folder, "nanodet")
        if not isinstance(network, Nanodet):
            raise CheckpointError(f"{folder} must hold a NanoDet network.")
        model: Nanodet = choose(device, dtype).place(network)
        return cls(
            model, score_threshold, sha256=file_sha256(folder / WEIGHTS_FILE), categories=categories
        )

    def __call__(self, clip: Clip) -> Boxes:
        return self.many([clip])[0]

    def many(self, clips: Sequence[Clip]) -> list[Boxes]:
        """The boxes of each clip; the clips' frames share batches."""
        return detect_in_videos(
            self.model,
            self.model.config,
            [(clip.video, clip.format) for clip in clips],
            self.score_threshold,
            self.iou_threshold,
            self.batch_size,
            self.known,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What the boxes depend on, ready for JSON."""
        height, width = self.model.config.input_size
        rows = "the picture's rows" if self.model.config.picture_only else "whole frames"
        return {
            "detector": "NanoDet-g",
            "sha256": self.sha256 or module_sha256(self.model),
            "input": f"{rows} within {width}×{height}",
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "categories": list(self.known),
            "precision": precision(self.model),
        }
