"""The one place where device, number format and memory layout are chosen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from savg.errors import SavgError

if TYPE_CHECKING:
    import torch

Module = TypeVar("Module", bound="torch.nn.Module")


def cores() -> int:
    """Cores that this process may use (macOS and Windows tell only how many there are)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@dataclass(frozen=True)
class Compute:
    """Where and how networks run; `reason` says why, in one line fit for a log."""

    device: torch.device
    dtype: torch.dtype
    channels_last: bool
    reason: str

    def place(self, module: Module) -> Module:
        """`module` on the device and in the number format, in evaluation mode."""
        import torch

        module = module.to(self.device, self.dtype).eval()
        if self.channels_last:
            for parameter in module.parameters():
                if parameter.ndim == 4:  # networks also hold 3-D kernels, which have no such layout
                    parameter.data = parameter.data.to(memory_format=torch.channels_last)
        return module


def choose(device: str | None = None, dtype: str | None = None) -> Compute:
    """The compute settings for this machine.

    Args:
        device: "cuda", "cpu", …; None for the first accelerator of this machine.
        dtype: "float32" or "bfloat16"; None for bfloat16 where the hardware multiplies it natively
            (GPUs from Ampere on, CPUs with AMX or AVX-512-BF16), else float32.

    Raises:
        SavgError: the device or the number format is not available on this machine.

    Example:
        compute = choose()
        print(compute.reason)  # "cpu, bfloat16: AMX tiles"
    """
    import torch

    place = _usable(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype is not None:
        if dtype not in ("float32", "bfloat16"):
            raise SavgError(f"dtype must be float32 or bfloat16, got {dtype}.")
        return Compute(place, getattr(torch, dtype), True, f"{place.type}, {dtype} as requested")
    if place.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Compute(place, torch.bfloat16, True, "cuda, bfloat16: native on this GPU")
        return Compute(place, torch.float32, True, "cuda, float32: no native bfloat16")
    unit = _bfloat16_unit() if place.type == "cpu" else None
    if unit is not None:
        return Compute(place, torch.bfloat16, True, f"cpu, bfloat16: {unit}")
    return Compute(place, torch.float32, True, f"{place.type}, float32: no fast bfloat16")


def _bfloat16_unit() -> str | None:
    """The CPU's unit that multiplies bfloat16, by name; None without one."""
    import torch

    if torch.cpu._is_amx_tile_supported():
        return "AMX tiles"
    return "AVX-512-BF16" if torch.cpu._is_avx512_bf16_supported() else None


def _usable(name: str) -> torch.device:
    import torch

    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SavgError(
            f"{name} is not available on this machine: device must be cpu or an accelerator."
        ) from error
