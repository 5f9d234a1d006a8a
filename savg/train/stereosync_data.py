"""Features of StereoSync's training clips, computed once: latents, boxes, envelope, what sounds.

The person who is followed is the one whom the labels place the sound at, or without labels the one
seen longest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.detectors.tracking import Track, choose_person, persons, track
from savg.format import ClipFormat
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram
from savg.models.mel_vae import MelVae
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.stereosync import StereoSyncConfig
from savg.pipelines.stereosync_features import SoundEmbedding, boxes_of, envelope_of, mono
from savg.train.clip_set import ClipSet
from savg.train.feature_maps import Row

Map = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SteeredSet:
    """Clips with maps of their features by name: moments [clips, 2 channels, 2, C, L] of the VAE,
    boxes [clips, F, 4] (−1: none), envelope [clips, channels, L], audio [clips, ·] (zeros: none)."""

    clips: ClipSet
    maps: dict[str, Map]
    vae: MelVae

    def __len__(self) -> int:
        return len(self.clips)


def followed(boxes: Boxes, labels: ClipLabels, format: ClipFormat) -> Track | None:
    """The person whom the labels place the sound at, else the one seen longest; None for nobody."""
    people = persons(track(boxes, format.fps))
    if not people:
        return None
    if not len(labels):
        return choose_person(people)
    frames = labels.frames / format.label_fps * format.fps

    def distance(person: Track) -> float:
        return float(np.abs(person.x_at(frames) - labels.x).mean())

    return min(people, key=distance)


@torch.inference_mode()
def rows(
    clips: ClipSet,
    vae: MelVae,
    sound: SoundEmbedding | None,
    config: StereoSyncConfig,
    lengths: SequenceLengths,
) -> Iterator[Row]:
    """The features of each clip."""
    device = vae.data_mean.device
    mel = MelSpectrogram(replace(MELS["16k"], num_mels=vae.config.data_dim)).to(device)
    for index in range(len(clips)):
        audio = clips.audio(index)[:, : lengths.samples]
        filled = np.pad(audio, ((0, 0), (0, lengths.samples - audio.shape[1])))
        posterior = vae.encode(mel(torch.from_numpy(filled).to(device)))
        moments = torch.stack((posterior.mean, posterior.std), dim=1)
        mixed = mono(audio)
        embedding = None if sound is None else sound(mixed, lengths.sample_rate)
        width = config.tokens.audio_width
        yield {
            "moments": moments.float().cpu().numpy(),
            "boxes": _boxes(clips, index, config, lengths),
            "envelope": envelope_of(mixed, lengths, config.envelope),
            "audio": np.zeros(width, np.float32) if embedding is None else embedding,
        }


def _boxes(
    clips: ClipSet, index: int, config: StereoSyncConfig, lengths: SequenceLengths
) -> NDArray[np.float32]:
    format, count = clips.small_format, config.tokens.frames
    person = followed(clips.boxes(index), clips.labels(index), format)
    if person is None:
        return np.full((count, 4), -1, np.float32)
    boxes = boxes_of(person, Fraction(format.fps), 0.0, float(lengths.duration), count)
    return np.nan_to_num(boxes, nan=-1.0)


def mirrored(boxes: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Boxes [F, 4] in pixels of a frame that is flipped left to right; NaN stays."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def statistics(data: SteeredSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation [1, 2C, 1] of the latents over clips and time, alike for both channels."""
    channels = data.vae.config.embed_dim
    total, squares = np.zeros(channels), np.zeros(channels)
    for row in data.maps["moments"]:
        mean = row[:, 0].astype(np.float64)
        total += mean.mean((0, 2))
        squares += np.square(mean).mean((0, 2))
    mean = total / len(data)
    deviation = np.sqrt(np.maximum(squares / len(data) - mean**2, 1e-6))
    both = (torch.from_numpy(np.tile(values, 2)).float() for values in (mean, deviation))
    first, second = (values[None, :, None] for values in both)
    return first, second
