"""The training loss of stereo SELD: activity and, where something sounds, position [S1, code]."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["SeldLoss", "seld_loss"]


class SeldLoss(NamedTuple):
    """Scalars: `total` = activity + position weight · position."""

    total: Tensor
    activity: Tensor
    position: Tensor


def seld_loss(
    activity_logits: Tensor,
    x: Tensor,
    activity: Tensor,
    target_x: Tensor,
    position_weight: float = 1.0,
    absolute: bool = False,
) -> SeldLoss:
    """Loss of network outputs against targets, all of one shape [N, classes, T].

    activity: 0 or 1, judged by binary cross-entropy; target_x: fraction of the frame's width,
    judged by the mean squared error over the active elements alone (0 when nothing is active).
    absolute: by the mean absolute error, whose best guess where x is uncertain is the median, not the
    mean, which lies nearer to the centre.
    """
    shapes = {tuple(t.shape) for t in (activity_logits, x, activity, target_x)}
    if len(shapes) != 1:
        raise ValueError(f"outputs and targets must be of one shape, got {sorted(shapes)}")
    detection = functional.binary_cross_entropy_with_logits(activity_logits, activity)
    error = torch.where(activity > 0, x - target_x, 0.0)
    total = (error.abs() if absolute else error.square()).sum()
    position = total / activity.sum().clamp_min(1.0)
    return SeldLoss(detection + position_weight * position, detection, position)
