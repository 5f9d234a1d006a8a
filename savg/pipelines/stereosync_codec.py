"""What StereoSync's latents are of: mel spectrograms of each channel by itself, or stereo by Oobleck.

Shapes: T samples of 2 channels (0 left), C channels of a latent, L latents, B clips, M mel bands, F mel
frames. Moments are means and deviations of latents [2, C, L]. Envelopes are of mono audio [T], so that
they do not tell a side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
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
from savg.models.mmaudio_lengths import MEL_HOPS, SequenceLengths
from savg.models.oobleck import Oobleck
from savg.models.stereo import per_channel, waveforms
from savg.models.stereosync import StereoSyncConfig
from savg.pipelines.stereosync_features import drawn_envelope, envelope_hops, envelope_of

Audio = NDArray[np.float32]

Level = Callable[[NDArray[np.float64]], NDArray[np.floating]]
"""Times in seconds → RMS levels of full scale."""


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
    layout: int
    """Number of how its features are computed, which changes when they do."""

    @abstractmethod
    def lengths(self, seconds: float | Fraction) -> tuple[int, int]:
        """Latents of a window, and the samples that they stand for. ValueError for too short a one."""

    @abstractmethod
    def encode(self, audio: Audio) -> Tensor:
        """Moments of audio [2, T] of whole latents."""

    @abstractmethod
    def envelope(self, mono: Audio, seconds: float | Fraction, channels: int) -> Audio:
        """The envelope [channels, L] of mono audio [T] as it enters the branch; T is cut, or followed
        by silence."""

    @abstractmethod
    def drawn(self, level: Level, start: float, seconds: float | Fraction, channels: int) -> Audio:
        """The envelope [channels, L] of levels of full scale; start: of the window, in seconds."""

    @abstractmethod
    def mel(self, latents: Tensor) -> Tensor:
        """Base-10 log mel spectrograms [B, 2, M, F] of latents [B, C, L]."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Audio [B, 2, T] of latents [B, C, L]."""

    @abstractmethod
    def problem(self, config: StereoSyncConfig, seconds: float) -> str:
        """Why windows of a network of this configuration are not of this codec; "" where they are."""

    def filled(self, audio: Audio, seconds: float | Fraction) -> Audio:
        """Audio [channels, T] cut, or followed by silence, to whole latents."""
        samples = self.lengths(seconds)[1]
        cut = audio[:, :samples]
        return np.pad(cut, ((0, 0), (0, samples - cut.shape[1])))

    def swapped(self, moments: NDArray[Any]) -> NDArray[Any]:
        """Moments of the audio with its channels swapped."""
        left, right = np.split(moments, 2, axis=1)
        return np.concatenate([right, left], axis=1)


class MelCodec(Codec):
    """Mel spectrograms of each channel by themselves; the envelope is the level at the latents' times.

    vocoder: makes waveforms of spectrograms, where there shall be any.
    """

    flips = normalised = True
    layout = 2

    def __init__(self, vae: MelVae, rate: int, vocoder: nn.Module | None = None) -> None:
        self.vae, self.rate, self.channels = vae, rate, 2 * vae.config.embed_dim
        self.vocoder = vocoder

    @cached_property
    def spectrogram(self) -> MelSpectrogram:
        """Of 16 kHz audio, with the VAE's bands."""
        assert isinstance(self.vae, MelVae)
        return MelSpectrogram(replace(MELS["16k"], num_mels=self.vae.config.data_dim))

    def lengths(self, seconds: float | Fraction) -> tuple[int, int]:
        lengths = SequenceLengths(seconds, self.rate)
        return lengths.latent, lengths.samples

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        assert isinstance(self.vae, MelVae)
        device = self.vae.data_mean.device
        spectrogram = self.spectrogram.to(device)
        posterior = self.vae.encode(spectrogram(torch.from_numpy(audio).to(device)))
        return torch.stack((posterior.mean, posterior.std)).flatten(1, 2)

    def envelope(self, mono: Audio, seconds: float | Fraction, channels: int) -> Audio:
        return envelope_of(mono, SequenceLengths(seconds, self.rate), channels)

    def drawn(self, level: Level, start: float, seconds: float | Fraction, channels: int) -> Audio:
        return drawn_envelope(level, start, SequenceLengths(seconds, self.rate), channels)

    def mel(self, latents: Tensor) -> Tensor:
        assert isinstance(self.vae, MelVae)
        return per_channel(self.vae.decode, latents.unflatten(1, (2, -1)))

    def decode(self, latents: Tensor) -> Tensor:
        assert self.vocoder is not None
        return waveforms(self.vocoder, self.mel(latents))

    def problem(self, config: StereoSyncConfig, seconds: float) -> str:
        if config.audio.latents != self.channels:
            return (
                f"network: the latent channels must be {self.channels}, twice the VAE's, got "
                f"{config.audio.latents}"
            )
        try:
            envelope_hops(SequenceLengths(seconds, self.rate), config.envelope)
        except ValueError as error:
            return f"sampler: {error}"
        return ""


class OobleckCodec(Codec):
    """Stereo waveforms; the envelope, as audio alike in both channels, goes through the VAE [S3]."""

    flips = normalised = False
    layout = 3

    def __init__(self, vae: Oobleck) -> None:
        self.vae, self.rate, self.channels = vae, vae.config.sample_rate, vae.config.latents
        self.hop = vae.config.hop

    @cached_property
    def spectrogram(self) -> MelSpectrogram:
        """For sheets, of 44.1 kHz audio."""
        return MelSpectrogram(MELS["44k"])

    def lengths(self, seconds: float | Fraction) -> tuple[int, int]:
        latents = ceil(Fraction(seconds) * self.rate / self.hop)
        return latents, latents * self.hop

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        assert isinstance(self.vae, Oobleck)
        device = next(self.vae.parameters()).device
        return torch.cat(self.vae.encode(torch.from_numpy(audio).to(device)[None]))

    def envelope(self, mono: Audio, seconds: float | Fraction, channels: int) -> Audio:
        return self._encoded(envelope_audio(self.filled(mono[None], seconds)))

    def drawn(self, level: Level, start: float, seconds: float | Fraction, channels: int) -> Audio:
        times = start + (np.arange(self.lengths(seconds)[1]) + 0.5) / self.rate
        return self._encoded(np.asarray(level(times)[None], np.float32))

    def _encoded(self, envelope: Audio) -> Audio:
        """Means [C, L] of an envelope [1, T] in both channels."""
        return self.encode(np.repeat(envelope, 2, axis=0))[0].cpu().numpy()

    def mel(self, latents: Tensor) -> Tensor:
        audio = self.decode(latents)
        return per_channel(self.spectrogram.to(audio.device), audio) / log(10)

    def decode(self, latents: Tensor) -> Tensor:
        assert isinstance(self.vae, Oobleck)
        return self.vae.decode(latents)

    def problem(self, config: StereoSyncConfig, seconds: float) -> str:
        for name, number in (
            ("latent channels", config.audio.latents),
            ("envelope's channels", config.envelope),
        ):
            if number != self.channels:
                return f"network: the {name} must be Oobleck's {self.channels}, got {number}"
        return ""


def envelope_audio(audio: Audio) -> Audio:
    """The RMS envelope of audio [channels, T], linear between the middles of its hops, as audio."""
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


def codec_with(vae: nn.Module, vocoder: nn.Module | None) -> Codec:
    """The codec that makes audio of latents; ValueError for networks that do not go together.

    vocoder: of a mel VAE's spectrograms, whose hop tells the sample rate; None with Oobleck.
    """
    if isinstance(vae, Oobleck):
        if vae.config.audio != 2 or vocoder is not None:
            raise ValueError(
                f"vae: Oobleck must have 2 audio channels and no vocoder, got {vae.config.audio}"
                f"{' and a vocoder' * (vocoder is not None)}"
            )
        return OobleckCodec(vae)
    assert isinstance(vae, MelVae)
    if vocoder is None:
        raise ValueError("vocoder: a mel VAE must come with one, got none")
    config: Any = vocoder.config
    rates = [rate for rate, hop in MEL_HOPS.items() if hop == config.hop]
    if not rates or config.num_mels != vae.config.data_dim:
        raise ValueError(
            f"vocoder: it must have the VAE's {vae.config.data_dim} bands and a hop of "
            f"{' or '.join(map(str, MEL_HOPS.values()))} samples, got {config.num_mels} bands"
        )
    return MelCodec(vae, rates[0], vocoder)
