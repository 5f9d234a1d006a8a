"""Stereo SELD: the published network, its configuration, and its training loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.seld import CONFIGS, Seld, SeldConfig, cross_stitch, from_published
from savg.models.seld_loss import seld_loss
from tests.goldens import case


def test_the_network_has_the_published_parameters() -> None:
    golden = case("seld_5s")
    model = Seld(CONFIGS["full"])
    shapes = [[key, list(value.shape)] for key, value in model.state_dict().items()]
    assert shapes == golden.meta["keys"]
    assert sum(p.numel() for p in model.parameters()) == golden.meta["params"]


def test_published_arguments_describe_the_released_network() -> None:
    meta = case("seld_5s").meta
    assert from_published(None) == SeldConfig() == CONFIGS["full"]
    assert from_published(meta) == SeldConfig()
    arguments = {
        "constructor": {
            "class_num": 3,
            "in_channels": 3,
            "in_channels_sed": 1,
            "net_config": {
                "conv": {"out_channels1": 8, "out_channels2": 12, "out_channels3": 16},
                "transformer": {"d_model": 24, "d_ff": 40, "n_heads": 3, "n_layers": 1},
            },
            "act_azi": "sigmoid",
            "interp_ratio": 2,
        }
    }
    config = from_published(arguments)
    assert (config.out_channels1, config.out_channels2, config.out_channels3) == (8, 12, 16)
    assert (config.d_model, config.d_ff, config.n_heads, config.n_layers) == (24, 40, 3, 1)
    assert (config.class_num, config.in_channels_sed, config.interp_ratio) == (3, 1, 2)
    activity, x = Seld(config).eval()(torch.rand(2, 3, 257, 16))
    assert activity.shape == x.shape == (2, 3, 8)
    assert ((x > 0) & (x < 1)).all()


def test_a_published_file_loads_through_the_hub(tmp_path) -> None:
    config = replace(CONFIGS["tiny"], log_features=False, pool_bins=1, even_windows=False)
    published = {
        "net_config": {
            "conv": {f"out_channels{i}": getattr(config, f"out_channels{i}") for i in (1, 2, 3)},
            "transformer": {
                n: getattr(config, n) for n in ("d_model", "d_ff", "n_heads", "n_layers")
            },
        }
    }
    source = Seld(config).eval()
    torch.save({"model_state_dict": source.state_dict()}, tmp_path / "params.pth")
    model = load_official("seld", tmp_path / "params.pth", published)
    assert model.config == config and not model.training
    features = torch.rand(1, 3, 257, 32)
    torch.testing.assert_close(model(features), source(features))
    with pytest.raises(CheckpointError, match=r"seld.*params\.pth.*stitch1"):
        load_official("seld", tmp_path / "params.pth")


def test_a_component_folder_keeps_the_network(tmp_path) -> None:
    source = Seld(CONFIGS["tiny"]).eval()
    save_component(source, tmp_path / "seld", "seld", Card("MIT", "a test"))
    model, _ = load_component(tmp_path / "seld", "seld")
    assert model.config == source.config
    features = torch.rand(1, 3, 257, 128)
    torch.testing.assert_close(model(features), source(features))


def test_the_demo_network_is_small() -> None:
    count = sum(p.numel() for p in Seld(CONFIGS["demo"]).parameters())
    assert 0.5e6 < count < 1e6


def test_cross_stitch_mixes_the_position_branch_last() -> None:
    weight, sed, doa = torch.rand(5, 2, 2), torch.rand(2, 5, 3, 4), torch.rand(2, 5, 3, 4)
    mixed_sed, mixed_doa = cross_stitch(weight, sed, doa)
    for channel in range(5):
        (a, b), (c, d) = weight[channel].tolist()
        expected = a * sed[:, channel] + b * doa[:, channel]
        torch.testing.assert_close(mixed_sed[:, channel], expected)
        torch.testing.assert_close(mixed_doa[:, channel], c * expected + d * doa[:, channel])


def test_log_features_depend_on_level_and_not_on_the_sign_of_the_phase() -> None:
    model = Seld(CONFIGS["tiny"]).eval()
    features = torch.rand(1, 3, 257, 32) + 0.1
    flipped = features.clone()
    flipped[:, 2] = 2 * torch.pi - features[:, 2]
    torch.testing.assert_close(model(features), model(flipped))
    assert not torch.allclose(model(features)[0], model(features * 10)[0])


@pytest.mark.parametrize(
    "change", [{"d_model": 20, "n_heads": 8}, {"class_num": 0}, {"in_channels_sed": 4},
               {"act_azi": "relu"}, {"eval_wav_hop_length": 2.0}, {"base_channel": 2}]
)  # fmt: skip
def test_impossible_sizes_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        SeldConfig(**change)


def test_features_of_a_wrong_shape_are_named() -> None:
    with pytest.raises(ValueError, match=r"257.*\(1, 3, 128, 257\)"):
        Seld(CONFIGS["tiny"])(torch.zeros(1, 3, 128, 257))


def test_loss_against_plain_loops() -> None:
    rng = np.random.default_rng(0)
    logits, x, target = (rng.normal(size=(2, 2, 6)) for _ in range(3))
    activity = (rng.random((2, 2, 6)) < 0.4).astype(float)
    entropy, squares = [], []
    for index in np.ndindex(2, 2, 6):
        p = 1 / (1 + np.exp(-logits[index]))
        entropy.append(-np.log(p) if activity[index] else -np.log(1 - p))
        if activity[index]:
            squares.append((x[index] - target[index]) ** 2)
    loss = seld_loss(*map(torch.from_numpy, (logits, x, activity, target)), position_weight=3.0)
    assert float(loss.activity) == pytest.approx(np.mean(entropy))
    assert float(loss.position) == pytest.approx(np.mean(squares))
    assert float(loss.total) == pytest.approx(np.mean(entropy) + 3 * np.mean(squares))
    arguments = [torch.from_numpy(part) for part in (logits, x, activity, target)]
    loss = seld_loss(*arguments, absolute=True)
    assert float(loss.position) == pytest.approx(np.mean(np.sqrt(squares)))


def test_silence_has_no_position_loss_and_no_gradient_from_it() -> None:
    x = torch.randn(1, 2, 8, requires_grad=True)
    zeros = torch.zeros(1, 2, 8)
    loss = seld_loss(zeros, x, zeros, zeros)
    loss.total.backward()
    assert loss.position == 0 and (x.grad == 0).all()
    with pytest.raises(ValueError, match="one shape"):
        seld_loss(zeros, x, zeros, torch.zeros(1, 2, 9))
