"""The vocoder, against the published code's own outputs and closed forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import scipy.signal
import torch
from torch import Tensor, nn

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.bigvgan import (
    CONFIGS,
    Activation,
    BigVgan,
    BigVganConfig,
    Downsample,
    SnakeBeta,
    Upsample,
    from_published,
    half_band_filter,
    rename,
)
from savg.models.mel import CONFIGS as MEL_CONFIGS
from savg.models.stereo import per_channel
from tests.goldens import Case, case


@pytest.fixture(scope="module")
def golden() -> Case:
    return case("mmaudio_bigvgan_16k")


@pytest.fixture(scope="module")
def vocoder(golden: Case) -> BigVgan:
    with torch.device("meta"):
        model = BigVgan(from_published(golden.meta["constructor"]))
    filters = torch.from_numpy(golden["out__upsample_filter"])
    state = {k: filters if k.endswith(".filter") else v for k, v in golden.state.items()}
    model.load_state_dict(rename(state), assign=True)
    return model.eval()


def test_the_published_parameters(golden: Case, vocoder: BigVgan) -> None:
    shapes = [[key, list(value.shape)] for key, value in vocoder.state_dict().items()]
    assert sorted(shapes) == sorted(golden.meta["state_dict_after_remove_weight_norm"])
    assert len(golden.meta["state_dict"]) == 784
    assert vocoder.config == CONFIGS["full"] == from_published(None)
    assert vocoder.config.hop == MEL_CONFIGS["16k"].hop_size
    assert CONFIGS["44k"].hop == MEL_CONFIGS["44k"].hop_size
    assert CONFIGS["demo"].hop == MEL_CONFIGS["16k"].hop_size
    golden.check("ups0_weight_after_removal", vocoder.ups[0][0].weight)
    golden.check("upsample_filter", half_band_filter())
    golden.check("lowpass_filter", half_band_filter())


@torch.no_grad()
def test_every_stage_and_the_waveform(golden: Case, vocoder: BigVgan) -> None:
    outputs: dict[str, Tensor] = {}

    def record(name: str):
        return lambda module, inputs, output: outputs.update({name: output})

    parts: dict[str, nn.Module] = {f"ups{i}": vocoder.ups[i] for i in (0, 1, 3, 5)}
    parts |= {"conv_pre": vocoder.conv_pre, "resblock0": vocoder.resblocks[0]}
    parts["conv_post_before_tanh"] = vocoder.conv_post
    hooks = [part.register_forward_hook(record(name)) for name, part in parts.items()]
    waveform = vocoder(golden.input("mel"))
    for hook in hooks:
        hook.remove()
    for name, value in outputs.items():
        golden.check(name, value)
    golden.check("waveform", waveform)
    activation = vocoder.resblocks[0].activations[0]
    golden.check("activation1d_block0", activation(golden.input("act_x")))


def tiny(seed: int = 0, **changes) -> BigVgan:
    torch.manual_seed(seed)
    model = BigVgan(replace(CONFIGS["tiny"], **changes)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.2
    return model


def published(model: BigVgan, style: str) -> dict[str, Tensor]:
    """The state dict as torch's weight normalisation of either generation would save it."""
    norm = {
        "weight_g": nn.utils.weight_norm,
        "original0": nn.utils.parametrizations.weight_norm,
    }[style]
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            norm(module)
            for name, parameter in module.named_parameters():
                if name.endswith(style):
                    parameter.data *= 1 + torch.rand_like(parameter)
    return model.state_dict()


ARGUMENTS = {
    "num_mels": 6,
    "upsample_rates": [4, 2],
    "upsample_kernel_sizes": [8, 4],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 2]],
    "resblock": "1",
    "activation": "snakebeta",
    "snake_logscale": True,
    "sampling_rate": 16_000,
}


@pytest.mark.parametrize("style", ["weight_g", "original0"])
@torch.no_grad()
def test_both_styles_of_published_files(style: str, tmp_path) -> None:
    source = tiny()
    torch.save({"generator": published(source, style)}, tmp_path / "best_netG.pt")
    model = load_official("bigvgan", tmp_path / "best_netG.pt", ARGUMENTS)
    assert model.config == CONFIGS["tiny"]
    mel = torch.randn(2, 6, 5)
    torch.testing.assert_close(model(mel), source(mel), atol=1e-6, rtol=1e-5)
    save_component(model, tmp_path / "vocoder", "bigvgan", Card("MIT", "a test"))
    reloaded, _ = load_component(tmp_path / "vocoder", "bigvgan")
    assert reloaded.config == CONFIGS["tiny"]
    torch.testing.assert_close(reloaded(mel), model(mel))


def test_half_a_weight_is_missing(tmp_path) -> None:
    state = published(tiny(), "weight_g")
    del state["conv_pre.weight_g"]
    torch.save({"generator": state}, tmp_path / "g.pt")
    with pytest.raises(CheckpointError, match=r"conv_pre\.weight"):
        load_official("bigvgan", tmp_path / "g.pt", ARGUMENTS)


def test_the_filter_is_scipys_kaiser_sinc() -> None:
    attenuation = scipy.signal.kaiser_atten(6, 4 * 0.3)
    taps = scipy.signal.firwin(12, 0.5, window=("kaiser", scipy.signal.kaiser_beta(attenuation)))
    torch.testing.assert_close(
        half_band_filter()[0, 0].double(), torch.from_numpy(taps), atol=1e-6, rtol=1e-5
    )


@torch.no_grad()
def test_changing_the_rate_twice_keeps_slow_waves() -> None:
    t = torch.arange(400, dtype=torch.float32)
    slow = torch.stack([torch.sin(0.1 * t), torch.cos(0.2 * t)])[None]
    doubled = Upsample()(slow)
    assert doubled.shape == (1, 2, 800)
    expected = torch.sin(0.1 * (torch.arange(800) - 0.5) / 2)
    assert (doubled[0, 0] - expected)[50:-50].abs().max() < 0.01
    back = Downsample()(doubled)
    assert back.shape == slow.shape
    assert (back - slow)[..., 20:-20].abs().max() < 0.02


@torch.no_grad()
def test_the_activation_folds_less_than_without_filters() -> None:
    """A tone near Nyquist: its second harmonic would fold to a low frequency."""
    t = torch.arange(4096, dtype=torch.float64)
    tone = torch.sin(2 * torch.pi * 0.4 * t)[None, None]
    filtered = Activation(1).double()(tone)
    naive = SnakeBeta(1).double()(tone)
    window = torch.hann_window(4096, dtype=torch.float64)
    folded = round((1 - 2 * 0.4) * 4096)
    levels = [torch.fft.rfft(y[0, 0] * window).abs()[folded] for y in (filtered, naive)]
    assert levels[0] < levels[1] / 2


def test_snake_against_its_formula() -> None:
    snake = SnakeBeta(2)
    snake.alpha.data, snake.beta.data = torch.tensor([0.3, -0.2]), torch.tensor([0.1, 0.5])
    x = torch.randn(1, 2, 7)
    expected = x + torch.sin(x * snake.alpha.exp()[:, None]) ** 2 / snake.beta.exp()[:, None]
    torch.testing.assert_close(snake(x), expected)


@torch.no_grad()
def test_shapes_channels_and_limits() -> None:
    model = tiny()
    mel = 3 * torch.randn(2, 2, 6, 5)
    stereo = per_channel(model, mel)[:, :, 0]
    assert stereo.shape == (2, 2, 5 * 8) and stereo.abs().max() <= 1
    torch.testing.assert_close(stereo[:, 1:], model(mel[:, 1]))
    clipped = tiny(tanh=False, final_bias=False)
    assert clipped.conv_post.bias is None and clipped(mel[:, 0]).abs().max() <= 1
    with pytest.raises(ValueError, match=r"\[B, 6, F\]"):
        model(mel)


@pytest.mark.parametrize(
    "change",
    [
        {"upsample_kernel_sizes": (8, 3)},
        {"upsample_initial_channel": 18},
        {"resblock_kernel_sizes": (3,)},
        {"resblock_kernel_sizes": (3, 4)},
    ],
)
def test_impossible_sizes_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        replace(CONFIGS["tiny"], **change)


def test_published_arguments() -> None:
    assert from_published({"name": "44k"}) == CONFIGS["44k"]
    plain = from_published({"use_tanh_at_final": False, "use_bias_at_final": False})
    assert plain == BigVganConfig(tanh=False, final_bias=False)
    with pytest.raises(ValueError, match="activation"):
        from_published({"activation": "snake"})


def test_the_demo_network_is_small() -> None:
    assert 2e5 < sum(p.numel() for p in BigVgan(CONFIGS["demo"]).parameters()) < 2e6
