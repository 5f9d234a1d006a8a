"""Inception I3D against the published code's own outputs, and its fast path against the plain one."""

from __future__ import annotations

import math
from copy import deepcopy
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.i3d import (
    FORMAT,
    I3d,
    I3dConfig,
    Unit3d,
    from_published,
    prepare,
    same_padding,
)
from savg.models.i3d_fast import FastI3d, neighbourhood_max
from tests.goldens import Case, case, golden

SMALL = I3dConfig(num_classes=12, width=0.0625)


@pytest.fixture(scope="module")
def stored() -> Case:
    return case("i3d")


@pytest.fixture(scope="module")
def video(stored: Case) -> Tensor:
    """The case's frames, uint8 [B, T, H, W, 3]."""
    shape = stored.meta["input"]["shape"]
    values = 127.5 + golden.tensor(stored.meta["input"]["golden"], tuple(shape), 50.0)
    frames = torch.from_numpy(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    return frames.movedim(2, -1)


@pytest.fixture(scope="module")
def network(stored: Case) -> I3d:
    with torch.device("meta"):
        model = I3d(from_published(stored.meta["constructor"]))
    model.load_state_dict(stored.state, assign=True)
    return model.eval()


def clips(count: int, frames: int = 9) -> Tensor:
    """Random videos of coarse patterns, uint8 [B, T, 16, 16, 3], each with a contrast and motion of its
    own."""
    rng = np.random.default_rng(3)
    pattern = rng.normal(0, 1, (count, 1, 16, 16, 3)) * rng.uniform(10, 80, (count, 1, 1, 1, 3))
    moving = rng.normal(0, 1, (count, frames, 16, 16, 3)) * rng.uniform(0, 60, (count, 1, 1, 1, 1))
    level = rng.uniform(60, 200, (count, 1, 1, 1, 3))
    return torch.from_numpy((level + pattern + moving).clip(0, 255).astype(np.uint8))


@lru_cache
@torch.inference_mode(False)
def small() -> I3d:
    """A network of few channels, normalised for `clips`, so that its logits tell them apart."""
    torch.manual_seed(0)
    model = I3d(SMALL)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.momentum = None  # statistics of all that it has seen
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
    with torch.no_grad():
        model.train()(prepare(clips(8)))
    return model.eval()


def test_the_published_parameters(stored: Case, network: I3d) -> None:
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes == dict(stored.meta["keys"]) and len(shapes) == 344
    assert sum(p.numel() for p in network.parameters()) == stored.meta["params"]
    assert network.config == from_published(None) == I3dConfig()


def test_frames_are_prepared_as_published(stored: Case, video: Tensor) -> None:
    x = prepare(video)
    assert list(x.shape) == stored.meta["preprocess_shape"]
    expected = torch.from_numpy(stored["preprocess_slice"])
    torch.testing.assert_close(x.reshape(-1)[::1004], expected, atol=1e-6, rtol=0)
    numbers = [float(f(x.double())) for f in (torch.mean, _population_std, torch.min, torch.max)]
    np.testing.assert_allclose(numbers, stored["preprocess_stats"], atol=1e-6)


def _population_std(x: Tensor) -> Tensor:
    return x.std(correction=0)


@torch.no_grad()
def test_published_logits_and_blocks(stored: Case, video: Tensor, network: I3d) -> None:
    outputs: dict[str, Tensor] = {}

    def record(name: str):
        return getattr(network, name).register_forward_hook(
            lambda module, inputs, output: outputs.update({name: output})
        )

    hooks = [record(name) for name in network.ORDER]
    logits = network(prepare(video))
    for hook in hooks:
        hook.remove()
    tolerance = stored.meta["tolerance"]
    torch.testing.assert_close(logits, torch.from_numpy(stored["logits"]), **tolerance)
    assert list(outputs) == [name for name, *_ in stored.meta["trace_rows"]]
    for row, (name, shape, stride) in enumerate(stored.meta["trace_rows"]):
        x = outputs[name]
        assert list(x.shape) == shape
        values = x.reshape(-1)[::stride][:64].numpy()
        np.testing.assert_allclose(
            values, stored["trace_values"][row][: len(values)], rtol=1e-3, atol=1e-4
        )
        mean = float(x.double().mean())
        assert mean == pytest.approx(stored["trace_stats"][row][0], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "padding"),
    [
        (224, 7, 2, (2, 3)),
        (21, 7, 2, (3, 3)),
        (112, 3, 2, (0, 1)),
        (9, 3, 1, (1, 1)),
        (5, 2, 2, (0, 1)),
    ],
)
def test_padding_of_tensorflow(length: int, kernel: int, stride: int, padding: tuple) -> None:
    shape = torch.Size([length, 10, 10])
    found = same_padding(shape, (kernel, 1, 1), (stride, 1, 1))
    assert tuple(found[4:]) == padding and found[:4] == [0, 0, 0, 0]
    assert (length + sum(padding) - kernel) // stride + 1 == math.ceil(length / stride)


@pytest.mark.parametrize(
    "size", [(224, 224), (144, 256), (301, 227), (49, 49), (3, 500), (257, 225)]
)
def test_preparation_against_sampling_by_hand(size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    frame = torch.randint(0, 256, (*size, 3), dtype=torch.uint8)
    x = prepare(frame[None, None])[0, :, 0]
    assert x.shape == (3, 224, 224)
    height, width = size
    factor = 224 / min(size)
    long = max(math.ceil(max(size) * factor), 224)
    tall, wide = (224, long) if height < width else (long, 224)
    top, left = (tall - 224) // 2, (wide - 224) // 2
    pixels = frame.double().numpy() / 255

    def sample(row: int, column: int) -> np.ndarray:
        def place(i: int, new: int, old: int) -> tuple[int, int, float]:
            at = max((i + 0.5) * old / new - 0.5, 0.0)
            return int(at), min(int(at) + 1, old - 1), at - int(at)

        y0, y1, dy = place(row + top, tall, height)
        x0, x1, dx = place(column + left, wide, width)
        above = pixels[y0, x0] * (1 - dx) + pixels[y0, x1] * dx
        below = pixels[y1, x0] * (1 - dx) + pixels[y1, x1] * dx
        return (above * (1 - dy) + below * dy - 0.5) * 2

    for row, column in ((0, 0), (0, 223), (223, 0), (223, 223), (111, 57), (17, 200)):
        np.testing.assert_allclose(x[:, row, column].numpy(), sample(row, column), atol=2e-4)


@pytest.mark.parametrize(
    "shape", [(9, 193, 200), (16, 224, 224), (13, 225, 193), (21, 201, 224), (10, 256, 256)]
)
def test_the_fast_path_in_float32_is_the_plain_one(shape: tuple[int, ...]) -> None:
    frames, *sides = shape
    x = torch.nn.functional.interpolate(prepare(clips(2, frames)), (frames, *sides))
    with torch.no_grad():
        plain = small()(x)
        fast = FastI3d(small(), torch.float32)(x)
    assert (plain[0] - plain[1]).abs().max() > 0.1
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-5)


@pytest.mark.usefixtures("bfloat16_units")
def test_the_fast_path_in_bfloat16_moves_logits_less_than_a_grey_level_of_noise() -> None:
    rng = np.random.default_rng(5)
    frames = clips(8).numpy().astype(int).repeat(16, 2).repeat(16, 3)  # of 256×256 pixels
    noisy = frames + rng.integers(-1, 2, frames.shape)
    x, y = (prepare(torch.from_numpy(f.clip(0, 255).astype(np.uint8))) for f in (frames, noisy))
    with torch.no_grad():
        plain, fast, of_noise = small()(x), FastI3d(small())(x), small()(y)

    def spread(logits: Tensor) -> float:
        """Root mean square over clips, without what all have in common: distances do not see it."""
        return float((logits - logits.mean(0)).square().mean().sqrt())

    assert fast.dtype == torch.float32
    assert 0 < spread(fast - plain) < spread(of_noise - plain) < 0.5 * spread(plain)
    assert (fast - plain).mean(0).abs().max() < 0.2 * spread(plain)


@pytest.mark.parametrize("shape", [(1, 2, 3, 5, 7), (2, 1, 1, 1, 1), (1, 3, 2, 4, 4)])
def test_largest_of_neighbours_against_torch(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    expected = torch.nn.functional.max_pool3d(x, 3, 1, 1)
    assert torch.equal(neighbourhood_max(x), expected)


def test_the_least_video() -> None:
    model = small()
    assert model(torch.zeros(1, 3, 9, 193, 193)).shape == (1, 12)
    for make in (model, FastI3d(model, torch.float32)):
        with pytest.raises(ValueError, match="≥ 9 frames of ≥ 193 pixels a side, got 8 frames"):
            make(torch.zeros(1, 3, 8, 224, 224))
        with pytest.raises(ValueError, match="got 9 frames of 224×192"):
            make(torch.zeros(1, 3, 9, 224, 192))
        with pytest.raises(ValueError, match=r"\[B, 3, T, H, W\], got \[1, 9, 3, 224, 224\]"):
            make(torch.zeros(1, 9, 3, 224, 224))
    with pytest.raises(ValueError, match=r"\[B, T, H, W, 3\]"):
        prepare(torch.zeros(1, 9, 3, 64, 64, dtype=torch.uint8))


def test_training_reaches_every_parameter() -> None:
    model = deepcopy(small()).train()
    model(torch.randn(2, 3, 9, 193, 193)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_files_and_folders(tmp_path: Path) -> None:
    source = small()
    arguments = {"num_classes": 12, "width": 0.0625, "spatial_squeeze": True, "name": "inception"}
    path = tmp_path / "i3d_pretrained_400.pt"
    torch.save(source.state_dict(), path)
    model = load_official("i3d", path, arguments)
    x = torch.randn(1, 3, 9, 193, 193)
    torch.testing.assert_close(model(x), source(x))
    save_component(model, tmp_path / "i3d", "i3d", Card("MIT", "a test"))
    reloaded, _ = load_component(tmp_path / "i3d", "i3d")
    torch.testing.assert_close(reloaded(x), source(x))
    with pytest.raises(CheckpointError, match="final_endpoint"):
        load_official("i3d", path, {"final_endpoint": "Mixed_5c"})


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rgb_charades.pt"
    state = dict(small().state_dict())
    state["extra.weight"] = state.pop("Mixed_3b.b0.conv3d.weight")
    torch.save(state, path)
    with pytest.raises(CheckpointError) as error:
        load_official("i3d", path, {"num_classes": 157, "width": 0.0625})
    sentence = str(error.value)
    assert sentence.startswith(f"i3d: {path} does not fit the network: 1 missing")
    for words in ("Mixed_3b.b0.conv3d.weight", "extra.weight", "logits.conv3d.weight (12,"):
        assert words in sentence
    script = tmp_path / "i3d_torchscript.pt"
    torch.jit.script(Unit3d(1, 1).bn).save(str(script))
    with pytest.raises(CheckpointError, match=r"i3d_torchscript\.pt"):
        load_official("i3d", script)
    assert FORMAT.config is I3dConfig
