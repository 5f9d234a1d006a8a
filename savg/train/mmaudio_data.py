"""What the second stage is trained on: clips with what frozen networks see and hear of them, computed
once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram
from savg.models.mel_vae import MelVae
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.visual_flow import VisualInputs
from savg.pipelines.visual_features import VisualFeatures
from savg.train.clip_set import ClipSet
from savg.train.feature_maps import Row
from savg.video import Video


@dataclass(frozen=True, eq=False)
class LatentSet:
    """Clips, with maps of their features by frozen networks, by name.

    moments [clips, 2 channels, 2 (mean, deviation), C, L] of the VAE `vae`; clip and sync
    [clips, 2 (plain, mirrored), …], where the network is conditioned on them.
    """

    clips: ClipSet
    maps: dict[str, NDArray[Any]]
    vae: MelVae

    def __len__(self) -> int:
        return len(self.clips)


@torch.inference_mode()
def latent_rows(clips: ClipSet, vae: MelVae, lengths: SequenceLengths) -> Iterator[Row]:
    """Moments [2 channels, 2, C, L] of each clip; its audio is padded with silence to whole latents."""
    device = vae.data_mean.device
    mel = MelSpectrogram(replace(MELS["16k"], num_mels=vae.config.data_dim)).to(device)
    for index in range(len(clips)):
        audio = torch.from_numpy(clips.audio(index)).to(device)[:, : lengths.samples]
        audio = nn.functional.pad(audio, (0, lengths.samples - audio.shape[1]))
        posterior = vae.encode(mel(audio))
        moments = torch.stack((posterior.mean, posterior.std), dim=1)
        yield {"moments": moments.float().cpu().numpy()}


def visual_rows(
    clips: ClipSet, visual: VisualFeatures, lengths: SequenceLengths, fps: Fraction
) -> Iterator[Row]:
    """Features [2, …] of each clip, plain and mirrored, as float16."""
    for index in range(len(clips)):
        video = Video(clips.video(index), fps)
        pair = VisualInputs.stack([visual(v, 0, lengths) for v in (video, video.mirrored())])
        assert pair.clip is not None and pair.sync is not None
        yield {
            "clip": pair.clip.half().cpu().numpy(),
            "sync": pair.sync.half().cpu().numpy(),
        }


def stored_inputs(data: LatentSet, index: int, mirrored: bool) -> VisualInputs:
    """A clip's features from the maps."""
    clip, sync = (
        torch.from_numpy(np.array(data.maps[name][index, int(mirrored)]))[None].float()
        for name in ("clip", "sync")
    )
    return VisualInputs(clip=clip, sync=sync)
