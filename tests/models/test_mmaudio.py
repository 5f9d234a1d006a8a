"""The flow network of the second stage, against the published code's own outputs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
import torch

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.mmaudio import (
    CONFIGS,
    Conditions,
    Features,
    MMAudio,
    MMAudioConfig,
    from_published,
    stretch,
)
from savg.models.mmaudio_layers import Block, rotate, rotations
from savg.models.mmaudio_lengths import SequenceLengths
from tests.goldens import Case, case

TINY, TINY_V2, SMALL = "mmaudio_net_tiny", "mmaudio_net_tiny_v2", "mmaudio_net_small16k"


@lru_cache(maxsize=2)
def network(name: str) -> MMAudio:
    golden = case(name)
    model = MMAudio(from_published(golden.meta["constructor"])).eval()
    model.load_state_dict(golden.state)
    return model


def features(golden: Case) -> Features:
    return Features(*(golden.input(f"{name}_f") for name in ("clip", "sync", "text")))


def matrices(rotation: torch.Tensor) -> torch.Tensor:
    """Rotations as the reference stores them: [1, L, K / 2, 2, 2]."""
    cos, sin = rotation.real, rotation.imag
    return torch.stack((cos, -sin, sin, cos), dim=-1).unflatten(-1, (2, 2))[None]


@pytest.mark.parametrize("name", [TINY, TINY_V2, SMALL])
def test_parameters_are_the_published_ones(name: str) -> None:
    golden = case(name)
    model = MMAudio(from_published(golden.meta["constructor"]))
    shapes = [[key, list(value.shape)] for key, value in model.state_dict().items()]
    assert shapes == golden.meta["state_dict"]
    assert sum(p.numel() for p in model.parameters()) == golden.meta["n_parameters"]


@pytest.mark.parametrize("name", [TINY, TINY_V2, SMALL])
@torch.no_grad()
def test_velocity_and_guidance(name: str) -> None:
    golden = case(name)
    model, inputs = network(name), features(golden)
    lengths = model.config.lengths(golden.meta["sequence"]["duration"])
    latent, t = golden.input("latent"), torch.from_numpy(golden["in__t"])
    conditions = model.condition(inputs, lengths)
    empty = model.empty_conditions(lengths, len(latent))
    negative = model.empty_conditions(lengths, len(latent), golden.input("negative_text_f"))
    golden.check("t_embed_freqs", model.t_embed.freqs)
    golden.check("flow", model(latent, t, conditions))
    golden.check("flow_empty", model(latent, t, empty))
    for part in ("clip", "sync", "text"):
        golden.check(f"empty_{part}_f", getattr(empty, part)[:1])
    quarter = torch.full((len(latent),), 0.25)
    flow = model(latent, quarter, conditions)
    golden.check("cfg0p5_t0p25", flow)
    golden.check("cfg4p5_t0p25", 4.5 * flow - 3.5 * model(latent, quarter, empty))
    golden.check("cfg4p5_negtext_t0p25", 4.5 * flow - 3.5 * model(latent, quarter, negative))
    golden.check("unnormalize_latent", model.unnormalize(latent))
    torch.testing.assert_close(model.normalize(model.unnormalize(latent)), latent)


@pytest.mark.parametrize("name", [TINY, TINY_V2])
@torch.no_grad()
def test_every_block(name: str) -> None:
    golden = case(name)
    model = network(name)
    outputs, hooks = {}, []
    for kind, blocks in (("joint", model.joint_blocks), ("fused", model.fused_blocks)):
        for i, block in enumerate(blocks):
            name = f"{kind}{i}"
            record = lambda _, __, out, name=name: outputs.update({name: out})  # noqa: E731
            hooks.append(block.register_forward_hook(record))
    conditions = model.condition(features(golden), model.config.lengths(5.0))
    t = torch.from_numpy(golden["in__t"])
    model(golden.input("latent"), t, conditions)
    for hook in hooks:
        hook.remove()
    golden.check("t_embed", model.t_embed(t))
    for part in ("clip", "sync", "text"):
        golden.check(f"cond_{part}_f", getattr(conditions, part))
    for part in ("clip", "text"):
        projection = getattr(model, f"{part}_cond_proj")
        golden.check(f"cond_{part}_f_c", projection(getattr(conditions, part).mean(1)))
    golden.check("latent_rot", matrices(conditions.latent_rotation))
    golden.check("clip_rot", matrices(conditions.clip_rotation))
    for i in range(2):
        for part, value in zip(("latent", "clip", "text"), outputs[f"joint{i}"], strict=True):
            golden.check(f"joint{i}_{part}", value)
        golden.check(f"fused{i}_latent", outputs[f"fused{i}"])


@pytest.mark.parametrize(
    ("seconds", "rate", "latent", "clip", "sync", "samples"),
    [
        (5.0, 16_000, 157, 40, 112, 80_384),
        (5.0, 44_100, 216, 40, 112, 221_184),
        (8, 16_000, 250, 64, 192, 128_000),
        (8, 44_100, 345, 64, 192, 353_280),
        (4.96, 16_000, 155, 39, 112, 79_360),
        (4.76, 16_000, 149, 38, 104, 76_288),
        (Fraction(119, 25), 16_000, 149, 38, 104, 76_288),
    ],
)
def test_lengths(seconds, rate, latent, clip, sync, samples) -> None:
    lengths = SequenceLengths(seconds, rate)
    assert (lengths.latent, lengths.clip, lengths.sync) == (latent, clip, sync)
    assert lengths.samples == samples == lengths.mel * lengths.hop


def test_impossible_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="16 frames"):
        SequenceLengths(0.6, 16_000)
    with pytest.raises(ValueError, match="22050"):
        SequenceLengths(5, 22_050)


@pytest.mark.parametrize(
    ("rate", "seconds", "different"),
    [(16_000, s, []) for s in (1, 2, 4, 5, 7, 8, 9, 10)]
    + [(16_000, 3, [23]), (16_000, 6, [164]), (44_100, 8, [57, 172]), (44_100, 9, [48, 145, 339])],
)
def test_stretching_takes_the_published_positions(rate, seconds, different) -> None:
    lengths = SequenceLengths(seconds, rate)
    numbers = torch.arange(lengths.sync, dtype=torch.float64)[None, :, None]
    positions = stretch(numbers, lengths.latent)[0, :, 0].long().tolist()
    exact = [(2 * i + 1) * lengths.sync // (2 * lengths.latent) for i in range(lengths.latent)]
    assert [i for i, (a, b) in enumerate(zip(positions, exact, strict=True)) if a != b] == different


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("small_16k", 157),
        ("small_44k", 157),
        ("medium_44k", 621),
        ("large_44k", 1030),
        ("large_44k_v2", 1030),
    ],
)
def test_published_sizes(name: str, millions: int) -> None:
    with torch.device("meta"):
        model = MMAudio(from_published({"name": name}))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_published_arguments_tell_the_sample_rate() -> None:
    assert from_published(None) == CONFIGS["small_16k"] == MMAudioConfig()
    assert from_published(case(SMALL).meta["constructor"]) == CONFIGS["small_16k"]
    assert from_published(case(TINY_V2).meta["constructor"]).sample_rate == 44_100
    with pytest.raises(ValueError, match="large_44k_v2"):
        from_published({"name": "huge"})


def tiny(**changes) -> tuple[MMAudio, Features, SequenceLengths]:
    torch.manual_seed(0)
    model = MMAudio(replace(CONFIGS["tiny"], **changes)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.2
    c, lengths = model.config, model.config.lengths(2.0)
    shapes = ((lengths.clip, c.clip_dim), (lengths.sync, c.sync_dim), (c.text_len, c.text_dim))
    return model, Features(*(torch.randn(3, *shape) for shape in shapes)), lengths


@pytest.mark.parametrize("v2", [False, True])
@torch.no_grad()
def test_a_clip_does_not_depend_on_its_batch(v2: bool) -> None:
    model, inputs, lengths = tiny(v2=v2)
    latent, t = torch.randn(3, lengths.latent, 4), torch.rand(3)
    whole = model(latent, t, model.condition(inputs, lengths))
    alone = Features(inputs.clip[1:2], inputs.sync[1:2], inputs.text[1:2])
    single = model(latent[1:2], t[1:2], model.condition(alone, lengths))
    torch.testing.assert_close(whole[1:2], single, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_same_network_takes_any_duration() -> None:
    model, _, _ = tiny()
    for seconds in (1.0, 3.3, 5.0):
        lengths = model.config.lengths(seconds)
        empty = model.empty_conditions(lengths, 2)
        latent = torch.randn(2, lengths.latent, 4)
        assert model(latent, torch.zeros(2), empty).shape == latent.shape


@torch.no_grad()
def test_no_text_is_the_empty_text_and_order_of_text_does_not_matter() -> None:
    model, inputs, lengths = tiny()
    latent, t = torch.randn(3, lengths.latent, 4), torch.rand(3)
    blank = model.empty_string_feat[None]
    without = model.condition(Features(inputs.clip, inputs.sync), lengths)
    explicit = model.condition(Features(inputs.clip, inputs.sync, blank.expand(3, -1, -1)), lengths)
    torch.testing.assert_close(model(latent, t, without), model(latent, t, explicit))
    reordered = Features(inputs.clip, inputs.sync, inputs.text.flip(1))
    outputs = [model(latent, t, model.condition(f, lengths)) for f in (inputs, reordered)]
    torch.testing.assert_close(*outputs, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_dropped_features_are_the_empty_conditions() -> None:
    model, inputs, lengths = tiny()
    both = model.drop(inputs, torch.tensor([True, False, True]), torch.tensor([True, True, False]))
    conditions = model.condition(both, lengths)
    empty = model.empty_conditions(lengths, 3)
    torch.testing.assert_close(conditions.clip[0], empty.clip[0])
    torch.testing.assert_close(conditions.sync[2], empty.sync[2])
    torch.testing.assert_close(conditions.text[1], empty.text[1])
    torch.testing.assert_close(conditions.summary[0], empty.summary[0])
    full = model.condition(inputs, lengths)
    torch.testing.assert_close(conditions.clip[1], full.clip[1])
    torch.testing.assert_close(conditions.text[2], full.text[2])
    without = model.drop(
        Features(inputs.clip, inputs.sync), *2 * [torch.zeros(3, dtype=torch.bool)]
    )
    assert without.text.shape == inputs.text.shape


def test_training_reaches_every_parameter() -> None:
    model, inputs, lengths = tiny()
    half = model.drop(inputs, torch.tensor([True, False, False]), torch.zeros(3, dtype=torch.bool))
    conditions = model.condition(half, lengths)
    latent = torch.randn(3, lengths.latent, 4)
    model(latent, torch.rand(3), conditions).square().mean().backward()
    fixed = {"latent_mean", "latent_std", "empty_string_feat"}
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == fixed


def test_a_new_network_predicts_no_velocity() -> None:
    model = MMAudio(CONFIGS["tiny"])
    lengths = model.config.lengths(1.0)
    latent = torch.randn(1, lengths.latent, 4)
    velocity = model(latent, torch.ones(1), model.empty_conditions(lengths, 1))
    assert (velocity == 0).all()


def test_pairs_are_rotated_by_position_and_frequency() -> None:
    x = torch.randn(1, 2, 5, 6)
    rotated = rotate(x, rotations(5, 6, scale=1.5))
    for position, pair in np.ndindex(5, 3):
        angle = position * 1.5 * 10_000 ** (-2 * pair / 6)
        a, b = x[0, :, position, 2 * pair], x[0, :, position, 2 * pair + 1]
        cos, sin = np.cos(angle), np.sin(angle)
        expected = torch.stack((a * cos - b * sin, a * sin + b * cos), -1)
        torch.testing.assert_close(rotated[0, :, position, 2 * pair : 2 * pair + 2], expected)


def test_a_block_against_plain_attention() -> None:
    torch.manual_seed(0)
    block = Block(8, 2, 12, 1, 4)
    for parameter in block.parameters():
        parameter.data = torch.randn_like(parameter) * 0.5
    x, c = torch.randn(1, 5, 8), torch.randn(1, 1, 8)
    shift, scale, gate, shift2, scale2, gate2 = block.adaLN_modulation(c).chunk(6, -1)
    norm = torch.nn.functional.layer_norm
    h = norm(x, (8,)) * (1 + scale) + shift
    projected = block.attn.qkv(h)[0].reshape(5, 2, 4, 3)
    out = torch.zeros(5, 8)
    for head in range(2):
        q, k, v = (projected[:, head, :, i] for i in range(3))
        q = q / (q.square().mean(-1, keepdim=True)).sqrt() * block.attn.q_norm.weight
        k = k / (k.square().mean(-1, keepdim=True)).sqrt() * block.attn.k_norm.weight
        out[:, 4 * head : 4 * head + 4] = (q @ k.T / 2).softmax(-1) @ v
    y = x + block.linear1(out)[None] * gate
    h = norm(y, (8,)) * (1 + scale2) + shift2
    mlp = block.ffn.w2(torch.nn.functional.silu(block.ffn.w1(h)) * block.ffn.w3(h))
    torch.testing.assert_close(block(x, c, None), y + mlp * gate2, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "change", [{"num_heads": 3}, {"depth": 0}, {"fused_depth": 3}, {"sample_rate": 48_000}]
)
def test_impossible_sizes_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        replace(CONFIGS["tiny"], **change)


def test_wrong_lengths_are_named() -> None:
    model, inputs, lengths = tiny()
    with pytest.raises(ValueError, match=r"sync features must be \[3, 40, 5\], got \[3, 39, 5\]"):
        model.condition(Features(inputs.clip, inputs.sync[:, :39], inputs.text), lengths)
    conditions = model.condition(inputs, lengths)
    assert isinstance(conditions, Conditions)
    with pytest.raises(ValueError, match="latents"):
        model(torch.randn(3, 5, 4), torch.zeros(3), conditions)


def test_a_published_file_loads_through_the_hub(tmp_path) -> None:
    golden = case(TINY)
    path = tmp_path / "mmaudio.pth"
    old = {key: torch.zeros(1) for key in ("t_embed.freqs", "latent_rot", "clip_rot")}
    torch.save({**golden.state, **old}, path)
    model = load_official("mmaudio", path, golden.meta["constructor"])
    assert not model.training and model.config.hidden_dim == 128
    torch.testing.assert_close(model.latent_std, golden.state["latent_std"])
    with pytest.raises(CheckpointError, match=r"mmaudio.*misshapen"):
        load_official("mmaudio", path)
    save_component(model, tmp_path / "flow", "mmaudio", Card("MIT", "a test"))
    reloaded, _ = load_component(tmp_path / "flow", "mmaudio")
    assert reloaded.config == model.config


def test_the_demo_network_is_small() -> None:
    count = sum(p.numel() for p in MMAudio(CONFIGS["demo"]).parameters())
    assert 1e6 < count < 2e6
