"""Inputs and outputs of a NanoDet: images to its input, its raw predictions to boxes.

Boxes are corners (x0, y0, x1, y1) in pixels of the network's input. Locations are ordered stride by
stride (8, 16, 32), row by row; a location is the centre of its cell.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.models.nanodet import STRIDES, Level
from savg.models.yolox_boxes import non_maximum_suppression

MAX_BOXES = 100
"""Of an image; the published detector keeps as many."""


class Detections(NamedTuple):
    """Of one image, best first: boxes [K, 4], scores [K] in 0..1, labels [K]."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def letterbox(
    images: NDArray[np.uint8], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[float, float], tuple[int, int]]:
    """uint8 images [N, h, w, 3] scaled to fit `size` = (height, width), in the middle of black.

    Returns [N, height, width, 3], the factors (x, y) from image to input pixels, and the place (x, y)
    of the image's corner in the input. Bilinear; means of areas where the image shrinks.
    """
    import cv2

    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8 [N, h, w, 3], got {images.dtype} {list(images.shape)}"
        )
    height, width = images.shape[1:3]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    result = np.zeros((len(images), *size, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    inside = result[:, top : top + inner[0], left : left + inner[1]]
    for target, image in zip(inside, images, strict=True):
        target[...] = cv2.resize(image, inner[::-1], interpolation=how)
    return result, (inner[1] / width, inner[0] / height), (left, top)


def locations(raw: Sequence[Level], strides: Sequence[int] = STRIDES) -> Tensor:
    """Each location (x, y) and its stride, in input pixels: [L, 3] float32."""
    tables = []
    for level, stride in zip(raw, strides, strict=True):
        height, width = level.classes.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        centre = (torch.stack((x, y), dim=-1).reshape(-1, 2).float() + 0.5) * stride
        tables.append(torch.cat((centre, torch.full_like(centre[:, :1], stride)), dim=1))
    return torch.cat(tables).to(raw[0].classes.device)


def scores(raw: Sequence[Level], labels: Collection[int] | None = None) -> Tensor:
    """Scores [N, L, C] in 0..1, float32, of the classes `labels` in order (None: all)."""
    index = slice(None) if labels is None else sorted(labels)
    return _rows([level.classes[:, index] for level in raw]).float().sigmoid()


def boxes(sides: Tensor, places: Tensor) -> Tensor:
    """Boxes [..., 4] of the logits of their sides [..., 4·bins] at `places` [..., 3].

    The distance of each side, left, top, right and bottom, is the mean of 0 … bins − 1 strides under
    the softmax of its logits (generalised focal loss, arXiv 2006.04388).
    """
    bins = sides.shape[-1] // 4
    weights = sides.float().unflatten(-1, (4, bins)).softmax(dim=-1)
    distance = (weights @ torch.arange(bins, dtype=weights.dtype, device=weights.device)) * (
        places[..., 2:]
    )
    return torch.cat((places[..., :2] - distance[..., :2], places[..., :2] + distance[..., 2:]), -1)


def decode(raw: Sequence[Level]) -> tuple[Tensor, Tensor]:
    """Of every location, the box [N, L, 4] in input pixels and the scores [N, L, C] of all classes."""
    return boxes(_rows([level.sides for level in raw]), locations(raw)), scores(raw)


def detections(
    raw: Sequence[Level],
    labels: Collection[int],
    score_threshold: float = 0.3,
    iou_threshold: float = 0.6,
) -> list[Detections]:
    """Objects of the classes `labels` in each image, after suppression.

    score_threshold: lowest score of a box. A class's boxes do not depend on the other classes. Only
    boxes of likely locations are worked out; they equal those of `decode`.
    """
    wanted = sorted(labels)
    likely, places = scores(raw, wanted), locations(raw)
    sides = _rows([level.sides for level in raw])
    classes = torch.tensor(wanted, device=places.device)
    results = []
    for image_scores, image_sides in zip(likely, sides, strict=True):
        place, which = (image_scores > score_threshold).nonzero(as_tuple=True)
        found = Detections(
            boxes(image_sides[place], places[place]), image_scores[place, which], classes[which]
        )
        keep = non_maximum_suppression(*found, iou_threshold)[:MAX_BOXES]
        results.append(Detections(*(values[keep] for values in found)))
    return results


def _rows(maps: Sequence[Tensor]) -> Tensor:
    """Maps [N, C, h, w] of several scales as [N, L, C]."""
    return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1)
