"""A device that is not there: tensors that say they lie on it hold their numbers on the CPU.

Every operation runs on the CPU: results differ only where code looks at the device's kind. An operation
that mixes both devices fails, as on a real one, and so does float64, which Apple's devices have not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "meta"
"""Its kind: one that torch knows without hardware, and whose own tensors have no numbers."""

DEVICE = torch.device(NAME)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Elsewhere(torch.Tensor):
    """A tensor that lies on the pretended device; `inner` has its numbers."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Elsewhere:
        if inner.dtype == torch.float64:  # as Apple's device says it
            raise TypeError("Cannot convert a tensor to float64 on this device")
        result = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        result.inner = inner
        return result

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None) -> Any:
        return compute(function, args, kwargs or {})


def compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on the CPU; its result is where its inputs are, or where a keyword says."""
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    there = [isinstance(x, Elsewhere) for x in tensors]
    device = kwargs.get("device")
    if function not in COPIES and any(there) and not all(there):
        mixed = [x for x in tensors if not isinstance(x, Elsewhere) and x.ndim]
        assert not mixed, f"{function} mixes devices"
    away = torch.device(device) == DEVICE if device is not None else any(there)
    kwargs = {k: (torch.device("cpu") if k == "device" and v is not None else v)
              for k, v in kwargs.items()}  # fmt: skip
    result = function(*tree_map(numbers, args), **tree_map(numbers, kwargs))
    if function._schema.name.endswith("_") or function in (torch.ops.aten.copy_.default,):
        return args[0]
    if not away:
        return result
    return tree_map(lambda x: Elsewhere(x) if isinstance(x, torch.Tensor) else x, result)


def numbers(value: Any) -> Any:
    """The CPU's tensor of one that lies elsewhere; anything else as it is."""
    return value.inner if isinstance(value, Elsewhere) else value


class Pretend(TorchDispatchMode):
    """Sends also what makes tensors to `compute`."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None) -> Any:
        return compute(function, args, kwargs or {})


@contextmanager
def pretended_device() -> Iterator[str]:
    """In its body, the device of the name it gives can be used."""
    with pytest.MonkeyPatch.context() as patch:
        # inference tensors cannot be wrapped
        patch.setattr(torch, "inference_mode", lambda mode=True: torch.no_grad())
        swaps = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            with Pretend():
                yield NAME
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swaps)
