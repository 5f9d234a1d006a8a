"""Mel spectrograms and the mel VAE, against the published code's own outputs and other libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from savg.hub import Card, load_component, load_official, save_component
from savg.models import mel_vae
from savg.models.mel import CONFIGS as MEL_CONFIGS
from savg.models.mel import MelConfig, MelSpectrogram
from savg.models.mel_vae import CONFIGS, MelVae, MelVaeConfig, Posterior, from_published
from savg.models.stereo import join_latents, per_channel, split_latents, to_stereo
from tests.goldens import Case, case


def test_the_published_mel_spectrogram() -> None:
    golden = case("mmaudio_mel_16k")
    transform = MelSpectrogram(MelConfig(**golden.meta["constructor"]))
    assert transform.config == MEL_CONFIGS["16k"]
    waveform = torch.from_numpy(golden["in__waveform"])
    golden.check("mel_basis", transform.mel_basis)
    golden.check("hann_window", transform.hann_window)
    golden.check("mel", transform(waveform))
    torch.testing.assert_close(transform(waveform[:, None])[:, 0], transform(waveform))


@pytest.mark.parametrize("name", ["16k", "44k"])
def test_a_tone_lies_in_its_band_at_its_level(name: str) -> None:
    c = MEL_CONFIGS[name]
    transform = MelSpectrogram(c)
    log = {"log10": np.log10, "log": np.log}[c.norm_fn]
    t = torch.arange(c.sampling_rate) / c.sampling_rate
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * t)
    mel = transform(tone)
    assert mel.shape == (c.num_mels, c.sampling_rate // c.hop_size)
    middle = mel[:, mel.shape[1] // 2]
    band = int(transform.mel_basis[:, round(1000 / c.sampling_rate * c.n_fft)].argmax())
    assert abs(int(middle.argmax()) - band) <= 1
    louder = transform(2 * tone)[:, mel.shape[1] // 2]
    assert float((louder - middle)[band]) == pytest.approx(log(2), abs=1e-3)
    assert float(transform(torch.zeros(2 * c.n_fft)).max()) <= log(2e-5)


def test_audio_beyond_full_scale_is_clipped() -> None:
    transform = MelSpectrogram(MEL_CONFIGS["16k"])
    loud = 4 * torch.randn(2, 4096)
    torch.testing.assert_close(transform(loud), transform(loud.clamp(-1, 1)))


@pytest.mark.parametrize(
    "change", [{"norm_fn": "ln"}, {"fmax": 9000}, {"hop_size": 2000}, {"win_size": 2048}]
)
def test_impossible_spectrograms_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        MelConfig(**change)
    with pytest.raises(ValueError, match="1024 samples"):
        MelSpectrogram(MelConfig())(torch.zeros(1000))


@pytest.fixture(scope="module")
def golden() -> Case:
    return case("mmaudio_vae_16k")


@pytest.fixture(scope="module")
def vae(golden: Case) -> MelVae:
    with torch.device("meta"):
        model = MelVae(from_published(golden.meta["constructor"]))
    statistics = {
        name: torch.from_numpy(golden[f"out__{name}"]) for name in ("data_mean", "data_std")
    }
    model.load_state_dict({**golden.state, **statistics}, assign=True)
    return model.eval()


def test_the_vae_has_the_published_parameters(golden: Case, vae: MelVae) -> None:
    shapes = [[key, list(value.shape)] for key, value in vae.state_dict().items()]
    assert sorted(shapes) == sorted(golden.meta["state_dict"])
    assert sum(p.numel() for p in vae.parameters()) == golden.meta["n_parameters"]
    assert vae.config == CONFIGS["full"] == from_published(None)


@torch.no_grad()
def test_published_parts_of_the_vae(golden: Case, vae: MelVae) -> None:
    x = golden.input("block_x")
    golden.check("resnet_384_to_768", vae.encoder.down[1].block[0](x))
    golden.check("attn_mid", vae.encoder.mid.attn_1(golden.input("attn_x")))
    golden.check("downsample", vae.encoder.down[0].downsample(x))
    golden.check("upsample", vae.decoder.up[1].upsample(golden.input("up_x")))
    golden.check("decoder_conv_in_weight_after_removal", vae.decoder.conv_in.kernel())


@torch.no_grad()
def test_published_encoder_and_decoder(golden: Case, vae: MelVae) -> None:
    mel = golden.input("mel") - 1.8
    posterior = vae.encode(mel)
    golden.check("encoder_moments", vae.encoder((mel - vae.data_mean) / vae.data_std))
    golden.check("encoder_moments_unnormalized_input", vae.encoder(mel))
    golden.check("posterior_mean", posterior.mean)
    golden.check("posterior_std", posterior.std)
    golden.check("posterior_kl", posterior.kl(as_published=True))
    decoded = vae.decode(golden.input("z"))
    golden.check("decoded_mel", decoded)
    golden.check("decoded_mel_before_unnormalize", (decoded - vae.data_mean) / vae.data_std)


def test_divergence_against_torch() -> None:
    posterior = Posterior(torch.randn(2, 3, 4), torch.randn(2, 3, 4))
    normal = torch.distributions.Normal(posterior.mean, posterior.std)
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(posterior.kl(), expected)


def test_drawing_latents() -> None:
    posterior = Posterior(torch.full((1, 1, 50_000), 2.0), torch.full((1, 1, 50_000), -2.0))
    drawn = posterior.sample(torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(2, abs=0.01)
    assert float(drawn.std()) == pytest.approx(np.exp(-1), rel=0.02)
    torch.testing.assert_close(drawn, posterior.sample(torch.Generator().manual_seed(0)))


def tiny(seed: int = 0) -> MelVae:
    torch.manual_seed(seed)
    return MelVae(CONFIGS["tiny"]).eval()


@torch.no_grad()
def test_lengths_and_the_scale_of_kernels() -> None:
    model = tiny()
    mel = torch.randn(2, 6, 11)
    posterior = model.encode(mel)
    assert posterior.mean.shape == (2, 2, 5) == (2, 2, 11 // model.config.frames_per_latent)
    assert model.decode(posterior.mean).shape == (2, 6, 10)
    before = model.decode(posterior.mean)
    for module in model.modules():
        if isinstance(module, mel_vae.Conv):
            module.weight *= 7
    torch.testing.assert_close(model.decode(posterior.mean), before, atol=5e-3, rtol=0)


@torch.no_grad()
def test_layers_keep_the_magnitude_of_normal_input() -> None:
    torch.manual_seed(0)
    model = MelVae(replace(CONFIGS["tiny"], hidden_dim=32, data_dim=80))
    x = torch.randn(4, 80, 200)
    layers: list[Callable[[Tensor], Tensor]] = [model.encoder.conv_in, mel_vae.silu]
    for layer in layers:
        assert float(layer(x).square().mean()) == pytest.approx(1, abs=0.1)
    blended = mel_vae.blend(x, torch.randn_like(x))
    assert float(blended.square().mean()) == pytest.approx(1, abs=0.05)


def test_a_few_steps_reduce_the_loss() -> None:
    model = tiny()
    mel = torch.randn(4, 6, 8)
    optimizer = torch.optim.Adam(model.parameters(), 3e-2)
    losses = []
    for _ in range(40):
        decoded, posterior = model(mel)
        loss = (decoded - mel).square().mean() + 1e-4 * posterior.kl().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_published_arguments() -> None:
    assert from_published({"name": "44k"}).data_dim == 128
    assert from_published({"ch_mult": [1, 2], "attn_layers": [3]}).widths == (384, 768)
    with pytest.raises(ValueError, match="attn_layers"):
        from_published({"attn_layers": [1]})


@pytest.mark.parametrize(
    "change", [{"data_dim": 0}, {"ch_mult": ()}, {"down_layers": (2,)}, {"kernel_size": 4}]
)
def test_impossible_sizes_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        MelVaeConfig(**change)


def test_files_and_folders(tmp_path) -> None:
    source = tiny()
    source.data_mean += 1
    torch.save(source.state_dict(), tmp_path / "v1-16.pth")
    arguments = {"data_dim": 6, "embed_dim": 2, "hidden_dim": 8, "num_res_blocks": 1}
    model = load_official("mel_vae", tmp_path / "v1-16.pth", arguments)
    mel = torch.randn(1, 6, 8)
    torch.testing.assert_close(model.encode(mel).mean, source.encode(mel).mean)
    save_component(model, tmp_path / "vae", "mel_vae", Card("MIT", "a test"))
    reloaded, _ = load_component(tmp_path / "vae", "mel_vae")
    assert reloaded.config == CONFIGS["tiny"]
    torch.testing.assert_close(reloaded.data_mean, source.data_mean)


def test_the_demo_network_is_small() -> None:
    assert 3e5 < sum(p.numel() for p in MelVae(CONFIGS["demo"]).parameters()) < 1e6


@torch.no_grad()
def test_stereo_is_each_channel_by_itself() -> None:
    model = tiny()
    mel = torch.randn(3, 2, 6, 8)
    latents = per_channel(lambda x: model.encode(x).mean, mel)
    assert latents.shape == (3, 2, 2, 4)
    for channel in range(2):
        expected = model.encode(mel[:, channel]).mean
        torch.testing.assert_close(latents[:, channel], expected)
    joined = join_latents(latents)
    assert joined.shape == (3, 4, 4)
    torch.testing.assert_close(joined[:, :, :2], latents[:, 0].transpose(1, 2))
    torch.testing.assert_close(split_latents(joined), latents)
    with pytest.raises(ValueError, match="divisible by 2, got 5"):
        split_latents(torch.zeros(1, 4, 5))
    assert torch.equal(to_stereo(mel[:, :1, 0]), mel[:, [0, 0], 0])


@pytest.mark.parametrize("decibels", [-6.0, 6.0])
def test_level_differences_survive_the_mel(decibels: float) -> None:
    transform = MelSpectrogram(MEL_CONFIGS["16k"])
    audio = 0.1 * torch.randn(1, 1, 16_000)
    pair = torch.cat([audio * 10 ** (decibels / 20), audio], dim=1)
    left, right = transform(pair)[0]
    assert float((left - right).mean() * 20) == pytest.approx(decibels, abs=1e-3)
