"""The super-resolution U-Net against the published network's recorded outputs, and path to path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from savg.models.superres_unet import CONFIGS, SuperResUNet, SuperResUNetConfig, published_config
from tests.goldens import case


def check(name: str, output: str, stride: int, fast: bool = True) -> SuperResUNet:
    reference = case(name)
    model = SuperResUNet(published_config(reference.meta["constructor"]), fast).eval()
    model.load_state_dict(reference.state)
    t = torch.tensor(reference.meta["inputs"]["timesteps"])
    with torch.no_grad():
        out = model(reference.input("x"), t, reference.input("low_res"))
    values = out.reshape(-1)[::stride].reshape(reference[output].shape)
    np.testing.assert_allclose(values, reference[output], rtol=1e-3, atol=2e-4)
    return model


@pytest.mark.parametrize("fast", [True, False])
def test_tiny_matches_the_published_network(fast):
    check("sr_unet_tiny", "out", 1, fast)


@pytest.mark.slow
def test_released_network_matches():
    model = check("sr_unet_full", "out_slice", 20)
    assert sum(p.numel() for p in model.parameters()) == 311_027_910


def test_released_configuration_has_the_published_keys():
    with torch.device("meta"):
        model = SuperResUNet(published_config(None))
    shapes = [[key, list(value.shape)] for key, value in model.state_dict().items()]
    assert shapes == [[key, list(shape)] for key, shape in case("sr_unet_full").meta["keys"]]


def randomised(**changes):
    torch.manual_seed(0)
    model = SuperResUNet(replace(CONFIGS["tiny"], **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    side = 16 * model.config.patch
    return model, (torch.randn(2, 3, side, side), torch.tensor([3, 700]), torch.randn(2, 3, 8, 8))


VARIANTS = {
    "tiny": {},
    "added shift": {"scale_shift": False, "learn_variance": False},
    "plain convolutions": {"resample_blocks": False},
    "heads": {"heads": 1, "up_heads": 4},
    "narrow heads": {"head_channels": 8},
    "patches": {"patch": 2},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_fast_and_plain_paths_agree_in_values_and_gradients(name):
    model, inputs = randomised(**VARIANTS[name])
    results = []
    for fast in (True, False):
        model.fast = fast
        model.zero_grad()
        out = model(*inputs)
        out.square().mean().backward()
        results.append((out.detach(), {k: p.grad.clone() for k, p in model.named_parameters()}))
    (fast_out, fast_grads), (plain_out, plain_grads) = results
    with torch.no_grad():
        model.fast = True
        torch.testing.assert_close(model(*inputs), plain_out, rtol=1e-3, atol=2e-4)
    torch.testing.assert_close(fast_out, plain_out, rtol=1e-3, atol=2e-4)
    for key, grad in plain_grads.items():
        torch.testing.assert_close(fast_grads[key], grad, rtol=5e-3, atol=2e-5, msg=key)


def test_bfloat16_is_close_to_float32():
    model, inputs = randomised()
    with torch.no_grad():
        exact = model(*inputs)
        half = model.bfloat16()(*inputs)
    assert half.dtype == torch.float32
    assert (half - exact).square().mean() < 1e-3 * exact.square().mean()


def test_demo_upscales_a_clips_picture_by_four():
    model = SuperResUNet(CONFIGS["demo"]).eval()
    with torch.no_grad():
        out = model(torch.randn(1, 3, 160, 256), torch.tensor([9]), torch.randn(1, 3, 40, 64))
    assert out.shape == (1, 6, 160, 256) and out[:, :3].any() and not out[:, 3:].any()
    assert sum(p.numel() for p in model.parameters()) < 2.5e6


def test_published_arguments_are_honoured():
    assert published_config({"large_size": 64}).multipliers == (1, 2, 3, 4)
    config = published_config({"sr_num_heads_upsample": 2, "sr_resblock_updown": False})
    assert config.up_heads == 2 and not config.resample_blocks
    with torch.device("meta"):
        keys = SuperResUNet(config).state_dict()
        labelled = SuperResUNet(published_config({"sr_class_cond": True})).state_dict()
    assert "input_blocks.3.0.op.weight" in keys and "output_blocks.2.2.conv.weight" in keys
    assert labelled["label_emb.weight"].shape == (0, 768)
    assert published_config(None) == SuperResUNetConfig()
    with pytest.raises(ValueError, match="large_size"):
        published_config({"large_size": 100})


def test_classes_condition_the_output():
    model, (frames, t, small) = randomised(classes=3)
    with torch.no_grad():
        a = model(frames, t, small, torch.tensor([0, 0]))
        b = model(frames, t, small, torch.tensor([0, 2]))
    assert torch.equal(a[0], b[0]) and not torch.allclose(a[1], b[1])
    with pytest.raises(ValueError, match="labels"):
        model(frames, t, small)


def test_a_residual_network_begins_as_bicubic_upscaling() -> None:
    """The last layer starts at zero, so the first prediction is the upscaled small frame itself."""
    net = SuperResUNet(replace(CONFIGS["tiny"], residual=True)).eval()
    frames, small = torch.randn(2, 3, 16, 24), torch.rand(2, 3, 4, 6) * 2 - 1
    with torch.no_grad():
        prediction = net(frames, torch.tensor([3, 900]), small)
    expected = F.interpolate(small, (16, 24), mode="bicubic")
    assert prediction.shape == (2, 6, 16, 24)
    assert torch.allclose(prediction[:, :3], expected, atol=1e-6)
    assert not prediction[:, 3:].any()
