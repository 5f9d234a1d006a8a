"""The YOLOX detector: boxes of persons, or of other objects too, in every frame of a clip.

Boxes are corners in pixels of the 256×256 frame, which includes the black rows above and below the
picture; x grows to the right. Categories are those of COCO, counted from 0: 0 is a person. Published
weights know all 80, the bundled ones persons alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.detectors.frames import Found, Placement, Video, detect_in
from savg.detectors.network_detector import NetworkDetector
from savg.detectors.weights import weights_sha256
from savg.device import choose
from savg.errors import CheckpointError, SavgError
from savg.format import ClipFormat
from savg.hub import load_component, load_official, part_folder
from savg.hub.imported import imported, networks_folder
from savg.hub.published_files import files_of
from savg.models.yolox import Yolox, YoloxConfig, decode, letterbox
from savg.models.yolox_boxes import Candidates, detections

__all__ = [
    "Placement",
    "PublishedYoloxDetector",
    "YoloxDetector",
    "detect_persons",
    "detect_persons_in",
    "prepare",
]


def prepare(
    video: NDArray[np.uint8], format: ClipFormat, config: YoloxConfig
) -> tuple[NDArray[np.uint8], Placement]:
    """Frames [F, H, W, 3] RGB as the network's input [F, 3, h, w] BGR, and where they lie in it.

    The input is uint8; the network takes it as 0..255 in its own number format.
    """
    top, bottom = (format.top, format.bottom) if config.picture_only else (0, format.size)
    boxed, scale = letterbox(video[:, top:bottom, :, ::-1], config.input_size)
    return np.ascontiguousarray(boxed.transpose(0, 3, 1, 2)), Placement(scale, top)


def detect_persons(
    model: Yolox,
    video: NDArray[np.uint8],
    format: ClipFormat | None = None,
    score_threshold: float = 0.3,
    iou_threshold: float = 0.65,
    batch_size: int = 20,
    categories: Collection[int] = (PERSON,),
) -> Boxes:
    """Persons in frames [F, H, W, 3] RGB, by frame, best first; scores above `score_threshold`.

    Boxes are not clipped to the frame. Rules: mmdet 3.3.0 and [S1] (score > 0.3, NMS at 0.65 within a
    category). categories: of the objects to find; boxes of persons do not depend on the others.
    """
    videos, limits = [(video, format or ClipFormat())], (score_threshold, iou_threshold)
    return detect_persons_in(model, videos, *limits, batch_size, categories)[0]


@torch.inference_mode()
def detect_persons_in(
    model: Yolox,
    videos: Sequence[Video],
    score_threshold: float = 0.3,
    iou_threshold: float = 0.65,
    batch_size: int = 20,
    categories: Collection[int] = (PERSON,),
) -> list[Boxes]:
    """As `detect_persons` for several videos, whose frames share batches."""
    weight = next(model.parameters())

    def find(images: NDArray[np.uint8]) -> list[Found]:
        batch = torch.from_numpy(images).to(weight.device, weight.dtype)
        raw = model(batch.contiguous(memory_format=torch.channels_last))
        likely = _likely(decode(raw), categories, score_threshold)
        return [
            (xyxy.cpu().numpy(), scores.cpu().numpy(), labels.cpu().numpy())
            for xyxy, scores, labels in detections(likely, 0.0, iou_threshold)
        ]

    return detect_in(videos, batch_size, partial(prepare, config=model.config), find)


def _likely(candidates: Candidates, categories: Collection[int], threshold: float) -> Candidates:
    """Candidates with the scores of all but likely objects of the categories set to −1: NMS is by
    label, so that nothing of another category suppresses them."""
    asked = torch.tensor(sorted(categories), device=candidates.labels.device)
    keep = torch.isin(candidates.labels, asked) & (candidates.scores > threshold)
    return candidates._replace(scores=candidates.scores.where(keep, -1.0))


class YoloxDetector(NetworkDetector[Yolox]):
    """YOLOX: arguments as of `NetworkDetector`."""

    title = "YOLOX"
    score = 0.3
    overlap = 0.65

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        score_threshold: float = 0.3,
        device: str | None = None,
        dtype: str = "float32",
        categories: Collection[int] = (PERSON,),
    ) -> YoloxDetector:
        """The detector of "demo", a component or pipeline folder, a Hub repo id, or a published file.

        device, dtype: as in `savg.device.choose`; categories: of the objects to find, such as
        `savg.metrics.sounding.SOUNDING`. Raises CheckpointError or SavgError.
        """
        model: Yolox = choose(device, dtype).place(load_persons(source))  # type: ignore[assignment]
        sha256 = weights_sha256(source, "persons")
        return cls(model, score_threshold, sha256=sha256, categories=categories)

    def find(self, videos: Sequence[Video]) -> list[Boxes]:
        return detect_persons_in(
            self.model,
            videos,
            self.score_threshold,
            self.iou_threshold,
            self.batch_size,
            self.known,
        )


class PublishedYoloxDetector(YoloxDetector):
    """YOLOX-tiny as published, which the user has imported: the detector of official metrics [S1]."""

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        score_threshold: float = 0.3,
        device: str | None = None,
        dtype: str = "float32",
        categories: Collection[int] = (PERSON,),
    ) -> YoloxDetector:
        """The detector of a source as `YoloxDetector` takes it; "demo" stands for the imported weights.

        SavgError, which says what to bring, where nobody has imported them.
        """
        if source == "demo":
            folder = imported("yolox")
            if folder is None:
                (file,) = files_of("yolox")
                raise SavgError(
                    f"The published YOLOX-tiny is not in {networks_folder()}: bring {file} and run "
                    f"`python -m savg weights import {file}`."
                )
            source = folder
        return super().from_pretrained(source, score_threshold, device, dtype, categories)


def load_persons(source: str | os.PathLike[str]) -> Yolox:
    """The YOLOX of a source as `YoloxDetector.from_pretrained` takes it."""
    if Path(source).is_file():
        model = load_official("yolox", source)
    else:
        model, _ = load_component(part_folder(source, "persons"), "yolox")
    if not isinstance(model, Yolox):
        raise CheckpointError(f"{source} must hold a YOLOX network.")
    return model
