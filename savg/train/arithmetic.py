"""Floating-point operations of a training step, and what share of a GPU's peak they are (MFU)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

PEAKS = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "A10": 125e12,
    "A10G": 70e12,
    "L40": 181e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
    "3090": 71e12,
    "V100": 125e12,
    "T4": 65e12,
}
"""Dense 16-bit operations a second by a part of the GPU's name, from the makers' data sheets."""


def peak_flops(name: str) -> float | None:
    """Of the GPU of that name; None for one that is not listed."""
    found = [key for key in PEAKS if key in name]
    return PEAKS[max(found, key=len)] if found else None


def step_flops(step: Callable[[], Any]) -> int:
    """Operations of matrix products, convolutions and attention in one call, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


class Pace:
    """Speed of a run on a GPU; the operations of one step are counted in its first."""

    def __init__(self, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        self.flops: int | None = None if on_gpu else 0
        self.peak = peak_flops(torch.cuda.get_device_name(device)) if on_gpu else None
        self.start, self.steps = time.perf_counter(), 0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around one step."""
        self.steps += 1
        if self.flops is not None:
            yield
            return
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            yield
        self.flops = int(counter.get_total_flops())

    def read(self) -> dict[str, float]:
        """TFLOP/s, and MFU in 0..1 where the GPU is known, since the last call; nothing on a CPU."""
        now = time.perf_counter()
        rate = self.steps * (self.flops or 0) / max(now - self.start, 1e-9)
        self.start, self.steps = now, 0
        if not self.flops:
            return {}
        speed = {"tflops": rate / 1e12}
        return {**speed, "mfu": rate / self.peak} if self.peak else speed
