"""What StereoSync's latents are of: the mel VAE, each channel by itself, or Oobleck, of both.

Shapes: T samples of 2 channels (0 left), C channels of a latent, L latents, B clips, M mel bands, F mel
frames. Moments are means and deviations of latents [2, C, L].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from fractions import Fraction
from math import ceil, log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.audio.envelope import rms_envelope
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram
from savg.models.mel_vae import MelVae
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.oobleck import Oobleck
from savg.models.stereo import per_channel
from savg.pipelines.stereosync_features import envelope_of, mono

Audio = NDArray[np.float32]


class Codec(ABC):
    """A frozen VAE, and what of audio goes with its latents."""

    vae: nn.Module
    rate: int
    """Of the audio, in Hz."""
    channels: int
    """Of a latent."""
    flips: bool
    """Whether the moments of audio with its channels swapped are those of the audio, rearranged."""
    normalised: bool
    """Whether a transformer takes latents of mean 0 and deviation 1."""

    @abstractmethod
    def lengths(self, seconds: Fraction) -> tuple[int, int]:
        """Latents of a window, and the samples that they stand for."""

    @abstractmethod
    def encode(self, audio: Audio) -> Tensor:
        """Moments of audio [2, T] of whole latents."""

    @abstractmethod
    def envelope(self, audio: Audio, seconds: Fraction, channels: int) -> Audio:
        """The envelope [channels, L] of audio [2, T] as it enters the branch."""

    @abstractmethod
    def mel(self, latents: Tensor) -> Tensor:
        """Base-10 log mel spectrograms [B, 2, M, F] of latents [B, C, L]."""

    def filled(self, audio: Audio, seconds: Fraction) -> Audio:
        """Audio [2, T] cut, or followed by silence, to whole latents."""
        samples = self.lengths(seconds)[1]
        cut = audio[:, :samples]
        return np.pad(cut, ((0, 0), (0, samples - cut.shape[1])))

    def swapped(self, moments: NDArray[Any]) -> NDArray[Any]:
        """Moments of the audio with its channels swapped."""
        left, right = np.split(moments, 2, axis=1)
        return np.concatenate([right, left], axis=1)


class MelCodec(Codec):
    """Mel spectrograms of each channel by themselves; the envelope is the level of the mono mix."""

    flips = normalised = True

    def __init__(self, vae: MelVae, rate: int) -> None:
        self.vae, self.rate, self.channels = vae, rate, 2 * vae.config.embed_dim
        self.spectrogram = MelSpectrogram(replace(MELS["16k"], num_mels=vae.config.data_dim))

    def lengths(self, seconds: Fraction) -> tuple[int, int]:
        lengths = SequenceLengths(seconds, self.rate)
        return lengths.latent, lengths.samples

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        assert isinstance(self.vae, MelVae)
        device = self.vae.data_mean.device
        spectrogram = self.spectrogram.to(device)
        posterior = self.vae.encode(spectrogram(torch.from_numpy(audio).to(device)))
        return torch.stack((posterior.mean, posterior.std)).flatten(1, 2)

    def envelope(self, audio: Audio, seconds: Fraction, channels: int) -> Audio:
        return envelope_of(mono(audio), SequenceLengths(seconds, self.rate), channels)

    def mel(self, latents: Tensor) -> Tensor:
        assert isinstance(self.vae, MelVae)
        return per_channel(self.vae.decode, latents.unflatten(1, (2, -1)))


class OobleckCodec(Codec):
    """Stereo waveforms; the envelope is encoded as audio, as published."""

    flips = normalised = False

    def __init__(self, vae: Oobleck) -> None:
        self.vae, self.rate, self.channels = vae, vae.config.sample_rate, vae.config.latents
        self.hop = vae.config.hop
        self.spectrogram = MelSpectrogram(MELS["44k"])

    def lengths(self, seconds: Fraction) -> tuple[int, int]:
        latents = ceil(seconds * self.rate / self.hop)
        return latents, latents * self.hop

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        assert isinstance(self.vae, Oobleck)
        device = next(self.vae.parameters()).device
        return torch.cat(self.vae.encode(torch.from_numpy(audio).to(device)[None]))

    def envelope(self, audio: Audio, seconds: Fraction, channels: int) -> Audio:
        return self.encode(envelope_audio(self.filled(audio, seconds)))[0].cpu().numpy()

    def mel(self, latents: Tensor) -> Tensor:
        assert isinstance(self.vae, Oobleck)
        audio = self.vae.decode(latents)
        return per_channel(self.spectrogram.to(audio.device), audio) / log(10)


def envelope_audio(audio: Audio) -> Audio:
    """The RMS envelope of audio [2, T], linear between the middles of its hops, as audio [2, T]."""
    envelope = rms_envelope(audio)
    samples, frames = audio.shape[1], envelope.shape[1]
    places = (np.arange(samples) + 0.5) / samples * frames - 0.5
    rows = [np.interp(places, np.arange(frames), row) for row in envelope]
    return np.stack(rows).astype(np.float32)


def codec_of(vae: nn.Module, rate: int) -> Codec:
    """The codec of a VAE; rate: of a mel VAE's audio, in Hz."""
    if isinstance(vae, Oobleck):
        return OobleckCodec(vae)
    assert isinstance(vae, MelVae)
    return MelCodec(vae, rate)
