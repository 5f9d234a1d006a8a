"""Training losses of a YOLOX: SimOTA assignment of locations to objects, and four losses.

Boxes are corners (x0, y0, x1, y1) in pixels of the network's input. Rules of mmdet 3.3.0 [golden
case `yolox_loss`] after "YOLOX: Exceeding YOLO Series in 2021" (arXiv 2107.08430) and "OTA: Optimal
Transport Assignment for Object Detection" (arXiv 2103.14259).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from savg.models.yolox_boxes import Level, corners, flatten, locations

OUTSIDE_COST = 1e5


@dataclass(frozen=True)
class SimOta:
    """Settings of the assignment.

    centre_radius: half side, in strides, of the square around an object's centre. candidates: number
    of best overlaps, whose sum is an object's number of locations. iou_weight: of the overlap's cost;
    the class's is 1.
    """

    centre_radius: float = 2.5
    candidates: int = 10
    iou_weight: float = 3.0


class Assignment(NamedTuple):
    """For each location: the object's index [L] (−1: background) and their overlap [L]."""

    target: Tensor
    iou: Tensor


class YoloxLosses(NamedTuple):
    """Losses, each a sum over the batch divided by the number of positive locations."""

    classes: Tensor
    box: Tensor
    objectness: Tensor
    l1: Tensor
    positives: int

    @property
    def total(self) -> Tensor:
        """What training minimises."""
        return self.classes + self.box + self.objectness + self.l1


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes [N, 4] and [M, 4]: [N, M]."""
    return aligned_iou(a[:, None], b[None])


def aligned_iou(a: Tensor, b: Tensor, eps: float = 1e-6) -> Tensor:
    """Intersection over union of boxes [..., 4], one with one (shapes may broadcast)."""
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0)
    common = inner[..., 0] * inner[..., 1]
    union = _area(a) + _area(b) - common
    return common / union.clamp(min=eps)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


@torch.no_grad()
def assign(
    boxes: Tensor,
    probabilities: Tensor,
    places: Tensor,
    truth: Tensor,
    labels: Tensor,
    rule: SimOta | None = None,
) -> Assignment:
    """SimOTA: which object each location of one image is to predict.

    boxes [L, 4]: decoded predictions; probabilities [L, C]: class × objectness; places [L, 3]: from
    `locations`; truth [G, 4] and labels [G]: the objects. A location is considered if its cell's
    centre lies in an object or near its centre; each object takes the k cheapest, where k is the
    sum of its best overlaps; a location chosen by several goes to the cheapest.
    """
    rule = rule or SimOta()
    target = torch.full_like(places[:, 0], -1, dtype=torch.long)
    overlap = torch.zeros_like(places[:, 0])
    if len(truth) == 0:
        return Assignment(target, overlap)
    near, inside = _nearness(places, truth, rule.centre_radius)
    rows = near.nonzero()[:, 0]
    if len(rows) == 0:
        return Assignment(target, overlap)

    iou = pairwise_iou(boxes[rows], truth)
    classes = functional.one_hot(labels, probabilities.shape[1]).to(iou.dtype)
    cost = _class_cost(probabilities[rows], classes) - rule.iou_weight * (iou + 1e-8).log()
    cost = cost + OUTSIDE_COST * ~inside[rows]

    best = iou.topk(min(rule.candidates, len(rows)), dim=0).values
    number = best.sum(dim=0).int().clamp(min=1)
    rank = cost.argsort(dim=0).argsort(dim=0)
    chosen = rank < number
    cheapest = cost.argmin(dim=1)
    contested = chosen.sum(dim=1) > 1
    first = torch.where(contested, cheapest, chosen.int().argmax(dim=1))

    positive = chosen.any(dim=1)
    rows, first = rows[positive], first[positive]
    target[rows] = first
    overlap[rows] = iou[positive].gather(1, first[:, None])[:, 0]
    return Assignment(target, overlap)


def _nearness(places: Tensor, truth: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Is each location in or near any object [L]; is it both in and near each object [L, G]."""
    stride = places[:, None, 2:]
    centre = places[:, None, :2] + stride / 2
    in_box = ((centre > truth[:, :2]) & (centre < truth[:, 2:])).all(dim=-1)
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    in_square = ((centre - middle).abs() < radius * stride).all(dim=-1)
    return (in_box | in_square).any(dim=1), in_box & in_square


def _class_cost(probabilities: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy of each location [K, C] for each object's class [G, C]: [K, G]."""
    p = probabilities.sqrt()
    yes = p.log().clamp(min=-100)
    no = (1 - p).log().clamp(min=-100)
    return -(no.sum(dim=1, keepdim=True) + (yes - no) @ classes.T)


def yolox_loss(
    raw: Sequence[Level],
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor] | None = None,
    *,
    l1: bool = False,
    rule: SimOta | None = None,
) -> YoloxLosses:
    """Losses of raw predictions for N images with their objects.

    boxes: N tensors [G, 4], G from 0 on; labels: N tensors [G] of class indices (None: all 0). l1:
    switch on for the last epochs. Box loss is 5 (1 − IoU²); the class target is the overlap.
    """
    logits, box, objectness = flatten(raw)
    places = locations(raw)
    decoded = corners(box, places)
    probabilities = logits.detach().sigmoid() * objectness.detach().sigmoid()[..., None]
    if labels is None:
        labels = [torch.zeros(len(b), dtype=torch.long, device=b.device) for b in boxes]
    if not len(boxes) == len(labels) == len(logits):
        raise ValueError(
            f"boxes and labels must be {len(logits)}, one for each image, "
            f"got {len(boxes)} and {len(labels)}"
        )

    picked, truths, classes, ious = [], [], [], []
    for i, (truth, label) in enumerate(zip(boxes, labels, strict=True)):
        truth, label = truth.to(decoded), label.to(decoded.device)
        assigned = assign(decoded[i].detach(), probabilities[i], places, truth, label, rule)
        rows = (assigned.target >= 0).nonzero()[:, 0]
        picked.append(rows + i * len(places))
        truths.append(truth[assigned.target[rows]])
        classes.append(label[assigned.target[rows]])
        ious.append(assigned.iou[rows])
    rows, truth = torch.cat(picked), torch.cat(truths)
    target = functional.one_hot(torch.cat(classes), logits.shape[-1]) * torch.cat(ious)[:, None]
    count = max(len(rows), 1)

    present = torch.zeros_like(objectness).flatten().index_fill_(0, rows, 1.0)
    overlap = aligned_iou(decoded.flatten(0, 1)[rows], truth).clamp(min=1e-16)
    losses = [
        _cross_entropy(logits.flatten(0, 1)[rows], target),
        5 * (1 - overlap**2).sum(),
        _cross_entropy(objectness.flatten(), present),
    ]
    if l1:
        offsets = _raw_box(truth, places[rows % len(places)])
        losses.append((box.flatten(0, 1)[rows] - offsets).abs().sum())
    else:
        losses.append(box.new_zeros(()))
    classes_loss, box_loss, objectness_loss, l1_loss = (loss / count for loss in losses)
    return YoloxLosses(classes_loss, box_loss, objectness_loss, l1_loss, len(rows))


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")


def _raw_box(truth: Tensor, places: Tensor) -> Tensor:
    """Raw predictions [K, 4] at `places` [K, 3] for boxes `truth` [K, 4]: the inverse of `corners`."""
    stride = places[:, 2:]
    centre = (truth[:, :2] + truth[:, 2:]) / 2
    size = truth[:, 2:] - truth[:, :2]
    return torch.cat(((centre - places[:, :2]) / stride, (size / stride + 1e-8).log()), dim=1)
