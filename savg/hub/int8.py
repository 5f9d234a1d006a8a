"""Weights as 8-bit whole numbers: each output channel with a scale of its own.

A file of "int8" storage holds, for every weight of two or more axes, its numbers −127…127 under its
name and the scales of its first axis as NAME.scale, float32 [channels]; biases and other vectors stay
float32. weight = numbers · scale. It takes a quarter of float32, and about half of float16.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from savg.errors import CheckpointError

if TYPE_CHECKING:
    import torch

STORAGE = "int8"
"""Of `config.json`, where the weights are stored so."""

SUFFIX = ".scale"
"""Of the name of a weight's scales."""

LARGEST = 127


def quantise(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict as a file of int8 storage holds it.

    A channel of zeros has the scale 1. ValueError for weights that are not finite, and for two names of
    which one ends the other with ".scale".
    """
    import torch

    stored: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        if key + SUFFIX in state:
            raise ValueError(f"{key + SUFFIX} must not name another tensor")
        if not value.is_floating_point():
            stored[key] = value
            continue
        value = value.detach().to("cpu", torch.float32)
        if not bool(value.isfinite().all()):
            raise ValueError(f"{key} must be finite, got NaN or infinity")
        if value.ndim < 2:
            stored[key] = value.contiguous()
            continue
        largest = (
            value.abs().flatten(1).amax(dim=1) if value.numel() else value.new_zeros(len(value))
        )
        least = torch.finfo(torch.float32).tiny
        scale = torch.where(largest > 0, (largest / LARGEST).clamp(min=least), 1.0)
        shape = (-1, *[1] * (value.ndim - 1))
        numbers = (value / scale.reshape(shape)).round().clamp(-LARGEST, LARGEST)
        stored[key], stored[key + SUFFIX] = numbers.to(torch.int8).contiguous(), scale
    return stored


def dequantise(
    stored: Mapping[str, torch.Tensor], path: str | os.PathLike[str]
) -> dict[str, torch.Tensor]:
    """The float32 state dict of a file of int8 storage.

    path: for messages. CheckpointError for numbers without scales or scales without numbers, and for
    scales that are not one positive, finite float32 for each output channel.
    """
    import torch

    state: dict[str, torch.Tensor] = {}
    scales = _scales(stored)
    for key, value in stored.items():
        if key in scales:
            if stored[key.removesuffix(SUFFIX)].dtype != torch.int8:
                raise CheckpointError(
                    f"{path}: {key} must be of numbers of int8, which are missing."
                )
            continue
        if value.dtype != torch.int8:
            state[key] = value
            continue
        if value.ndim < 2:
            raise CheckpointError(
                f"{path}: {key} of int8 must have two or more axes, got {list(value.shape)}."
            )
        scale = stored.get(key + SUFFIX)
        if scale is None:
            raise CheckpointError(f"{path}: {key} is int8, and {key + SUFFIX} is missing.")
        _check(scale, value, key + SUFFIX, path)
        state[key] = value.float() * scale.reshape(-1, *[1] * (value.ndim - 1))
    return state


def plain_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes by name of the state dict in a file of int8 storage that holds these."""
    scales = _scales(shapes)
    return {key: shape for key, shape in shapes.items() if key not in scales}


def _scales(stored: Mapping[str, object]) -> set[str]:
    """Names of scales: those of a weight that is there too."""
    return {key for key in stored if key.endswith(SUFFIX) and key.removesuffix(SUFFIX) in stored}


def _check(
    scale: torch.Tensor, weight: torch.Tensor, name: str, path: str | os.PathLike[str]
) -> None:
    import torch

    if scale.dtype != torch.float32 or tuple(scale.shape) != (len(weight),):
        raise CheckpointError(
            f"{path}: {name} must be float32 [{len(weight)}], one a channel, got "
            f"{str(scale.dtype).removeprefix('torch.')} {list(scale.shape)}."
        )
    if not bool((scale.isfinite() & (scale > 0)).all()):
        wrong = scale[~(scale.isfinite() & (scale > 0))][0]
        raise CheckpointError(f"{path}: {name} must be finite and > 0, got {float(wrong):g}.")
