"""A small encoder of frames, trained with the flow network, in place of CLIP and Synchformer.

A convolutional network encodes each frame and its difference from the one before, positions within
the frame included; convolutions over time follow. Two heads give tokens of the same number and times
as CLIP's and Synchformer's.

Shapes: B clips, F frames at `fps`, N CLIP times, S synchronisation features.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import torch
from torch import Tensor, nn

from savg.fields import Between, Channels, check
from savg.models.device_tables import device_table
from savg.models.mmaudio_lengths import (
    CLIP_FPS,
    SEGMENT_FEATURES,
    SEGMENT_FRAMES,
    SEGMENT_STEP,
    SYNC_FPS,
    SequenceLengths,
)

__all__ = ["CONFIGS", "FrameEncoder", "FrameEncoderConfig"]

HALVINGS = 4


@dataclass(frozen=True)
class FrameEncoderConfig:
    """Sizes of an encoder.

    image: side of the square frames in pixels; fps: frames per second, the same whatever the video's
    rate, so that motion looks alike; width: channels of the first of four halvings; features:
    channels of a frame; clip_dim, sync_dim: channels of the tokens.
    """

    image: Annotated[int, Between(1, 1024)] = 64
    fps: Annotated[int, Between(1, 120)] = 4
    width: Channels = 24
    features: Channels = 192
    clip_dim: Channels = 128
    sync_dim: Channels = 128

    def __post_init__(self) -> None:
        check(self)
        if self.image < 2**HALVINGS or self.image % 2**HALVINGS:
            raise ValueError(f"image must be a multiple of {2**HALVINGS}, got {self.image}")

    def frames(self, lengths: SequenceLengths) -> int:
        """Number of frames of a clip, at least 1."""
        return max(1, int(lengths.duration * self.fps))


CONFIGS: dict[str, FrameEncoderConfig] = {
    "demo": FrameEncoderConfig(width=16, features=96, clip_dim=64, sync_dim=64),
    "tiny": FrameEncoderConfig(image=16, width=4, features=8, clip_dim=6, sync_dim=5),
}
"""By name; their tokens fit the flow networks of the same names."""


def token_times(lengths: SequenceLengths) -> tuple[list[Fraction], list[Fraction]]:
    """The middle of each CLIP frame [N] and of each synchronisation feature [S], in seconds."""
    clip = [Fraction(2 * n + 1, 2 * CLIP_FPS) for n in range(lengths.clip)]
    span = SEGMENT_FRAMES // SEGMENT_FEATURES
    sync = [
        Fraction(2 * (segment * SEGMENT_STEP + feature * span) + span, 2 * SYNC_FPS)
        for segment in range(lengths.segments)
        for feature in range(SEGMENT_FEATURES)
    ]
    return clip, sync


class TimeBlock(nn.Module):
    """x plus a convolution over neighbours in time: [B, D, F] → [B, D, F]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(nn.functional.silu(self.mix(self.norm(x))))


class FrameEncoder(nn.Module):
    """Frames [B, F, 3, image, image] in −1..1 → tokens [B, N, clip_dim] and [B, S, sync_dim]."""

    def __init__(self, config: FrameEncoderConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels = 6
        for level in range(HALVINGS):
            width = config.width * min(2**level, 4)
            groups = next(g for g in (8, 4, 2, 1) if width % g == 0)
            layers += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1),
                nn.GroupNorm(groups, width),
                nn.SiLU(),
            ]
            channels = width
        self.look = nn.Sequential(*layers)
        places = (config.image // 2**HALVINGS) ** 2
        self.gather = nn.Linear(channels * places, config.features)
        self.over_time = nn.Sequential(*(TimeBlock(config.features) for _ in range(2)))
        self.norm = nn.LayerNorm(config.features)
        self.clip = nn.Linear(config.features, config.clip_dim)
        self.sync = nn.Linear(config.features, config.sync_dim)

    def forward(self, frames: Tensor, lengths: SequenceLengths) -> tuple[Tensor, Tensor]:
        c = self.config
        expected = (c.frames(lengths), 3, c.image, c.image)
        if frames.ndim != 5 or tuple(frames.shape[1:]) != expected:
            raise ValueError(
                f"frames must be [B, {', '.join(map(str, expected))}], got {list(frames.shape)}"
            )
        change = torch.cat((torch.zeros_like(frames[:, :1]), frames.diff(dim=1)), dim=1)
        maps = self.look(torch.cat((frames, change), dim=2).flatten(0, 1))
        x = self.gather(maps.flatten(1)).unflatten(0, frames.shape[:2])
        x = self.norm(self.over_time(x.transpose(1, 2)).transpose(1, 2))
        heads = zip((self.clip, self.sync), token_times(lengths), strict=True)
        clip, sync = (head(x)[:, self._at(times, x)] for head, times in heads)
        return clip, sync

    def _at(self, times: list[Fraction], x: Tensor) -> Tensor:
        """Index of the frame of x[B, F, D] that is shown at each time."""
        last = x.shape[1] - 1
        return frame_table(x.device, tuple(times), self.config.fps, last)


@device_table
def frame_table(times: tuple[Fraction, ...], fps: int, last: int) -> Tensor:
    """Index of the frame, `last` at most, that is shown at each time."""
    return torch.tensor([min(int(time * fps), last) for time in times])
