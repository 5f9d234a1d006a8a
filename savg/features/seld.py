"""A stand-in for audio backbones that needs no download: what the bundled SELD network makes of sound.

It was trained to tell speech and instruments and where they are, on this project's own synthetic
scenes: its distances are no FAD, and are printed under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from savg.audio.resample import resample
from savg.clip import Clip
from savg.detectors.seld_features import LABEL_RATE, inference_windows
from savg.device import choose
from savg.errors import CheckpointError
from savg.features.base import Backbone
from savg.features.networks import load_network, network_folder
from savg.hub import part_folder
from savg.models.seld import Seld

__all__ = ["SeldBackbone"]

KIND = "seld"

WINDOWS_AT_ONCE = 32
"""Of a batch; each is of 1.28 s."""

POOLED = 4
"""Feature frames that the network makes one of."""


class SeldBackbone(Backbone):
    """Clips → activations [1, W, 2 · d_model] before the last layers, the means of about 1 s each.

    One view: the network hears left and right together, so that a swap of them, or a mono downmix,
    shows. The first half is of the activity branch, the second of the position branch.
    """

    name = KIND
    label = "SELD embedding"
    modality = "audio"

    def __init__(self, network: Seld, sha256: str) -> None:
        self.network = network.eval()
        # Windows begin evenly, so that none is heard twice.
        self.config = replace(network.config, even_windows=True)
        self.sha256 = sha256

    @classmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        where = str(choose(device, "float32").device)
        network, sha256 = load_network(KIND, _place(source), where)
        if not isinstance(network, Seld):
            raise CheckpointError(f"{source} must hold a SELD network.")
        return cls(network, sha256)

    @classmethod
    def missing(cls, source: str | None = None) -> str:
        _place(source)
        return ""

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {
            "backbone": "SELD network, before its last layers (a stand-in)",
            "sha256": self.sha256,
            "input": {
                "sample_rate": self.config.sampling_frequency,
                "resample": "polyphase filter",
                "views": "left and right together",
                "windows": "means of about 1 s",
            },
            "precision": "float32",
        }

    @torch.inference_mode()
    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        length = self.config.window_frames
        features, counts, frames = [], [], []
        for clip in clips:
            heard = inference_windows(torch.from_numpy(self._audio(clip)), self.config)
            features += [heard.features[:, :, s : s + length] for s in heard.starts]
            counts.append(len(heard.starts))
            frames.append(heard.frames * self.config.frame_rate // LABEL_RATE)
        embedded = self._embedded(features)
        results, first = [], 0
        for count, total in zip(counts, frames, strict=True):
            track = embedded[first : first + count].flatten(0, 1)
            track = track[: max(1, total // POOLED)]
            seconds = max(1, round(len(track) * POOLED / self.config.frame_rate))
            rows = [part.mean(0) for part in torch.tensor_split(track, seconds)]
            results.append(torch.stack(rows)[None].numpy())
            first += count
        return results

    def _audio(self, clip: Clip) -> NDArray[np.float32]:
        """Both channels [2, T] at the network's rate, at least one hop long."""
        rate = self.config.sampling_frequency
        audio = resample(clip.audio, clip.format.sample_rate, rate)
        missing = max(0, self.config.stft_hop_size - audio.shape[1])
        return np.ascontiguousarray(np.pad(audio, ((0, 0), (0, missing))), np.float32)

    def _embedded(self, windows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Activations [N, frames of a hop, 2 · d_model] of the middles of windows."""
        device = self.network.fc_sed_track1.weight.device
        before = (self.config.window_frames - self.config.hop_frames) // 2 // POOLED
        kept = slice(before, before + self.config.hop_frames // POOLED)
        parts = []
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            batch = torch.stack(list(windows[start : start + WINDOWS_AT_ONCE])).to(device)
            parts.append(torch.cat(self.network.embed(batch), dim=2)[:, kept].float().cpu())
        return torch.cat(parts)


def _place(source: str | None) -> str:
    """The component folder: of a source that has one, else the bundled one."""
    own = network_folder(KIND, source) if source is not None else None
    return str(own or part_folder("demo", "sounds"))
