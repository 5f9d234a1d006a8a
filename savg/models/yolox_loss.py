"""Training losses of a YOLOX: SimOTA assignment of locations to objects, and four losses.

Boxes are corners (x0, y0, x1, y1) in pixels of the network's input. Rules of mmdet 3.3.0 [golden
case `yolox_loss`] after "YOLOX: Exceeding YOLO Series in 2021" (arXiv 2107.08430) and "OTA: Optimal
Transport Assignment for Object Detection" (arXiv 2103.14259).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

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
    """For each location: the object's index [..., L] (−1: background) and their overlap [..., L]."""

    target: Tensor
    iou: Tensor


class YoloxLosses(NamedTuple):
    """Losses, each a sum over the batch divided by the number of positive locations."""

    classes: Tensor
    box: Tensor
    objectness: Tensor
    l1: Tensor
    positives: Tensor

    @property
    def total(self) -> Tensor:
        """What training minimises."""
        return self.classes + self.box + self.objectness + self.l1


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes [..., N, 4] and [..., M, 4]: [..., N, M]."""
    return aligned_iou(a[..., :, None, :], b[..., None, :, :])


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
    present: Tensor | None = None,
) -> Assignment:
    """SimOTA: which object each location of an image is to predict.

    boxes [..., L, 4]: decoded predictions; probabilities [..., L, C]: class × objectness; places
    [L, 3]: from `locations`; truth [..., G, 4] and labels [..., G]: the objects, of which
    `present` [..., G] (None: all) are there. A location is considered if its cell's centre lies
    in an object or near its centre; each object takes the k cheapest, where k is the sum of its
    best overlaps; a location chosen by several goes to the cheapest. All locations take part in
    every step, those that are not considered at an infinite cost: no shape depends on values,
    and the host waits for no GPU.
    """
    rule = rule or SimOta()
    if truth.shape[-2] == 0:
        empty = torch.zeros_like(boxes[..., 0])
        return Assignment(torch.full_like(empty, -1, dtype=torch.long), empty)
    if present is None:
        present = torch.ones_like(labels, dtype=torch.bool)
    objects = present[..., None, :]
    in_either, in_both = _nearness(places, truth, rule.centre_radius)
    near = (in_either & objects).any(dim=-1)
    possible = near[..., None] & objects

    iou = pairwise_iou(boxes, truth) * possible
    classes = functional.one_hot(labels, probabilities.shape[-1]).to(iou.dtype)
    cost = _class_cost(probabilities, classes) - rule.iou_weight * (iou + 1e-8).log()
    cost = (cost + OUTSIDE_COST * ~in_both).masked_fill(~possible, math.inf)

    best = iou.topk(min(rule.candidates, iou.shape[-2]), dim=-2).values
    number = best.sum(dim=-2, keepdim=True).int().clamp(min=1)
    rank = cost.argsort(dim=-2, stable=True).argsort(dim=-2)
    chosen = (rank < number) & possible
    contested = chosen.sum(dim=-1) > 1
    first = torch.where(contested, cost.argmin(dim=-1), chosen.int().argmax(dim=-1))
    positive = chosen.any(dim=-1)
    overlap = iou.gather(-1, first[..., None])[..., 0]
    return Assignment(first.masked_fill(~positive, -1), overlap * positive)


def _nearness(places: Tensor, truth: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Is each location in or near each object [..., L, G]; is it both."""
    stride = places[:, None, 2:]
    centre = places[:, None, :2] + stride / 2
    truth = truth[..., None, :, :]
    in_box = ((centre > truth[..., :2]) & (centre < truth[..., 2:])).all(dim=-1)
    middle = (truth[..., :2] + truth[..., 2:]) / 2
    in_square = ((centre - middle).abs() < radius * stride).all(dim=-1)
    return in_box | in_square, in_box & in_square


def _class_cost(probabilities: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy of each location [..., K, C] for each object's class [..., G, C]: [..., K, G]."""
    p = probabilities.sqrt()
    yes = p.log().clamp(min=-100)
    no = (1 - p).log().clamp(min=-100)
    return -(no.sum(dim=-1, keepdim=True) + (yes - no) @ classes.mT)


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
    device = raw[0].box.device
    if labels is None:
        labels = [torch.zeros(len(b), dtype=torch.long, device=b.device) for b in boxes]
    count = len(raw[0].box)
    if not len(boxes) == len(labels) == count:
        raise ValueError(
            f"boxes and labels must be {count}, one for each image, got {len(boxes)} and {len(labels)}"
        )
    counts = torch.tensor([len(b) for b in boxes], device=device)
    table = pad_sequence([b.to(device) for b in boxes], batch_first=True)
    classes = pad_sequence([label.to(device) for label in labels], batch_first=True)
    return padded_yolox_loss(raw, table, counts, classes, l1=l1, rule=rule)


def padded_yolox_loss(
    raw: Sequence[Level],
    boxes: Tensor,
    counts: Tensor,
    labels: Tensor | None = None,
    *,
    l1: bool = False,
    rule: SimOta | None = None,
) -> YoloxLosses:
    """As `yolox_loss` of boxes [N, G, 4] and labels [N, G]; the first `counts` [N] are objects.

    Nothing in it waits for a GPU.
    """
    logits, box, objectness = flatten(raw)
    places = locations(raw)
    decoded = corners(box, places)
    probabilities = logits.detach().sigmoid() * objectness.detach().sigmoid()[..., None]
    boxes = boxes.to(decoded)
    if labels is None:
        labels = torch.zeros(boxes.shape[:2], dtype=torch.long, device=boxes.device)
    present = torch.arange(boxes.shape[1], device=boxes.device) < counts[:, None]
    assigned = assign(decoded.detach(), probabilities, places, boxes, labels, rule, present)
    positive = assigned.target >= 0
    if boxes.shape[1]:
        index = assigned.target.clamp(min=0)
        truth = boxes.gather(1, index[..., None].expand(-1, -1, 4))
        classes = labels.gather(1, index)
    else:
        truth, classes = torch.zeros_like(decoded), torch.zeros_like(assigned.target)
    # what is not positive gets a harmless target, and no weight
    truth = torch.where(positive[..., None], truth, decoded.detach())
    number = positive.sum()

    target = functional.one_hot(classes, logits.shape[-1]) * assigned.iou[..., None]
    overlap = aligned_iou(decoded, truth).clamp(min=1e-16)
    losses = [
        (_cross_entropy(logits, target) * positive[..., None]).sum(),
        (5 * (1 - overlap**2) * positive).sum(),
        _cross_entropy(objectness, positive.to(objectness.dtype)).sum(),
    ]
    if l1:
        offsets = (box - _raw_box(truth, places)).abs() * positive[..., None]
        losses.append(offsets.sum())
    else:
        losses.append(box.new_zeros(()))
    divisor = number.clamp(min=1)
    classes_loss, box_loss, objectness_loss, l1_loss = (loss / divisor for loss in losses)
    return YoloxLosses(classes_loss, box_loss, objectness_loss, l1_loss, number)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _raw_box(truth: Tensor, places: Tensor) -> Tensor:
    """Raw predictions [..., K, 4] at `places` [K, 3] for boxes `truth`: the inverse of `corners`."""
    stride = places[:, 2:]
    centre = (truth[..., :2] + truth[..., 2:]) / 2
    size = truth[..., 2:] - truth[..., :2]
    return torch.cat(((centre - places[:, :2]) / stride, (size / stride + 1e-8).log()), dim=-1)
