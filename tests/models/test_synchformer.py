"""The synchronisation encoder, against the published code's own outputs and closed forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision.transforms.v2.functional as transforms
from torch import Tensor

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.synchformer import (
    CONFIGS,
    DividedAttention,
    Synchformer,
    SynchformerConfig,
    from_published,
    prepare,
    rename,
)
from tests.goldens import Case, case


@pytest.fixture(scope="module")
def golden() -> Case:
    return case("synchformer_visual")


@pytest.fixture(scope="module")
def encoder(golden: Case) -> Synchformer:
    with torch.device("meta"):
        model = Synchformer(from_published(golden.meta["constructor"]))
    model.load_state_dict(rename(golden.state), assign=True)
    return model.eval()


def test_the_published_parameters(golden: Case, encoder: Synchformer) -> None:
    shapes = [[key, list(value.shape)] for key, value in encoder.state_dict().items()]
    unused = [[k, s] for k, s in golden.meta["state_dict"] if ".patch_embed.proj." in k]
    assert len(golden.meta["state_dict"]) == 238 and len(unused) == 2
    assert sorted(shapes + unused) == sorted(golden.meta["state_dict"])
    count = sum(p.numel() for p in encoder.parameters())
    assert count + 768 * 3 * 16 * 16 + 768 == golden.meta["n_parameters"]
    assert encoder.config == CONFIGS["full"] == from_published(None)


@torch.no_grad()
def test_published_features(golden: Case, encoder: Synchformer) -> None:
    inner = encoder.vfeat_extractor
    outputs: dict[str, Tensor] = {}
    parts = {
        "patch_embed_3d": inner.patch_embed_3d,
        "block0": inner.blocks[0],
        "tokens_before_norm": inner.blocks[-1],
    }

    def record(name: str):
        def hook(module, inputs, output) -> None:
            outputs.setdefault(name, output)

        return hook

    hooks = [part.register_forward_hook(record(name)) for name, part in parts.items()]
    features = encoder(golden.input("video"), at_once=1)
    for hook in hooks:
        hook.remove()
    for name, value in outputs.items():
        golden.check(name, value)
    golden.check("sync_features", features)


def tiny() -> Synchformer:
    torch.manual_seed(0)
    model = Synchformer(CONFIGS["tiny"]).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3
    return model


@torch.no_grad()
def test_segments_are_independent_and_in_order() -> None:
    model = tiny()
    video = torch.randn(2, 37, 3, 16, 16)
    features = model(video)
    assert features.shape == (2, 3 * 8, 12)
    for segment in range(3):
        part = video[:, 8 * segment : 8 * segment + 16]
        torch.testing.assert_close(features[:, 8 * segment : 8 * segment + 8], model(part))
    torch.testing.assert_close(model(video, at_once=1), features)
    torch.testing.assert_close(model(video[1:]), features[1:])


@torch.no_grad()
def test_lengths_agree_with_the_flow_network() -> None:
    model = tiny()
    for seconds in (0.64, 2.0, 5.0):
        lengths = SequenceLengths(seconds, 16_000)
        assert model(torch.zeros(1, lengths.sync_frames, 3, 16, 16)).shape[1] == lengths.sync


@pytest.mark.parametrize("over_time", [True, False])
@torch.no_grad()
def test_divided_attention_against_a_mask(over_time: bool) -> None:
    torch.manual_seed(0)
    times, places, width, heads = 3, 4, 8, 2
    attention = DividedAttention(width, heads)
    x = torch.randn(2, 1 + times * places, width)
    time = torch.arange(times).repeat_interleave(places)
    place = torch.arange(places).repeat(times)
    group = place if over_time else time
    allowed = torch.ones(13, 13, dtype=torch.bool)
    allowed[1:, 1:] = group[:, None] == group
    q, k, v = attention.qkv(x).chunk(3, -1)
    out = torch.zeros_like(x)
    for head in range(heads):
        part = slice(4 * head, 4 * head + 4)
        scores = (q[..., part] @ k[..., part].mT / 2).masked_fill(~allowed, -torch.inf)
        out[..., part] = scores.softmax(-1) @ v[..., part]
    torch.testing.assert_close(attention(x, times, over_time), attention.proj(out))


def test_training_reaches_every_parameter() -> None:
    model = tiny().train()
    model(torch.randn(1, 16, 3, 16, 16)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_frames_are_prepared_as_published() -> None:
    frames = torch.randint(80, 176, (2, 3, 144, 256, 3), dtype=torch.uint8)  # no clipping
    prepared = prepare(frames, 112)
    assert prepared.shape == (2, 3, 3, 112, 112)
    flat = frames.flatten(0, 1).movedim(-1, 1)
    resized = transforms.resize(flat, [112], transforms.InterpolationMode.BICUBIC, antialias=True)
    expected = transforms.center_crop(resized, [112]).float() / 127.5 - 1
    assert (prepared.flatten(0, 1) - expected).abs().max() < 1.5 / 127.5
    square = torch.randint(0, 256, (16, 16, 3), dtype=torch.uint8)
    torch.testing.assert_close(prepare(square, 16), square.movedim(-1, 0) / 127.5 - 1)


def test_wrong_videos_are_named() -> None:
    with pytest.raises(ValueError, match=r"\[B, T, 3, 16, 16\]"):
        tiny()(torch.zeros(1, 16, 3, 16, 8))
    with pytest.raises(ValueError, match="≥ 16 frames, got 15"):
        tiny()(torch.zeros(1, 15, 3, 16, 16))


@pytest.mark.parametrize("change", [{"image": 20}, {"heads": 5}, {"pair": 3}])
def test_impossible_sizes_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        replace(CONFIGS["tiny"], **change)
    with pytest.raises(ValueError, match="segment"):
        from_published({"segment": 8})


def test_files_and_folders(tmp_path) -> None:
    source = tiny()
    extra = {
        "vfeat_extractor.patch_embed.proj.weight": torch.zeros(12, 3, 8, 8),
        "vfeat_extractor.patch_embed.proj.bias": torch.zeros(12),
        "afeat_extractor.norm.weight": torch.zeros(3),
        "transformer.head": torch.zeros(1),
    }
    path = tmp_path / "synchformer_state_dict.pth"
    torch.save({**source.state_dict(), **extra}, path)
    arguments = {"image": 16, "patch": 8, "embed_dim": 12, "depth": 2, "heads": 2, "mlp_ratio": 2}
    model = load_official("synchformer", path, arguments)
    assert model.config == CONFIGS["tiny"] == SynchformerConfig(**arguments)
    video = torch.randn(1, 16, 3, 16, 16)
    torch.testing.assert_close(model(video), source(video))
    save_component(model, tmp_path / "sync", "synchformer", Card("MIT", "a test"))
    reloaded, _ = load_component(tmp_path / "sync", "synchformer")
    torch.testing.assert_close(reloaded(video), source(video))
    with pytest.raises(CheckpointError, match="synchformer"):
        load_official("synchformer", path)


def test_the_demo_encoder_is_small() -> None:
    assert sum(p.numel() for p in Synchformer(CONFIGS["demo"]).parameters()) < 2e6
