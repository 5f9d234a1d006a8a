"""AudioCLIP's audio branch, against the published code's own outputs and closed forms."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from torch import Tensor

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.audioclip import (
    CONFIGS,
    AudioClip,
    AudioClipConfig,
    batch_statistics,
    from_published,
)
from savg.models.audioclip_spectrum import BandPassBank, decibels, frames, published_scale
from tests.goldens import Case, case

ARGUMENTS = {
    "n_fft": 256,
    "hop_length": 120,
    "win_length": 200,
    "num_classes": 8,
    "width": 8,
    "layers": [1, 1, 1, 1],
    "groups": 2,
    "width_per_group": 32,
}


@pytest.fixture(scope="module")
def published() -> Case:
    return case("audioclip_audio")


def published_state(published: Case) -> dict[str, Tensor]:
    """The case's weights, with the replacements that its `overrides` tell in words."""
    state = dict(published.state)
    state["window"] = AudioClip(CONFIGS["full"]).window
    state["fbsp.m"] = state["fbsp.m"].abs()
    state["fbsp.fb"] = 1 + state["fbsp.fb"]
    state["fbsp.fc"] = torch.arange(1025) + state["fbsp.fc"]
    return state


@pytest.fixture(scope="module")
def network(published: Case, tmp_path_factory: pytest.TempPathFactory) -> AudioClip:
    """From a file of the whole AudioCLIP, as it is published."""
    whole = {f"audio.{key}": value for key, value in published_state(published).items()}
    whole |= {"logit_scale_ai": torch.tensor(4.6), "visual.conv1.weight": torch.zeros(2, 3, 3, 3)}
    path = tmp_path_factory.mktemp("audioclip") / "AudioCLIP-Full-Training.pt"
    torch.save(whole, path)
    model = load_official("audioclip", path, published.meta["constructor"])
    assert isinstance(model, AudioClip) and not model.training
    return model


@pytest.fixture(scope="module")
def audio(published: Case) -> Tensor:
    spec = published.meta["input"]
    noise = golden.tensor(spec["golden"], tuple(spec["shape"]), spec["scale"]).clip(-1, 1)
    swell = np.abs(np.sin(np.arange(noise.shape[-1]) / 4000))
    return torch.from_numpy((noise * swell).astype(np.float32))


def test_the_published_parameters(published: Case, network: AudioClip) -> None:
    shapes = [[key, list(value.shape)] for key, value in network.state_dict().items()]
    assert len(published.meta["keys"]) == 370
    assert sorted(shapes) == sorted(published.meta["keys"])
    assert sum(p.numel() for p in network.parameters()) == published.meta["params"]
    assert network.config == CONFIGS["full"] == from_published(None)
    assert from_published({"embed_dim": 512}).num_classes == 512


@torch.inference_mode()
def test_published_images(published: Case, network: AudioClip, audio: Tensor) -> None:
    scaled = published_scale(audio)
    stats = [scaled.mean(), scaled.std(), scaled.min(), scaled.max()]
    np.testing.assert_allclose(stats, published.meta["scaled_input_stats"], rtol=1e-5)
    images = torch.stack([network.image(channel) for channel in scaled.unbind(1)], 1)
    assert list(images.shape) == published.meta["db_shape"]
    tolerance = published.meta["tolerance"]["db"]["atol"]
    expected = torch.from_numpy(published["db_slice"])
    torch.testing.assert_close(images.reshape(-1)[::145], expected, atol=tolerance, rtol=0)


@torch.inference_mode()
def test_published_embeddings(published: Case, network: AudioClip, audio: Tensor) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    outputs = {"embedding_eval": network(audio)}
    with batch_statistics(network):
        outputs["embedding_train"] = network(audio)
    for name, output in outputs.items():
        tolerance = published.meta["tolerance"][name]["atol"]
        expected = torch.from_numpy(published[name])
        torch.testing.assert_close(output, expected, atol=tolerance, rtol=0)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def tiny() -> AudioClip:
    torch.manual_seed(0)
    model = AudioClip(CONFIGS["tiny"]).eval()
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif "bn" in name and value.is_floating_point():
            value.normal_(0.5, 0.3)
    return model


@torch.no_grad()
def test_training_mode_is_batch_statistics() -> None:
    model, audio = tiny(), torch.randn(3, 2, 900)
    with batch_statistics(model):
        expected = model(audio)
    assert not any(module.training for module in model.modules())
    torch.testing.assert_close(model.train()(audio), expected)
    assert not torch.allclose(model.eval()(audio), expected, atol=1e-3)


@torch.no_grad()
def test_clips_are_independent_and_channels_are_added() -> None:
    model, audio = tiny(), torch.rand(3, 2, 900) - 0.5
    together = model.embed(audio)
    for index in range(3):
        torch.testing.assert_close(model.embed(audio[index : index + 1])[0], together[index])
    alone = model.embed(audio[:, :1]) + model.embed(audio[:, 1:])
    torch.testing.assert_close(alone, together + model.fc.bias)
    assert torch.equal(model.embed(audio.flip(1)), together)  # a swap of channels is not heard
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@torch.no_grad()
def test_integers_of_16_bits_are_the_waveform() -> None:
    model, waveform = tiny(), torch.rand(1, 1, 600) - 0.5
    integers = waveform * 32767.5 - 0.5
    torch.testing.assert_close(model(integers), model.embed(waveform), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("samples", [1, 50, 199, 200, 201, 320, 321, 1000])
def test_frames_against_a_plain_loop(samples: int) -> None:
    length, hop, size = 200, 120, 257
    signal, window = torch.randn(2, samples), torch.rand(length)
    cut = frames(signal, window, hop, size)
    count = 1 if samples <= length else 1 + -(-(samples - length) // hop)
    missing = (count - 1) * hop + length - samples
    assert cut.shape == (2, count, size)
    for place in range(count):
        expected = torch.zeros(2, size)
        for k in range(length):
            at = place * hop + k - missing // 2
            if 0 <= at < samples:
                expected[:, 28 + k] = signal[:, at] * window[k]
        torch.testing.assert_close(cut[:, place], expected, rtol=0, atol=0)


@torch.no_grad()
def test_filters_against_complex_powers() -> None:
    bank = BandPassBank(40).double()
    bank.m.copy_(torch.linspace(0.5, 3, 40))
    bank.fb.copy_(torch.linspace(0.5, 9, 40))
    bank.fc.copy_(torch.arange(40) + torch.linspace(-0.4, 0.4, 40))
    t = np.pi * np.linspace(-1, 1, 64) + 1e-8
    m, fb, fc = (value.numpy()[:, None] for value in (bank.m, bank.fb, bank.fc))
    sinc = np.sinc(fb * t / (m + 1e-8) / np.pi).astype(np.complex128)
    filters = np.sqrt(fb) * sinc**m * np.exp(-1j * fc * t) / 8
    real, imaginary = (part.double().numpy() for part in bank.filters(64, 40))
    np.testing.assert_allclose(real + 1j * imaginary, filters, atol=2e-5)  # times are float32
    x = np.random.default_rng(0).normal(size=(2, 5, 64))
    expected = np.abs(x @ filters.T) ** 2
    power = bank.double()(torch.from_numpy(x))
    np.testing.assert_allclose(power.numpy(), expected.swapaxes(1, 2), atol=2e-3)


@torch.no_grad()
def test_new_filters_are_a_transform_and_silence_has_a_floor() -> None:
    bank, x = BandPassBank(9), torch.randn(1, 1, 16)
    angle = torch.linspace(-torch.pi, torch.pi, 16)
    expected = torch.stack([(x[0, 0] * torch.exp(-1j * k * angle)).sum().abs() ** 2 / 16
                            for k in range(9)])  # fmt: skip
    torch.testing.assert_close(bank(x)[0, :, 0], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bank(x, bins=4), bank(x)[:, :4])
    assert decibels(torch.tensor([0.0, 1.0, 100.0])).tolist() == pytest.approx([-180, 0, 20])
    quiet = tiny().image(torch.zeros(1, 500))
    assert quiet.shape == (1, 3, 43, 4) and (quiet == -180).all()


def test_training_reaches_every_parameter() -> None:
    model = tiny().train()
    with torch.no_grad():
        model.fbsp.m += 1.0
    model(torch.randn(4, 2, 900)).square().mean().backward()
    used = [name for name, p in model.named_parameters() if p.grad is None]
    assert used == ["fbsp.bias"]


@pytest.mark.parametrize("shape", [(2, 900), (1, 2, 0), (0, 1, 900), (1, 0, 900)])
def test_wrong_audio_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[B, C, T\]"):
        tiny()(torch.zeros(shape))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="win_length must be ≤ n_fft 256, got 300"):
        AudioClipConfig(n_fft=256, win_length=300)
    for name, value in {"spec_height": 224, "window": "hann", "apply_attention": False}.items():
        with pytest.raises(ValueError, match=f"{name} must be"):
            from_published({name: value})


def test_files_and_folders(tmp_path) -> None:
    source, waveform = tiny(), torch.rand(1, 1, 500) - 0.5
    path = tmp_path / "audio.pt"
    torch.save({"state_dict": source.state_dict()}, path)
    model = load_official("audioclip", path, ARGUMENTS)
    assert model.config == CONFIGS["tiny"]
    torch.testing.assert_close(model.embed(waveform), source.embed(waveform))
    save_component(model, tmp_path / "audioclip", "audioclip", Card("MIT", "a test"))
    again, _ = load_component(tmp_path / "audioclip", "audioclip")
    torch.testing.assert_close(again.embed(waveform), source.embed(waveform))
    with pytest.raises(CheckpointError, match=r"audioclip.*audio\.pt.*layer1\.1"):
        load_official("audioclip", path)
    torch.save({f"audio.{k}": v for k, v in source.state_dict().items() if k != "fc.bias"}, path)
    with pytest.raises(CheckpointError, match=r"missing.*fc\.bias"):
        load_official("audioclip", path, ARGUMENTS)
