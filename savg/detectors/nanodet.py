"""The NanoDet detector: boxes of persons, or of other objects of COCO too, in every frame of a clip.

It is trained on photographs, so that it detects people in ordinary videos. Units and categories as in
`savg.detectors.frames`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from savg.annotation import PERSON, Boxes
from savg.detectors.frames import Found, Placement, Video, detect_in
from savg.detectors.network_detector import NetworkDetector
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


class NanodetDetector(NetworkDetector[Nanodet]):
    """NanoDet: arguments as of `NetworkDetector`."""

    title = "NanoDet-g"
    score = SCORE_THRESHOLD
    overlap = 0.6

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

    def find(self, videos: Sequence[Video]) -> list[Boxes]:
        return detect_in_videos(
            self.model,
            self.model.config,
            videos,
            self.score_threshold,
            self.iou_threshold,
            self.batch_size,
            self.known,
        )
