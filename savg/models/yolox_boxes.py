"""Inputs and outputs of a YOLOX: images to its input, its raw predictions to boxes.

Boxes are corners (x0, y0, x1, y1) in pixels of the network's input, or of the image where the
function says so. Locations are ordered stride by stride (8, 16, 32), row by row.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STRIDES = (8, 16, 32)
PAD_VALUE = 114
LARGEST_LOG_SIZE = 10.0
FEW = {True: 4000, False: 100_000}
"""Coordinates up to which all labels are suppressed at once, on a CPU and elsewhere [torchvision]."""


class Level(NamedTuple):
    """Raw predictions at one stride, each [N, channels, h, w]."""

    classes: Tensor
    box: Tensor
    objectness: Tensor


class Candidates(NamedTuple):
    """One box for each location: boxes [N, L, 4], scores [N, L] in 0..1, labels [N, L]."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def letterbox(
    images: NDArray[np.uint8], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """uint8 images [N, h, w, 3] scaled to fit `size` = (height, width), grey below and to the right.

    Returns [N, height, width, 3] and the factors (x, y) from image to input pixels; they differ
    a little because the scaled sides are whole numbers, rounded half up [mmdet 3.3.0]. Bilinear.
    """
    import cv2

    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8 [N, h, w, 3], got {images.dtype} {list(images.shape)}"
        )
    height, width = images.shape[1:3]
    scale = min(size[0] / height, size[1] / width)
    inner = int(height * scale + 0.5), int(width * scale + 0.5)
    result = np.full((len(images), *size, 3), PAD_VALUE, np.uint8)
    for target, image in zip(result[:, : inner[0], : inner[1]], images, strict=True):
        if inner == (height, width):
            target[...] = image
        else:
            target[...] = cv2.resize(image, inner[::-1], interpolation=cv2.INTER_LINEAR)
    return result, (inner[1] / width, inner[0] / height)


def locations(raw: Sequence[Level], strides: Sequence[int] = STRIDES) -> Tensor:
    """Each location's top left corner and stride, (x, y, stride) in input pixels: [L, 3]."""
    tables = []
    for level, stride in zip(raw, strides, strict=True):
        height, width = level.objectness.shape[-2:]
        device = level.objectness.device
        y, x = torch.meshgrid(
            torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
        )
        corner = torch.stack((x, y), dim=-1).reshape(-1, 2).float() * stride
        tables.append(torch.cat((corner, torch.full_like(corner[:, :1], stride)), dim=1))
    return torch.cat(tables)


def flatten(raw: Sequence[Level]) -> tuple[Tensor, Tensor, Tensor]:
    """Raw predictions by location, float32: classes [N, L, C], box [N, L, 4], objectness [N, L]."""

    def rows(maps: Sequence[Tensor]) -> Tensor:
        return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1).float()

    return (
        rows([level.classes for level in raw]),
        rows([level.box for level in raw]),
        rows([level.objectness for level in raw])[..., 0],
    )


def corners(box: Tensor, places: Tensor) -> Tensor:
    """Raw boxes [..., L, 4] at `places` [L, 3] as corners in input pixels.

    The centre counts from the cell's corner, without half a cell. Sizes of an untrained network
    are bounded, so that they stay finite.
    """
    stride = places[:, 2:]
    centre = box[..., :2] * stride + places[:, :2]
    half = box[..., 2:].clamp(max=LARGEST_LOG_SIZE).exp() * stride / 2
    return torch.cat((centre - half, centre + half), dim=-1)


def decode(raw: Sequence[Level], strides: Sequence[int] = STRIDES) -> Candidates:
    """Every location's box (input pixels), its best class and score = class × objectness."""
    logits, box, objectness = flatten(raw)
    best, labels = logits.max(dim=-1)
    scores = best.sigmoid() * objectness.sigmoid()
    return Candidates(corners(box, locations(raw, strides)), scores, labels)


def non_maximum_suppression(
    boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float = 0.65
) -> Tensor:
    """Indices of the boxes to keep, best score first: none overlaps a better one of its label.

    boxes [K, 4], scores [K], labels [K]; two boxes overlap if intersection over union exceeds
    `iou_threshold`. Labels may also distinguish images.
    """
    boxes, scores = boxes.float(), scores.float()
    if not len(boxes):
        return labels.new_empty(0, dtype=torch.int64)
    suppress = _suppression()
    if boxes.numel() <= FEW[boxes.device.type == "cpu"]:
        apart = labels.to(boxes) * (boxes.max() + 1)  # boxes of two labels lie far from each other
        kept: Tensor = suppress(boxes + apart[:, None], scores, iou_threshold)
        return kept
    keep = torch.zeros_like(scores, dtype=torch.bool)
    for label in labels.unique():
        own = torch.where(labels == label)[0]
        keep[own[suppress(boxes[own], scores[own], iou_threshold)]] = True
    best = torch.where(keep)[0]
    return best[scores[best].sort(descending=True)[1]]


def _suppression() -> Callable[[Tensor, Tensor, float], Tensor]:
    """torchvision's compiled operation on boxes of one label.

    It is loaded without the rest of torchvision, which takes seconds to import and compiles nothing.
    """
    spec = importlib.util.find_spec("torchvision")
    library = Path(spec.origin if spec and spec.origin else "").with_name("_C.so")
    if not hasattr(torch.ops.torchvision, "nms") and library.is_file():
        torch.ops.load_library(library)
    if not hasattr(torch.ops.torchvision, "nms"):
        import torchvision.ops  # noqa: F401 - where its library has another name
    operation: Callable[[Tensor, Tensor, float], Tensor] = torch.ops.torchvision.nms
    return operation


def detections(
    candidates: Candidates,
    score_threshold: float = 0.01,
    iou_threshold: float = 0.65,
    scale: tuple[float, float] = (1.0, 1.0),
) -> list[Candidates]:
    """Boxes of each image after NMS, best first, in pixels of the image before `letterbox`.

    score_threshold: lowest score of a box. scale: letterbox's (x, y) factors. Boxes are not
    clipped to the image [mmdet 3.3.0].
    """
    factors = candidates.boxes.new_tensor([*scale, *scale])
    results = []
    for boxes, scores, labels in zip(*candidates, strict=True):
        enough = scores >= score_threshold
        boxes, scores, labels = boxes[enough] / factors, scores[enough], labels[enough]
        keep = non_maximum_suppression(boxes, scores, labels, iou_threshold)
        results.append(Candidates(boxes[keep], scores[keep], labels[keep]))
    return results
