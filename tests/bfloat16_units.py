"""bfloat16 on CPUs without units for it: products of rounded numbers, summed in float32, then rounded.

That is what such units compute. Torch's own emulation takes about twenty times as long as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

PRODUCTS = {
    getattr(torch.ops.aten, name).default
    for name in (
        *("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm"),
        *("conv1d", "conv2d", "conv3d", "linear", "matmul"),  # as they are in inference mode
    )
}


class _Units(TorchDispatchMode):
    """Convolutions and matrix products of bfloat16 tensors on the CPU go through float32."""

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return product(function, args, kwargs or {})


def product(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The operation, which goes through float32 where it is a product of such tensors."""
    if function not in PRODUCTS or not _is_low(args[0]):
        return function(*args, **kwargs)
    wide = tree_map_only(torch.Tensor, lambda x: x.float() if _is_low(x) else x, args)
    return tree_map_only(torch.Tensor, torch.Tensor.bfloat16, function(*wide, **kwargs))


def _is_low(x: torch.Tensor) -> bool:
    return x.dtype == torch.bfloat16 and x.device.type == "cpu"


def bfloat16_units() -> AbstractContextManager[object]:
    """Stand-ins for such units in this thread; nothing where the processor may have its own."""
    return nullcontext() if torch.backends.cpu.get_cpu_capability() == "AVX512" else _Units()
