"""A network of a configuration, with the tensors of a file: made without memory, compared, filled.

Files may come from strangers: nothing of the size that a configuration asks for is made before it is
the size of the weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from savg.errors import CheckpointError, first_line
from savg.tensor_files import first_not_finite

if TYPE_CHECKING:
    import torch
    from torch.overrides import TorchFunctionMode

State = Mapping[str, "torch.Tensor"]

Build = Callable[[Any], "torch.nn.Module"]
"""Configuration → network."""

_UNFIT = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AssertionError)
"""What building a network raises for sizes that do not make one."""


def empty(build: Build, config: Any, kind: str, where: str) -> torch.nn.Module:
    """The network of a configuration, without memory for its weights where that is possible.

    CheckpointError for a configuration of no network; where: that names it.
    """
    import torch

    try:
        try:
            with torch.device("meta"), _without_draws():
                return build(config)
        except NotImplementedError:  # some operation on its buffers needs their values
            return build(config)
    except (*_UNFIT, MemoryError) as error:
        raise CheckpointError(f"{where}: not a {kind} network: {first_line(error)}.") from error


def _without_draws() -> TorchFunctionMode:
    """In its block, that of tensors without memory, nothing is drawn from normal distributions.

    There are no values to draw, and torch would import its compiler for them, which takes seconds.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    draws = (torch.Tensor.normal_, torch.nn.init.normal_)

    class WithoutDraws(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            named = dict(kwargs or {})
            if function in draws:
                tensor = args[0] if args else named["tensor"]
                if tensor.is_meta:
                    return tensor
            elif function is torch.randn and named.get("device") is None:
                named.pop("generator", None)
                return torch.empty(*args, **named)
            return function(*args, **named)

    return WithoutDraws()


def compare(
    model: torch.nn.Module,
    shapes: Mapping[str, tuple[int, ...]],
    kind: str,
    path: str | os.PathLike[str],
) -> None:
    """CheckpointError with the first keys of each mismatch of a file and a network."""
    expected = model.state_dict()
    problems = {
        "missing": [k for k in expected if k not in shapes and not _is_counter(k)],
        "unexpected": [k for k in shapes if k not in expected],
        "misshapen": [
            f"{k} {shapes[k]} instead of {tuple(expected[k].shape)}"
            for k in expected
            if k in shapes and shapes[k] != tuple(expected[k].shape)
        ],
    }
    present = {name: keys for name, keys in problems.items() if keys}
    mismatches = [
        f"{len(keys)} {name} (first: {_first(keys, 280 // len(present))})"
        for name, keys in present.items()
    ]
    if mismatches:
        words = "; ".join(mismatches)
        raise CheckpointError(f"{kind}: {path} does not fit the network: {words}.")


def _first(keys: Sequence[str], most: int) -> str:
    """The first of the keys, and up to two more within `most` characters."""
    shown = [key[:100] for key in keys[:3]]
    while len(shown) > 1 and sum(map(len, shown)) > most:
        shown.pop()
    return ", ".join(shown)


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def fill(
    model: torch.nn.Module, state: State, build: Build, kind: str, path: str | os.PathLike[str]
) -> torch.nn.Module:
    """The network of `empty` with copies of the weights of a file, in evaluation mode.

    CheckpointError for weights of another number format, or not finite.
    """
    import torch

    ready: dict[str, torch.Tensor] = {}
    for key, expected in model.state_dict().items():
        if key not in state:
            ready[key] = torch.zeros(expected.shape, dtype=expected.dtype)
            continue
        value = state[key]
        if value.is_floating_point() != expected.is_floating_point() or value.is_complex():
            raise CheckpointError(
                f"{kind}: {path} does not fit the network: {key} must be {expected.dtype}, got "
                f"{value.dtype}."
            )
        layout = torch.contiguous_format
        ready[key] = value.detach().to(expected.dtype, copy=True, memory_format=layout)
    spoilt = first_not_finite(ready)
    if spoilt is not None:
        raise CheckpointError(
            f"{kind}: {path} must hold finite weights, got NaN or infinity in {spoilt}."
        )
    model.load_state_dict(ready, assign=True)
    if _is_unfinished(model):
        model = build(model.config)  # type: ignore[arg-type]
        model.load_state_dict(ready)
    return model.eval()


def _is_unfinished(model: torch.nn.Module) -> bool:
    """Whether some tensor of a network has no memory yet."""
    import torch

    return any(
        isinstance(value, torch.Tensor) and value.is_meta
        for module in model.modules()
        for values in (module._parameters, module._buffers, module.__dict__)
        for value in values.values()
    )
