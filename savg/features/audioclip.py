"""The backbone of the published Fréchet audio distance: AudioCLIP's audio embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.clip import Clip
from savg.device import Compute
from savg.features.imported import ImportedBackbone
from savg.features.signals import describe, views_at, windows
from savg.models.audioclip import AudioClip, batch_statistics
from savg.models.audioclip_fast import FastAudioClip

__all__ = ["AudioClipBackbone", "official_embeddings"]

MOST_SECONDS = 10
"""Longer clips are heard in windows of this length, which bounds the memory."""

SAMPLES_AT_ONCE = 16 * 5 * 44_100
"""Of a batch: 16 signals of 5 s take 1.5 GB."""


def official_embeddings(network: nn.Module, audio: Tensor) -> Tensor:
    """Embeddings [B, 1024] of audio [B, 2, T] at 44.1 kHz as the published evaluator has them [code].

    float32; batch normalisation takes the statistics of this very batch, so that a clip's embedding
    depends on the others; samples in −1..1 go in as they are, though the network expects integers of
    16 bits; the features of the channels are added, so that a swap of them changes nothing. The
    network itself stays as it is.

    Raises:
        ValueError: another network, number format or shape, or fewer than two clips, of which the
            published network cannot take statistics.
    """
    if not isinstance(network, AudioClip):
        raise ValueError(f"the network must be AudioCLIP's, got {type(network).__name__}")
    if audio.ndim != 3 or len(audio) < 2:
        raise ValueError(f"audio must be [B, C, T] of ≥ 2 clips, got {list(audio.shape)}")
    weight = network.fc.weight
    if weight.dtype != torch.float32:
        raise ValueError(f"the network must be float32, got {weight.dtype}")
    with batch_statistics(network):
        return network(audio.to(weight))


class AudioClipBackbone(ImportedBackbone[AudioClip]):
    """Clips → embeddings [4, W, 1024], a row for a clip of up to 10 s.

    Unlike the published evaluator: evaluation mode; each view is a mono signal; the network hears the
    waveform in −1..1 as it was trained to (the published mapping gives this for integers of 16 bits);
    clips whole. It hears decibels without a floor: exact silence is −180 dB, and above half a clip's
    own rate there is the rounding of resampling, so that sets must be read at one rate.
    """

    name = "audioclip"
    network_class = AudioClip
    label = "AudioCLIP"
    modality = "audio"

    dtype = "float32"

    def __init__(self, network: AudioClip, sha256: str, compute: Compute) -> None:
        self.device = compute.device
        self.network: AudioClip | FastAudioClip = FastAudioClip(network).to(self.device)
        self.sha256 = sha256

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {
            "backbone": "AudioCLIP audio branch (ESResNeXt-fbsp)",
            "sha256": self.sha256,
            "input": {
                "sample_rate": self.network.config.sample_rate,
                "resample": "polyphase filter",
                "scale": "waveform in −1..1",
                "views": "each a mono signal",
                "long": f"clips of more than {MOST_SECONDS} s in windows of {MOST_SECONDS} s",
            },
            "precision": "float32",
            "batch_statistics": False,
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        rate = self.network.config.sample_rate
        heard = [windows(views_at(clip, rate), MOST_SECONDS * rate) for clip in clips]
        return describe(heard, self._embeddings, self.device, SAMPLES_AT_ONCE)

    def _embeddings(self, signals: Tensor) -> Tensor:
        return self.network.embed(signals[:, None])
