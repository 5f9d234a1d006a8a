"""Networks over many inputs of several shapes: those of one shape go through together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def described(
    inputs: Sequence[NDArray[Any]],
    network: Callable[[Tensor], Tensor],
    device: torch.device,
    units_at_once: int,
) -> list[NDArray[np.float32]]:
    """The features [D] of each input, an array [U, …] of U units (frames, samples).

    Args:
        network: inputs of one shape [N, U, …] to features [N, D].
        device: where it takes them.
        units_at_once: N · U is at most this, but for single inputs that are longer.
    """
    of_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, array in enumerate(inputs):
        of_shape[array.shape].append(number)
    rows: dict[int, NDArray[np.float32]] = {}
    for shape, numbers in of_shape.items():
        at_once = max(1, units_at_once // shape[0])
        for first in range(0, len(numbers), at_once):
            batch = numbers[first : first + at_once]
            stack = torch.from_numpy(np.stack([inputs[number] for number in batch])).to(device)
            with torch.inference_mode():
                features = network(stack).float().cpu().numpy()
            rows |= dict(zip(batch, features, strict=True))
    return [rows[number] for number in range(len(inputs))]
