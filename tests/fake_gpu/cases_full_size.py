"""One training step of every recipe at the published size, on fake GPU tensors.

    python cases_full_size.py LIBRARIES RESULT.json [CASE …]

Fake tensors have shapes, devices and number formats, and no numbers: whatever would mix devices or
formats, or would not fit together at full size, fails as it would on a GPU. RESULT.json has for each
case the parameters, the arithmetic where it is asked for (FLOP, a multiplication and an addition being
two), the most memory that tensors take at once (less than an allocator reserves), and where the host
asked for a value.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import MethodType
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]
from fake_gpu import machine  # noqa: E402

machine.start(Path(sys.argv[1]))

import torch  # noqa: E402
import torchaudio  # noqa: E402
from fake_gpu.pretended import DeviceGenerator, attention  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import (  # noqa: E402
    TorchDispatchMode,
    _disable_current_modes,
)
from torch.utils._pytree import tree_leaves  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from savg.train.distill import Distillation  # noqa: E402
from savg.train.recipe import Batch, Recipe, get_recipe, recipe_names  # noqa: E402
from savg.train.teacher import Teacher  # noqa: E402

FORMAT = torch.bfloat16
COUNTED = "joint", "superres"
"""Recipes whose arithmetic is counted, which makes a step on fake tensors half as long again."""


class Memory(TorchDispatchMode):
    """Bytes of the storages on the GPU that are alive, now and at most, and reads of their values."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, int] = {}
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function.overloadpacket is torch.ops.aten._local_scalar_dense:
            if args[0].device.type == "cuda":
                self.waits[machine.where()] += 1
            return True if args[0].dtype == torch.bool else 1.0
        if function.overloadpacket is torch.ops.aten._fused_sgd_:  # has no version without numbers
            tensors = [x for x in tree_leaves(args) if isinstance(x, torch.Tensor)]
            assert all(x.device.type == "cuda" for x in tensors), "an optimiser's tensor on the CPU"
            return None
        out = function(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor) and x.device.type == "cuda":
                self.see(x.untyped_storage())
        return out

    def see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known[key] = size
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.forget, key)

    def forget(self, key: int) -> None:
        self.now -= self.known.pop(key, 0)


def real(table: Callable[..., Any]) -> Callable[..., Any]:
    """A table that is computed with numbers, as some of its operations need them."""

    def compute(*args: Any) -> Any:
        with _disable_current_modes():
            return table(*args)

    return compute


def constant(usual: Callable[..., Any]) -> Callable[..., Any]:
    """torch.tensor, whose numbers fake tensors would really copy to the GPU."""

    def tensor(data: Any, *, dtype: Any = None, device: Any = None, **others: Any) -> Any:
        made = usual(data, dtype=dtype, **others)
        gpu = device is not None and torch.device(device).type == "cuda"
        return torch.empty(made.shape, dtype=made.dtype, device=device) if gpu else made

    return tensor


@contextmanager
def fake() -> Iterator[Memory]:
    """In its body all tensors are fake; made where they are used, as they cannot be moved."""

    def memory_format(x: Any, weight: Any, backend: Any) -> torch.memory_format:
        """cuDNN's rule: channels last where either is."""
        last = torch.channels_last
        if x.dim() == 4 and any(
            t.is_contiguous(memory_format=last) and not t.is_contiguous() for t in (x, weight)
        ):
            return last
        return torch.contiguous_format

    functional, attend = torch.nn.functional, "scaled_dot_product_attention"
    places: list[tuple[Any, str, Any]] = [
        (torch._C, "_select_conv_backend", lambda *args, **kwargs: torch._C._ConvBackend.Cudnn),
        (torch._C, "_conv_determine_backend_memory_format", memory_format),
        (torch, "tensor", constant(torch.tensor)),
        (torch, "Generator", DeviceGenerator),
        (torch.backends.cudnn, "enabled", False),  # recurrent layers would hand it their addresses
        (torch.nn.RNNBase, "flatten_parameters", lambda layer: None),
        (torch.Tensor, "pin_memory", lambda x, device=None: x),
        (functional, attend, attention(getattr(functional, attend))),
        (torchaudio.functional, "melscale_fbanks", real(torchaudio.functional.melscale_fbanks)),
    ]
    usual = [(place, name, getattr(place, name)) for place, name, _ in places]
    torch.__future__.set_swap_module_params_on_conversion(False)
    for place, name, value in places:
        setattr(place, name, value)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), Memory() as memory:
            yield memory
    finally:
        for place, name, value in usual:
            setattr(place, name, value)


def mixed(model: torch.nn.Module) -> torch.nn.Module:
    """The network under autocast, with results in float32, as accelerate prepares it."""
    from accelerate.utils import convert_outputs_to_fp32

    forward: Any = model.forward
    model.forward = MethodType(torch.autocast("cuda", FORMAT)(forward.__func__), model)
    forward = model.forward
    model.forward = MethodType(convert_outputs_to_fp32(forward.__func__), model)
    return model


def batch_of(recipe: Any, count: int) -> Batch:
    """A batch as the recipe's own `batch` makes it, on the GPU."""
    on: dict[str, Any] = {"device": "cuda"}
    model = recipe.model
    if recipe.kind in ("joint_unet", "video_unet"):
        return tuple(torch.randn(count, *shape, **on) for shape in recipe.shapes)
    if recipe.kind == "superres_unet":
        rows, columns = recipe.crop if recipe.crop[0] else (recipe.rows, recipe.clips.size // 4)
        large = torch.randn(count, 3, 4 * rows, 4 * columns, **on)
        return large, torch.randn(count, 3, rows, columns, **on)
    if recipe.kind == "seld":
        activity = torch.zeros(count, model.class_num, model.window_frames, **on)
        sound = torch.randn(count, model.in_channels, model.bins, model.window_frames, **on)
        return sound, activity, torch.zeros_like(activity)
    if recipe.kind == "yolox":
        images = torch.randn(count, 3, *model.input_size, **on)
        boxes = torch.zeros(count, 16, 4, **on)
        return images, boxes, torch.zeros(count, dtype=torch.int64, **on)
    if recipe.kind == "visual_flow":
        n, flow = recipe.lengths, model.flow
        shapes = {"clip": (n.clip, flow.clip_dim), "sync": (n.sync, flow.sync_dim)}
        seen = tuple(torch.randn(count, *shapes[name], **on) for name in recipe.input_names)
        return torch.randn(count, 2, 2, flow.latent_dim // 2, n.latent, **on), *seen
    if recipe.kind == "depth":
        height, width = model.input_size
        images = torch.zeros(count, 3, height, width, dtype=torch.uint8, **on)
        return images, torch.rand(count, height // 2, width // 2, **on) + 1
    if recipe.kind == "stereosync":
        tokens, latents = model.tokens, 44  # of 2 s
        boxes = torch.rand(count, tokens.frames, 4, **on) * 256
        moments = torch.randn(count, 2, model.audio.latents, latents, **on)
        envelope = torch.randn(count, model.envelope, latents, **on)
        return moments, boxes, envelope, torch.randn(count, tokens.audio_width, **on)
    return (torch.randn(count, recipe.frames * recipe.mel.hop_size, **on),)  # of sound alone


def placed(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """The network on the GPU, tables that it made from numbers too."""
    with torch.device("cuda"):
        model = build()
    for module in model.modules():
        for key, buffer in module.named_buffers(recurse=False):
            module._buffers[key] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cuda")
    return model


def teach(recipe: Distillation) -> None:
    """Give a distillation its teacher, made in its number format and place."""
    torch.set_default_dtype(FORMAT)
    try:
        network = placed(recipe.build).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)
    recipe.__dict__["teaching"] = Teacher(network, recipe.diffusion)


def training_step(recipe: Recipe, count: int, counted: bool = False) -> dict[str, Any]:
    """Loss, gradients, clipping and update of one batch in bfloat16; counted: its arithmetic too."""
    with fake() as memory:
        if isinstance(recipe, Distillation):
            teach(recipe)
        model = placed(recipe.build).train()
        optimizer = recipe.optimizer(model)
        parameters = sum(p.numel() for p in model.parameters())
        model = mixed(model)
        batch = batch_of(recipe, count)
        gc.collect()
        memory.peak = memory.now
        memory.waits.clear()
        counter = FlopCounterMode(display=False) if counted else nullcontext()
        with counter as flops:
            loss, _ = recipe.loss(model, batch, 0, 0)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        result = {
            "parameters": parameters,
            "flop": flops.get_total_flops() / count if flops else None,
            "gib": memory.peak / 2**30,
            "waits": dict(memory.waits),
            "loss": [str(loss.dtype), str(loss.device)],
        }
    return result


def label_on_the_cpu() -> dict[str, Any]:
    """A step that is broken on purpose."""
    recipe = get_recipe("seld", "full")
    usual = recipe.loss

    def loss(model: torch.nn.Module, batch: Batch, step: int, seed: int) -> Any:
        return usual(model, (*batch[:2], torch.zeros(batch[2].shape, device="cpu")), step, seed)

    object.__setattr__(recipe, "loss", loss)
    return training_step(recipe, 1)


def main() -> None:
    torch.set_num_threads(1)
    cases: dict[str, Callable[[], dict[str, Any]]] = {}
    for name in recipe_names():
        cases[f"train {name}"] = lambda name=name: training_step(
            get_recipe(name, "full"), 1, name in COUNTED
        )
    cases["broken: a label on the CPU"] = label_on_the_cpu
    results = {name: by_itself(name, cases[name]) for name in sys.argv[3:] or cases}
    Path(sys.argv[2]).write_text(json.dumps(results))


def by_itself(name: str, case: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a case in a process of its own, which the memory of no other can spoil.

    One that dies of a signal is started again, twice at most; if it dies each time, that is its
    problem.
    """
    for last in (False, False, True):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            # After a fork torch replaces its pool of threads at the next call, whichever thread makes
            # it: autograd's threads of both devices would do so at once, and free it twice.
            torch.set_num_threads(1)
            with os.fdopen(writer, "w") as out:
                try:
                    json.dump(case(), out)
                except Exception as error:
                    json.dump({"problem": machine.problem(error)}, out)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as told:
            text = told.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            result: dict[str, Any] = json.loads(text)
            return result
        print(f"{name}: exit code {code}{'' if last else ', once more'}", file=sys.stderr)
    return {"problem": f"exit code {code}"}


if __name__ == "__main__":
    main()
