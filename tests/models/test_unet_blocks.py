"""Blocks of the U-Nets as modules: hooks fire, compilation by block works, both paths share them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn

from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.models.superres_unet import SuperResUNet
from savg.models.unet_fast import FAST
from savg.models.unet_ops import Operations
from savg.models.unet_plain import PLAIN

OWN = ("savg.models.unet_layers", "savg.models.superres_unet")


def network(kind: str) -> tuple[nn.Module, tuple]:
    """A tiny network in which no branch is silent, and inputs for it."""
    torch.manual_seed(0)
    t = torch.tensor([3, 700])
    if kind == "superres":
        model: nn.Module = SuperResUNet(SUPERRES["tiny"])
        inputs: tuple = (torch.randn(2, 3, 16, 16), t, torch.randn(2, 3, 8, 8))
    else:
        changes = {"skips": "add", "upsample": False} if kind == "joint, added skips" else {}
        model = JointUNet(replace(JOINT["tiny"], **changes))
        inputs = (torch.randn(2, 4, 3, 8, 16), torch.randn(2, 2, 320), t, [1] * 3)
        inputs = (*inputs[:3], [1] * len(model.shifting))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval(), inputs


def blocks(model: nn.Module) -> dict[str, nn.Module]:
    """The network's modules that are written here, by name."""
    return {n: m for n, m in model.named_modules() if type(m).__module__ in OWN and n}


def flat(output: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


KINDS = ("joint", "joint, added skips", "superres")


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_every_block_fire_once(kind: str, fast: bool) -> None:
    model, inputs = network(kind)
    model.fast = fast
    fired: Counter[str] = Counter()
    for name, block in blocks(model).items():
        block.register_forward_hook(lambda *_, name=name: fired.update([name]))
    with torch.no_grad():
        model(*inputs)
    assert fired == dict.fromkeys(blocks(model), 1) and len(fired) > 15


def test_hooks_fire_once_where_attention_is_recomputed() -> None:
    model, inputs = network("joint")
    assert isinstance(model, JointUNet)
    assert not model.checkpoint_attention
    model.checkpoint_attention = True
    assert model.checkpoint_attention
    fired: Counter[str] = Counter()
    attention = {n: m for n, m in blocks(model).items() if hasattr(m, "checkpointed")}
    for name, block in attention.items():
        block.register_forward_hook(lambda *_, name=name: fired.update([name]))
    video, audio = model(*inputs)
    (video.square().mean() + audio.square().mean()).backward()
    assert fired == dict.fromkeys(attention, 1) and fired


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_can_replace_what_a_block_gives(kind: str) -> None:
    model, inputs = network(kind)
    with torch.no_grad():
        before = flat(model(*inputs))
        stage = model.output_blocks[-1]  # type: ignore[index]
        handle = stage.register_forward_hook(
            lambda _module, _inputs, output: (
                tuple(0 * x for x in output) if isinstance(output, tuple) else 0 * output
            )
        )
        silent = flat(model(*inputs))
        handle.remove()
        after = flat(model(*inputs))
    for a, b, c in zip(before, silent, after, strict=True):
        assert torch.equal(a, c) and not torch.allclose(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_stages_compile_one_by_one(kind: str) -> None:
    """Each stage is one graph without breaks; the eager backend traces and does not generate code."""
    model, inputs = network(kind)
    with torch.no_grad():
        expected = flat(model(*inputs))
        for stage in model.input_blocks:  # type: ignore[union-attr]
            stage.compile(backend="eager", fullgraph=True)
        middle = model.middle_block if kind == "superres" else model.middle_blocks
        middle.compile(backend="eager", fullgraph=True)  # type: ignore[operator]
        compiled = flat(model(*inputs))
    for a, b in zip(compiled, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


VIDEO, IMAGE, AUDIO = (2, 3, 8, 4, 6), (2, 8, 4, 6), (2, 8, 20)
CASES = {
    "concatenate": lambda ops, x: ops.concatenate(x, 2 * x),
    "add": lambda ops, x: ops.add(x, torch.linspace(-1, 1, 16).reshape(2, 8)),
    "norm": lambda ops, x: ops.norm(x, nn.GroupNorm(4, 8)),
    "norm, scale and shift": lambda ops, x: ops.norm(
        x, nn.GroupNorm(4, 8), True, *torch.linspace(-1, 1, 32).reshape(2, 2, 8)
    ),
    "downsample": lambda ops, x: ops.downsample(x),
    "upsample": lambda ops, x: ops.upsample(x),
}


@pytest.mark.parametrize("shape", [VIDEO, IMAGE, AUDIO], ids=["video", "image", "audio"])
@pytest.mark.parametrize("name", CASES)
def test_operations_of_both_paths_agree(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)

    def result(ops: Operations) -> torch.Tensor:
        return ops.leave(CASES[name](ops, ops.enter(x)))

    with torch.no_grad():
        torch.testing.assert_close(result(FAST), result(PLAIN), rtol=1e-5, atol=1e-5)
