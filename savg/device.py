"""The one place where device, number format and memory layout are chosen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from savg.cpu_speed import FASTER, bfloat16_gain
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


def choose(
    device: str | None = None, dtype: str | None = None, *, training: bool = False
) -> Compute:
    """The compute settings for this machine.

    Args:
        device: "cuda", "cuda:1", "mps", "cpu", …; None for that of `preferring`, or the first
            accelerator of this machine.
        dtype: "float32", "bfloat16" or, on a GPU, "float16"; None for the fastest that this hardware
            computes well. On a GPU that is bfloat16 from Ampere on, float16 on Volta and Turing (but
            float32 in training, which would need its loss scaled). On a CPU both formats are timed
            once: see `savg.cpu_speed`.
        training: whether a network is trained there.

    Where a GPU's number format is chosen here, products that stay in float32 may use TensorFloat-32
    from then on, in the whole process (`torch.set_float32_matmul_precision`). A format that is asked
    for leaves that as it is.

    Raises:
        SavgError: the device or the number format is not available on this machine.

    Example:
        compute = choose()
        print(compute.reason)  # "cpu, bfloat16: 3.1 times as fast as float32 here"
    """
    import torch

    preferred = _PREFERRED.get()
    if device is None and preferred is not None:
        device = str(preferred.device)
    place = _usable(device or _first_accelerator())
    if dtype is not None:
        known = ("float32", "bfloat16", "float16") if _takes_half(place, training) else (
            "float32", "bfloat16"
        )  # fmt: skip
        if dtype not in known:
            raise SavgError(f"dtype must be {' or '.join(known)}, got {dtype}.")
        return Compute(place, getattr(torch, dtype), True, f"{place}, {dtype} as requested")
    if place.type == "cuda":
        return _on_gpu(place, training)
    if place.type != "cpu":
        return Compute(place, torch.float32, True, f"{place}, float32: no fast bfloat16")
    gain, fast = bfloat16_gain(), coarse_dtype(place)
    name = str(fast).removeprefix("torch.")
    why = f"{gain:.2g} times as fast as float32 here"
    why = why if fast == torch.bfloat16 else f"bfloat16 is {why}"
    return Compute(place, fast, True, f"cpu, {name}: {why}")


def coarse_dtype(device: torch.device) -> torch.dtype:
    """The fastest number format on a device for products that eight bits of mantissa suffice for.

    bfloat16 on CUDA GPUs and on CPUs that have it: elsewhere it is emulated, fifteen times as slow as
    float32 on a CPU with AVX2 alone.
    """
    import torch

    if device.type == "cuda" or (device.type == "cpu" and bfloat16_gain() >= FASTER):
        return torch.bfloat16
    return torch.float32


def wide_dtype(device: torch.device) -> torch.dtype:
    """float64 where the device has it, else float32: Apple's has none."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64


def processes() -> int:
    """How many processes `torchrun` started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process() -> int:
    """The number of this process among those that `torchrun` started."""
    return int(os.environ.get("RANK", "0"))


def own_device(device: str | None) -> str | None:
    """The device that this process is to use, where the run was asked for `device`.

    Process n of a machine takes its n-th GPU. SavgError where all were told to share one, or to take
    one where there is none.
    """
    import torch

    if processes() == 1:
        return device
    if device is None and not torch.cuda.is_available():
        return None
    if device not in (None, "cuda"):
        if device is not None and device.startswith("cuda"):
            raise SavgError(
                f"device must be cuda or cpu under torchrun, which gives each process its own GPU, "
                f"got {device}."
            )
        return device
    gpus = torch.cuda.device_count()
    if not gpus:
        raise SavgError("device must be cpu on a machine without a GPU, got cuda.")
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % gpus}"


@contextmanager
def preferring(compute: Compute) -> Iterator[None]:
    """In its body `choose` without a device takes that of `compute`."""
    token = _PREFERRED.set(compute)
    try:
        yield
    finally:
        _PREFERRED.reset(token)


def preferred() -> Compute:
    """The settings of the `preferring` around this call, else those that `choose` makes."""
    return _PREFERRED.get() or choose()


_PREFERRED: ContextVar[Compute | None] = ContextVar("preferred device", default=None)


def _on_gpu(place: torch.device, training: bool) -> Compute:
    """The fastest format; see `choose` about TensorFloat-32."""
    import torch

    torch.set_float32_matmul_precision("high")
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Compute(place, torch.bfloat16, True, f"{place}, bfloat16: native on this GPU")
    if _takes_half(place, training):
        return Compute(place, torch.float16, True, f"{place}, float16: no native bfloat16")
    return Compute(place, torch.float32, True, f"{place}, float32: no native bfloat16")


def _takes_half(place: torch.device, training: bool) -> bool:
    """Whether networks may run in float16 there: on GPUs from Volta on, not in training."""
    import torch

    return (
        place.type == "cuda" and not training and torch.cuda.get_device_capability(place) >= (7, 0)
    )


def _first_accelerator() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _usable(name: str) -> torch.device:
    import torch

    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SavgError(
            f"{name} is not available on this machine: device must be cpu or an accelerator."
        ) from error
