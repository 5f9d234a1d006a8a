"""Stable Audio's VAE: diffusers' own outputs, both kinds of names, sizes, and bad input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from savg.models.oobleck import CONFIGS, Oobleck, OobleckConfig, from_published, rename
from tests.goldens import case

GOLDEN = case("oobleck")


def loaded() -> Oobleck:
    model = Oobleck(from_published(GOLDEN.meta["constructor"])).eval()
    model.load_state_dict(rename(GOLDEN.state))
    return model


def test_what_diffusers_gives() -> None:
    model = loaded()
    with torch.inference_mode():
        mean, deviation = model.encode(GOLDEN.input("audio"))
        decoded = model.decode(GOLDEN.input("latents"))
    for name, value in (("mean", mean), ("std", deviation), ("decoded", decoded)):
        assert GOLDEN.meta["outputs"][name]["std"] > 0.01
        GOLDEN.check(name, value)


def test_a_published_file_gives_the_same_weights() -> None:
    state = {f"pretransform.model.{k}": v for k, v in loaded().state_dict().items()}
    again = rename({**state, "model.model.preprocess_conv.weight": torch.zeros(1)})
    assert again.keys() == loaded().state_dict().keys() == rename(again).keys()
    names = set(again)
    assert {"encoder.layers.1.layers.0.layers.1.weight_g", "decoder.layers.4.weight_v"} <= names
    assert "decoder.layers.4.bias" not in names and "encoder.layers.3.alpha" in names


def test_waveforms_keep_their_length_and_gradients_reach_all() -> None:
    torch.manual_seed(0)
    model = Oobleck(CONFIGS["tiny"])
    audio = torch.randn(2, 2, 64)
    out: Tensor = model(audio)
    assert out.shape == audio.shape and model.encode(audio)[0].shape == (2, 4, 8)
    (out.square().mean() + model.encode(audio)[1].mean()).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_the_published_sizes() -> None:
    assert CONFIGS["full"].hop == 2048 and from_published() == CONFIGS["full"]
    with torch.device("meta"):
        model = Oobleck(CONFIGS["full"])
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert shapes["encoder.layers.0.weight_v"] == (128, 2, 7)
    assert shapes["encoder.layers.7.weight_v"] == (128, 2048, 3)
    assert shapes["decoder.layers.1.layers.1.weight_v"] == (2048, 1024, 16)
    assert sum(p.numel() for p in model.parameters()) == 156_112_514


def test_wrong_shapes_and_settings_are_told() -> None:
    model = Oobleck(CONFIGS["tiny"])
    with pytest.raises(
        ValueError, match=r"audio must be \[B, 2, a multiple of 8\], got \[1, 2, 9\]"
    ):
        model.encode(torch.zeros(1, 2, 9))
    with pytest.raises(ValueError, match="multiples must be one for each of 5 strides"):
        OobleckConfig(multiples=(1,))
