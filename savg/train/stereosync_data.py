"""Features of StereoSync's training clips, computed once: latents, boxes, envelope, what sounds.

The person who is followed is the one whom the labels place the sound at, or without labels the one
seen longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.detectors.tracking import Track, choose_person, persons, track
from savg.features.depth import DepthEstimator
from savg.format import ClipFormat
from savg.models.stereosync import StereoSyncConfig
from savg.pipelines.depth_condition import (
    DepthEmbedding,
    DepthMaps,
    depth_of,
    moments,
    normalised,
)
from savg.pipelines.sound_embedding import Sound
from savg.pipelines.stereosync_codec import Codec
from savg.pipelines.stereosync_features import boxes_of, mono
from savg.train.clip_set import ClipSet
from savg.train.feature_maps import Row
from savg.video import Video

Map = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SteeredSet:
    """Clips with maps of their features by name.

    moments [clips, 2, C, L] of the codec's VAE, boxes [clips, F, 4] (−1: none), envelope
    [clips, channels, L], audio [clips, ·] (zeros: none); with depth its embeddings, plain and mirrored,
    [clips, 2, M, W].
    """

    clips: ClipSet
    maps: dict[str, Map]
    codec: Codec

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


def rows(
    clips: ClipSet,
    codec: Codec,
    sound: Sound | None,
    config: StereoSyncConfig,
    depth: ClipDepth | None = None,
) -> Iterator[Row]:
    """The features of each clip."""
    seconds = clips.small_format.duration
    for index in range(len(clips)):
        audio = clips.audio(index)
        embedding = None if sound is None else sound(mono(audio), codec.rate)
        width = config.tokens.audio_width
        row = {
            "moments": codec.encode(codec.filled(audio, seconds)).float().cpu().numpy(),
            "boxes": _boxes(clips, index, config, float(seconds)),
            "envelope": codec.envelope(mono(audio), seconds, config.envelope),
            "audio": np.zeros(width, np.float32) if embedding is None else embedding,
        }
        if depth is not None:
            row["depth"] = depth(clips, index, config.tokens.maps)
        yield row


@dataclass(frozen=True, eq=False)
class ClipDepth:
    """Embeddings of the depth of clips: maps of files, one a clip, or what an estimator sees."""

    source: DepthEstimator | Sequence[DepthMaps]
    embedding: DepthEmbedding

    def __call__(self, clips: ClipSet, index: int, maps: int) -> NDArray[np.float32]:
        """Embeddings [2, M, W] of a clip's maps, and of their mirror images."""
        format = clips.small_format
        video = Video(clips.video(index), Fraction(format.fps))
        source = self.source if isinstance(self.source, DepthEstimator) else self.source[index]
        seen = normalised(depth_of(video, source)(moments(0.0, float(format.duration), maps)))
        return np.stack(
            [self.embedding(seen), self.embedding(np.ascontiguousarray(seen[..., ::-1]))]
        )


def _boxes(
    clips: ClipSet, index: int, config: StereoSyncConfig, seconds: float
) -> NDArray[np.float32]:
    format, count = clips.small_format, config.tokens.frames
    person = followed(clips.boxes(index), clips.labels(index), format)
    if person is None:
        return np.full((count, 4), -1, np.float32)
    boxes = boxes_of(person, Fraction(format.fps), 0.0, seconds, count)
    return np.nan_to_num(boxes, nan=-1.0)


def mirrored(boxes: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Boxes [F, 4] in pixels of a frame that is flipped left to right; NaN stays."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def statistics(data: SteeredSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation [1, C, 1] of the latents over clips and time, alike for both channels."""
    channels = data.codec.channels
    total, squares = np.zeros(channels), np.zeros(channels)
    for row in data.maps["moments"]:
        mean = row[0].astype(np.float64)
        total += mean.mean(1)
        squares += np.square(mean).mean(1)
    total, squares = (x.reshape(2, -1).mean(0) / len(data) for x in (total, squares))
    deviation = np.sqrt(np.maximum(squares - total**2, 1e-6))
    first, second = (torch.from_numpy(np.tile(x, 2)).float() for x in (total, deviation))
    return first[None, :, None], second[None, :, None]
