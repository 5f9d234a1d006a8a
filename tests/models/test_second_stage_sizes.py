"""The parts of the second stage fit together: channels, rates and lengths, from audio to audio."""

from __future__ import annotations

import pytest
import torch

from savg.models import bigvgan, frame_encoder, mel, mel_vae, mmaudio, synchformer
from savg.models.mmaudio_lengths import MEL_FRAMES_PER_LATENT, MEL_HOPS, SEGMENT_FEATURES
from savg.models.stereo import join_latents, per_channel, split_latents


@pytest.mark.parametrize(
    ("flow", "family", "channels"),
    [("full", "full", 2), ("demo", "demo", 2), ("small_16k", "16k", 1), ("large_44k_v2", "44k", 1)],
)
def test_configurations_fit(flow: str, family: str, channels: int) -> None:
    network, vae = mmaudio.CONFIGS[flow], mel_vae.CONFIGS[family]
    vocoder = bigvgan.CONFIGS[family]
    spectrogram = mel.CONFIGS["44k" if family == "44k" else "16k"]
    assert network.latent_dim == channels * vae.embed_dim
    assert network.sample_rate == spectrogram.sampling_rate
    assert vae.data_dim == vocoder.num_mels == spectrogram.num_mels
    assert vocoder.hop == spectrogram.hop_size == MEL_HOPS[network.sample_rate]
    assert vae.frames_per_latent == MEL_FRAMES_PER_LATENT
    if flow == "demo":  # it has an encoder of its own
        tokens = frame_encoder.CONFIGS["demo"]
        assert (network.clip_dim, network.sync_dim) == (tokens.clip_dim, tokens.sync_dim)
        return
    encoder = synchformer.CONFIGS["full"]
    assert network.sync_dim == encoder.embed_dim and encoder.times == SEGMENT_FEATURES


@torch.no_grad()
def test_from_stereo_audio_to_stereo_audio() -> None:
    torch.manual_seed(0)
    flow = mmaudio.MMAudio(mmaudio.CONFIGS["demo"]).eval()
    vae = mel_vae.MelVae(mel_vae.CONFIGS["demo"]).eval()
    vocoder = bigvgan.BigVgan(bigvgan.CONFIGS["demo"]).eval()
    lengths = flow.config.lengths(1.0)
    audio = 0.1 * torch.randn(2, 2, lengths.samples)
    spectrograms = mel.MelSpectrogram(mel.CONFIGS["16k"])(audio)
    assert spectrograms.shape == (2, 2, 80, lengths.mel)
    latents = per_channel(lambda x: vae.encode(x).mean, spectrograms)
    joined = flow.normalize(join_latents(latents))
    assert joined.shape == (2, lengths.latent, flow.config.latent_dim)
    conditions = flow.empty_conditions(lengths, 2)
    assert flow(joined, torch.zeros(2), conditions).shape == joined.shape
    decoded = per_channel(vae.decode, split_latents(flow.unnormalize(joined)))
    assert decoded.shape == spectrograms.shape
    waveform = per_channel(vocoder, decoded)[:, :, 0]
    assert waveform.shape == audio.shape
