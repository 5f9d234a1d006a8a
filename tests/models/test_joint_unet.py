"""The coupled U-Net against recorded outputs and gradients of the published one, and path to path."""

from __future__ import annotations

from dataclasses import replace

import golden
import numpy as np
import pytest
import torch

from savg.models.joint_config import CONFIGS, JointUNetConfig, published_config
from savg.models.joint_unet import JointUNet
from tests.goldens import case

TINY = ["mmdiff_unet_tiny_shift0", "mmdiff_unet_tiny_shifts"]


def loaded(name: str) -> tuple[JointUNet, object]:
    """The network of a golden case with its weights, in evaluation mode."""
    reference = case(name)
    model = JointUNet(published_config(reference.meta["constructor"]))
    model.load_state_dict(reference.state)
    return model.eval(), reference


def evaluate(model, reference):
    t = torch.tensor(reference.meta["inputs"]["timesteps"])
    shifts = [int(s) for s in reference["shifts"]]
    with torch.no_grad():
        return model(reference.input("video"), reference.input("audio"), t, shifts)


@pytest.fixture
def randomised():
    """A tiny or demo network in which no branch is silent, with inputs for it."""

    def make(name: str = "tiny", **changes):
        torch.manual_seed(0)
        config = replace(CONFIGS[name], **changes)
        model = JointUNet(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
        video, audio = torch.randn(2, 4, 3, 8, 16), torch.randn(2, 2, 320 * config.audio_patch)
        return model, video, audio, torch.tensor([3, 700])

    return make


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", TINY)
def test_tiny_matches_the_published_network(name, fast):
    model, reference = loaded(name)
    model.fast = fast
    video, audio = evaluate(model, reference)
    np.testing.assert_allclose(video, reference["video_out"], rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(audio, reference["audio_out"], rtol=1e-3, atol=2e-4)


@pytest.mark.slow
def test_released_network_matches():
    model, reference = loaded("mmdiff_unet_full")
    assert sum(p.numel() for p in model.parameters()) == 133_676_293
    video, audio = evaluate(model, reference)
    np.testing.assert_allclose(
        video.reshape(-1)[::13], reference["video_out_slice"], rtol=1e-3, atol=2e-4
    )
    np.testing.assert_allclose(
        audio.reshape(-1)[::8], reference["audio_out_slice"], rtol=1e-3, atol=2e-4
    )


def test_released_configuration_has_the_published_keys():
    reference = case("mmdiff_unet_full")
    with torch.device("meta"):
        model = JointUNet(published_config(None))
    shapes = [[key, list(value.shape)] for key, value in model.state_dict().items()]
    assert shapes == [[key, list(shape)] for key, shape in reference.meta["keys"]]


@pytest.mark.parametrize("saving", [False, True])
def test_gradients_match_the_published_training_step(saving):
    reference = case("mmdiff_unet_tiny_grad")
    meta = reference.meta
    model = JointUNet(published_config(meta["constructor"]))
    model.load_state_dict(reference.state)
    model.checkpoint_attention = saving

    def named(name, shape, scale=1.0):
        return torch.from_numpy(golden.tensor(f"{meta['prefix']}/{name}", tuple(shape), scale))

    alpha_bar = float(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[meta["t"][0]])
    targets, noisy = [], []
    for kind, scale in (("video", 0.5), ("audio", 0.2)):
        noise = named(f"noise_{kind}", meta[f"{kind}_shape"])
        clean = named(f"x_{kind}", meta[f"{kind}_shape"], scale)
        targets.append(noise)
        noisy.append(alpha_bar**0.5 * clean + (1 - alpha_bar) ** 0.5 * noise)
    outputs = model(*noisy, torch.tensor(meta["t"]), [0] * 15)
    loss = sum((out - target).square().mean() for out, target in zip(outputs, targets, strict=True))
    np.testing.assert_allclose(loss.item(), reference["loss"][0], rtol=1e-4)
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    norms = np.array([grads[name].norm().item() for name in meta["param_names"]])
    np.testing.assert_allclose(norms, reference["grad_norms"], rtol=2e-3, atol=1e-5)
    for stored in (key for key in reference.arrays if key.startswith("grad__")):
        grad = grads[stored.removeprefix("grad__").replace("__", ".")].reshape(-1)
        stride = -(-grad.numel() // 512)
        np.testing.assert_allclose(grad[::stride], reference[stored], rtol=2e-3, atol=1e-5)


VARIANTS = {
    "tiny": {},
    "added shift": {"scale_shift": False},
    "no shift": {"shift": False, "middle_cross": False},
    "3d": {"video_conv": "3d", "audio_at": (1, 2)},
    "repetition": {"upsample": False, "learn_variance": True},
    "patches": {"video_patch": 2, "audio_patch": 5, "skips": "add", "coordinates": True},
    "depths": {"blocks": (2, 1), "frames": 3, "windows": (3,)},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_fast_and_plain_paths_agree(randomised, name):
    model, video, audio, t = randomised(**VARIANTS[name])
    shifts = model.draw_shifts(torch.Generator().manual_seed(5), frames=4)
    with torch.no_grad():
        fast = model(video, audio, t, shifts)
        model.fast = False
        plain = model(video, audio, t, shifts)
    for a, b in zip(fast, plain, strict=True):
        assert b.std() > 0.05
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["tiny", "patches"])
def test_fast_gradients_agree_with_plain(randomised, name):
    model, video, audio, t = randomised(**VARIANTS[name])
    grads = []
    for fast in (True, False):
        model.fast = fast
        model.zero_grad()
        out = model(video, audio, t, [1] * len(model.shifting))
        (out[0].square().mean() + out[1].square().mean()).backward()
        grads.append({k: p.grad.clone() for k, p in model.named_parameters()})
    for key, plain in grads[1].items():
        torch.testing.assert_close(grads[0][key], plain, rtol=5e-3, atol=2e-5, msg=key)


def test_bfloat16_is_close_to_float32(randomised):
    model, video, audio, t = randomised("tiny")
    shifts = [1] * len(model.shifting)
    with torch.no_grad():
        exact = model(video, audio, t, shifts)
        half = model.bfloat16()(video, audio, t, shifts)
    for a, b in zip(half, exact, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).square().mean() < 1e-3 * b.square().mean()


def test_autocast_trains_in_bfloat16(randomised):
    model, video, audio, t = randomised("tiny")
    with torch.autocast("cpu", torch.bfloat16):
        out = model(video, audio, t)
    (out[0].square().mean() + out[1].square().mean()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_batch_mates_do_not_matter(randomised):
    model, video, audio, t = randomised("tiny")
    shifts = [2] * len(model.shifting)
    with torch.no_grad():
        together = model(video, audio, t, shifts)
        alone = model(video[1:], audio[1:], t[1:], shifts)
    torch.testing.assert_close(together[0][1:], alone[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together[1][1:], alone[1], rtol=1e-4, atol=1e-4)


def test_shifts_are_drawn_from_the_generator_within_bounds():
    with torch.device("meta"):
        model = JointUNet(CONFIGS["full"])
    draws = [model.draw_shifts(torch.Generator().manual_seed(s)) for s in range(40)]
    windows = [m.window for m in model.shifting]
    assert windows == [1, 1, 4, 4, 8, 8, 8, 8, 8, 4, 4, 4, 1, 1, 1]
    assert draws[3] == model.draw_shifts(torch.Generator().manual_seed(3))
    assert all(0 <= s <= 20 - w for draw in draws for s, w in zip(draw, windows, strict=True))
    assert max(draw[0] for draw in draws) > 15


def test_a_fresh_demo_network_predicts_zero_and_takes_a_clips_picture():
    model = JointUNet(CONFIGS["demo"]).eval()
    with torch.no_grad():
        video, audio = model(
            torch.randn(1, 5, 12, 40, 64), torch.randn(1, 96, 400), torch.tensor([9])
        )
    assert video.shape == (1, 5, 12, 40, 64) and audio.shape == (1, 96, 400)
    assert not video.any() and not audio.any()
    assert 3e6 < sum(p.numel() for p in model.parameters()) < 5e6


def test_published_arguments_are_honoured():
    base = dict(case(TINY[0]).meta["constructor"])
    config = published_config({**base, "channel_mult": "1,2", "cross_attention_windows": "2,4,8"})
    assert config.multipliers == (1, 2) and not config.middle_cross
    wide = published_config({"video_size": "16,3,128,128", "audio_size": "1,25600"})
    assert wide.multipliers == (1, 1, 2, 3, 4) and wide.frames == 16 and wide.audio_channels == 1
    assert published_config({"num_head_channels": -1}).head_channels is None
    assert published_config(None) == JointUNetConfig()


@pytest.mark.parametrize(
    ("video", "audio", "message"),
    [
        ((1, 4, 3, 9, 16), (1, 2, 320), "divisible"),
        ((1, 4, 1, 8, 16), (1, 2, 320), "video"),
        ((1, 4, 3, 8, 16), (1, 1, 320), "audio"),
    ],
)
def test_wrong_shapes_are_named(randomised, video, audio, message):
    model, *_ = randomised("tiny")
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(video), torch.zeros(audio), torch.zeros(1))


def test_wrong_configurations_are_named():
    with pytest.raises(ValueError, match="groups"):
        JointUNetConfig(channels=100)
    with pytest.raises(ValueError, match="skips"):
        JointUNetConfig(skips="none")


@pytest.mark.gpu
def test_an_accelerator_agrees_with_the_processor(randomised):
    model, video, audio, t = randomised("tiny")
    shifts = [1] * len(model.shifting)
    with torch.no_grad():
        here = model(video, audio, t, shifts)
        there = model.cuda()(video.cuda(), audio.cuda(), t.cuda(), shifts)
    for a, b in zip(there, here, strict=True):
        assert (a.cpu() - b).square().mean() < 1e-3 * b.square().mean()
