"""Tensors that say they are on a GPU and keep their numbers on the CPU.

Control flow, CUDA's autocast, autograd and optimisers run as on a GPU. An operation on tensors of
two devices raises; what makes the host wait for the device (`.item()`, a tensor in an `if`, a
boolean index, `nonzero`, a copy to or from pageable memory) is counted by its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from bfloat16_units import product
from fake_gpu.machine import check_attention, where
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

aten = torch.ops.aten
LIKE = {aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.randn_like,
        aten.rand_like, aten.new_zeros, aten.new_empty, aten.new_full, aten.new_ones,
        aten.new_empty_strided, aten.randint_like}  # fmt: skip
INDEX = {aten.index, aten._unsafe_index}
INDEX_PUT = {aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index_put}
WAITS = {aten._local_scalar_dense: "item", aten.nonzero: "nonzero", aten.masked_select: "masked_select",
         aten._unique2: "unique", aten.unique_dim: "unique", aten.unique_consecutive: "unique",
         aten.bincount: "bincount", aten.equal: "equal", aten.is_nonzero: "item"}  # fmt: skip


class Waits(Counter):
    """(kind, line) → how often the host waited; devices: indices of those with a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: set[int] = set()
        self.operations = 0


now = Waits()


class Pretended(torch.Tensor):
    """`inner` has the numbers."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor, index: int, requires_grad: bool = False) -> Pretended:
        now.devices.add(index)
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, layout=inner.layout, device=torch.device("cuda", index),
            requires_grad=requires_grad,
        )  # fmt: skip
        made.inner = inner
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Pretended({self.inner!r})"

    def tolist(self) -> Any:
        now["tolist", where()] += 1
        return self.inner.tolist()

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None,
                   requires_grad: bool = False) -> torch.Tensor:  # fmt: skip
        return torch.tensor(data, dtype=dtype or self.dtype, device=device or self.device)

    @property
    def data(self) -> Pretended:
        return self.detach()

    @data.setter
    def data(self, value: Pretended) -> None:
        self.inner = value.inner

    def __deepcopy__(self, memo: dict[int, Any]) -> Pretended:
        if id(self) not in memo:
            copied = self.inner.detach().clone()
            memo[id(self)] = Pretended(copied, self.device.index, self.requires_grad)
            if getattr(self, "_is_param", False):
                memo[id(self)]._is_param = True
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return run(function, args, kwargs or {})


class Everywhere(TorchDispatchMode):
    """Sends what makes tensors to `run`, too."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return run(function, args, kwargs or {})


def tensors_of(values: Any, into: list[torch.Tensor]) -> None:
    for value in values:
        if isinstance(value, torch.Tensor):
            into.append(value)
        elif isinstance(value, list | tuple):
            tensors_of(value, into)


def numbers(value: Any) -> Any:
    """The same with the CPU's tensors."""
    if isinstance(value, Pretended):
        return value.inner
    if isinstance(value, list | tuple):
        return type(value)(map(numbers, value))
    return value


def target_of(device: Any) -> int | None:
    """Index of a GPU; None for the CPU."""
    device = torch.device(device)
    if device.type != "cuda":
        return None
    return torch.cuda.current_device() if device.index is None else device.index


def run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on the CPU, checked and counted as on a GPU."""
    packet = function.overloadpacket
    if packet is aten._to_copy:
        return copied(function, args, kwargs)
    tensors: list[torch.Tensor] = []
    tensors_of(args, tensors)
    tensors_of(kwargs.values(), tensors)
    there = [x for x in tensors if isinstance(x, Pretended)]
    device = kwargs.get("device")
    if packet is aten.copy_:
        return copied_into(args[0], args[1], bool(args[2]) if len(args) > 2 else False)
    if not there:
        index = None if device is None else target_of(device)
        if index is None:
            return function(*args, **kwargs)
        if tensors and packet not in LIKE:
            raise RuntimeError(f"{function}: tensors of the CPU for a result on a GPU at {where()}")
        check_generator(args, kwargs, "cuda")
        return wrapped(function(*args, **{**kwargs, "device": "cpu"}), index, ())
    check_devices(function, packet, args, tensors, there)
    count_waits(function, packet, args)
    check_generator(args, kwargs, "cuda")
    now.operations += 1
    index: int | None = there[0].device.index
    if device is not None:
        index, kwargs = target_of(device), {**kwargs, "device": "cpu"}
    out = on_cpu(function, packet, numbers(args), {k: numbers(v) for k, v in kwargs.items()})
    return out if index is None else wrapped(out, index, there)


def wrapped(out: Any, index: int, there: Any) -> Any:
    """Results as tensors on a GPU; an input itself where it is the result."""
    known = {id(x.inner): x for x in there}

    def wrap(x: Any) -> Any:
        if not isinstance(x, torch.Tensor):
            return x
        return known[id(x)] if id(x) in known else Pretended(x, index)

    if isinstance(out, torch.Tensor):
        return wrap(out)
    return tree_map(wrap, out)


def copied(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """`.to()`: between devices it waits, but from pinned memory with non_blocking."""
    source, device = args[0], kwargs.get("device")
    before = source.device.index if isinstance(source, Pretended) else None
    after = before if device is None else target_of(device)
    inner = source.inner if isinstance(source, Pretended) else source
    rest = {k: v for k, v in kwargs.items() if k not in ("device", "non_blocking", "pin_memory")}
    out = function(inner, *args[1:], **rest)
    count_copy(source, before, after, bool(kwargs.get("non_blocking")))
    return out if after is None else Pretended(out, after)


def copied_into(target: Any, source: Any, non_blocking: bool) -> Any:
    places = [x.device.index if isinstance(x, Pretended) else None for x in (source, target)]
    if not (source.dim() == 0 and places[0] is None):  # a number is passed with the kernel
        count_copy(source, *places, non_blocking)
    numbers(target).copy_(numbers(source))
    return target


def count_copy(source: Any, before: int | None, after: int | None, non_blocking: bool) -> None:
    if before == after:
        return
    asynchronous = non_blocking and (before is not None) == (after is not None)
    asynchronous |= non_blocking and before is None and getattr(source, "pinned", False)
    if not asynchronous:
        now["copy to the device" if before is None else "copy from the device", where()] += 1


def check_devices(function: Any, packet: Any, args: Any, tensors: Any, there: Any) -> None:
    indices = {x.device.index for x in there}
    on_host = [x for x in tensors if not isinstance(x, Pretended) and x.dim()]
    if packet in INDEX or packet in INDEX_PUT:
        index = [x for x in args[1] if x is not None and not isinstance(x, Pretended)]
        for _ in index:
            now["copy of an index to the device", where()] += 1
        on_host = [x for x in on_host if not any(x is y for y in index)]
    if on_host or len(indices) > 1:
        names = sorted({str(x.device) for x in (*on_host, *there)})
        raise RuntimeError(f"{function}: tensors on {' and '.join(names)} at {where()}")


def count_waits(function: Any, packet: Any, args: Any) -> None:
    kind = WAITS.get(packet)
    if kind is not None:
        now[kind, where()] += 1
    elif function is aten.repeat_interleave.Tensor:
        now["repeat_interleave", where()] += 1
    elif packet in INDEX or packet in INDEX_PUT:
        filled = packet in INDEX_PUT and args[2].numel() == 1
        if not filled and any(
            x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1]
        ):
            now["boolean index", where()] += 1


def check_generator(args: Any, kwargs: dict[str, Any], kind: str) -> None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Generator) and value.device.type != kind:
            raise RuntimeError(f"a generator of {value.device} for a tensor on {kind} at {where()}")


def on_cpu(function: Any, packet: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """CUDA's own attention by the CPU's, and products in bfloat16 as the GPU's units do them."""
    if packet is aten._scaled_dot_product_flash_attention:
        out, lse = aten._scaled_dot_product_flash_attention_for_cpu(
            *args[:3], scale=kwargs.get("scale")
        )
        none = torch.empty(0)
        return out, lse, none, none, args[0].shape[2], args[1].shape[2], none, none, none
    if packet is aten._scaled_dot_product_flash_attention_backward:
        grad, query, key, value, out, lse = args[:6]
        backward = aten._scaled_dot_product_flash_attention_for_cpu_backward
        return backward(
            grad.contiguous(), query, key, value, out, lse, 0.0, args[11], scale=kwargs.get("scale")
        )
    return product(function, args, kwargs)


class DeviceGenerator(torch.Generator):
    """A generator that says it is on the device it was asked for."""

    def __new__(cls, device: Any = "cpu") -> DeviceGenerator:
        made = super().__new__(cls, "cpu")
        made.place = torch.device(device)
        if made.place.type == "cuda" and made.place.index is None:
            made.place = torch.device("cuda", torch.cuda.current_device())
        return made

    @property
    def device(self) -> torch.device:
        return self.place


def attention(usual: Any) -> Any:
    """Attention on the GPU as flash attention where it can be, else as matrices."""

    def attend(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: Any = None, enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        if query.device.type != "cuda":
            return usual(query, key, value, attn_mask, dropout_p, is_causal, scale=scale)
        if torch.is_autocast_enabled("cuda"):
            kind = torch.get_autocast_dtype("cuda")
            query, key, value = (x.to(kind) for x in (query, key, value))
        check_attention(query, key, value)
        fits = query.dim() == 4 and query.shape[-1] <= 256 and query.shape[-1] % 8 == 0
        if fits and attn_mask is None and dropout_p == 0:
            return aten._scaled_dot_product_flash_attention(
                query, key, value, 0.0, is_causal, scale=scale
            )[0]
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        weights = (query * factor) @ key.transpose(-1, -2)
        weights = weights if attn_mask is None else weights + attn_mask
        return weights.softmax(-1) @ value

    return attend


def spectrum(usual: Any) -> Any:
    """torch.stft without its transposition in place, which wrapped tensors cannot follow."""

    def stft(x: Any, n_fft: int, hop_length: Any = None, win_length: Any = None, window: Any = None,
             center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
             onesided: Any = None, return_complex: Any = None) -> Any:  # fmt: skip
        if x.device.type != "cuda":
            return usual(
                x, n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided,
                return_complex,
            )  # fmt: skip
        if x.dtype in (torch.bfloat16, torch.float16):
            raise RuntimeError(f"cuFFT takes no {x.dtype} at {where()}")
        flat = x if x.dim() == 2 else x[None]
        if center:
            flat = torch.nn.functional.pad(flat[:, None], (n_fft // 2,) * 2, mode=pad_mode)[:, 0]
        length = win_length or n_fft
        if window is not None and length < n_fft:
            left = (n_fft - length) // 2
            window = torch.nn.functional.pad(window, (left, n_fft - length - left))
        frames = flat.unfold(-1, n_fft, hop_length or n_fft // 4)
        made = torch.fft.rfft(frames if window is None else frames * window).transpose(1, 2)
        return made if x.dim() == 2 else made[0]

    return stft


def tensor_maker(usual: Any) -> Any:
    """torch.tensor, which itself looks for a driver."""

    def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               pin_memory: bool = False) -> Any:  # fmt: skip
        made = usual(data, dtype=dtype)
        made = made.to(device) if device is not None else made
        return made.requires_grad_() if requires_grad else made

    return tensor


def pin(x: torch.Tensor, device: Any = None) -> torch.Tensor:
    made = x.clone()
    made.pinned = True
    return made


@contextmanager
def pretended() -> Iterator[Waits]:
    """In its body there are two GPUs; gives what the host waits for, counted anew."""
    now.clear()
    now.devices.clear()
    now.operations = 0
    functional, attend = torch.nn.functional, "scaled_dot_product_attention"
    places: list[tuple[Any, str, Any]] = [
        (torch, "tensor", tensor_maker(torch.tensor)),
        (torch, "stft", spectrum(torch.stft)),
        (torch, "Generator", DeviceGenerator),
        (functional, attend, attention(getattr(functional, attend))),
        (torch.Tensor, "pin_memory", pin),
        (torch.Tensor, "is_pinned", lambda x, device=None: getattr(x, "pinned", False)),
        (torch.backends.cudnn, "enabled", False),  # its batch normalisation has no version for CPUs
    ]  # fmt: skip
    usual = [(place, name, getattr(place, name)) for place, name, _ in places]
    for place, name, value in places:
        setattr(place, name, value)
    try:
        with Everywhere():
            yield now
    finally:
        for place, name, value in usual:
            setattr(place, name, value)
        torch.cuda.set_device(0)
