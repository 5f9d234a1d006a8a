"""A small encoder of pictures, trained with the flow network, in place of CLIP and Synchformer.

A convolutional network looks at each picture and at how it differs from the one before; where in the
picture something is stays in its features, which then see their neighbours in time. Two heads give
tokens of the same number and times as CLIP's and Synchformer's.

Shapes: B clips, F pictures at `fps`, N CLIP times, S synchronisation features.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

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

    image: side of the square pictures in pixels; fps: pictures a second, which for motion to look
    alike are the same whatever the film's rate; width: channels of the first of four halvings;
    features: of a picture; clip_dim, sync_dim: channels of the tokens.
    """

    image: int = 64
    fps: int = 4
    width: int = 24
    features: int = 192
    clip_dim: int = 128
    sync_dim: int = 128

    def __post_init__(self) -> None:
        if self.image < 2**HALVINGS or self.image % 2**HALVINGS:
            raise ValueError(f"image is a multiple of {2**HALVINGS}, not {self.image}")
        for name in ("fps", "width", "features", "clip_dim", "sync_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")

    def frames(self, lengths: SequenceLengths) -> int:
        """Pictures of a clip, at least one."""
        return max(1, int(lengths.duration * self.fps))


CONFIGS: dict[str, FrameEncoderConfig] = {
    "demo": FrameEncoderConfig(width=16, features=96, clip_dim=64, sync_dim=64),
    "tiny": FrameEncoderConfig(image=16, width=4, features=8, clip_dim=6, sync_dim=5),
}
"""By name; their tokens fit the flow networks of the same names."""


def token_times(lengths: SequenceLengths) -> tuple[list[Fraction], list[Fraction]]:
    """The middle of each CLIP picture and of each synchronisation feature, in seconds."""
    clip = [Fraction(2 * n + 1, 2 * CLIP_FPS) for n in range(lengths.clip)]
    span = SEGMENT_FRAMES // SEGMENT_FEATURES
    sync = [
        Fraction(2 * (segment * SEGMENT_STEP + feature * span) + span, 2 * SYNC_FPS)
        for segment in range(lengths.segments)
        for feature in range(SEGMENT_FEATURES)
    ]
    return clip, sync


class TimeBlock(nn.Module):
    """x plus what a picture's neighbours in time say: [B, D, F] → [B, D, F]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(nn.functional.silu(self.mix(self.norm(x))))


class FrameEncoder(nn.Module):
    """Pictures [B, F, 3, image, image] in −1..1 → tokens [B, N, clip_dim] and [B, S, sync_dim]."""

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

    def forward(self, pictures: Tensor, lengths: SequenceLengths) -> tuple[Tensor, Tensor]:
        c = self.config
        expected = (c.frames(lengths), 3, c.image, c.image)
        if pictures.ndim != 5 or tuple(pictures.shape[1:]) != expected:
            raise ValueError(
                f"the encoder takes pictures [B, {', '.join(map(str, expected))}], "
                f"not {list(pictures.shape)}"
            )
        change = torch.cat((torch.zeros_like(pictures[:, :1]), pictures.diff(dim=1)), dim=1)
        seen = self.look(torch.cat((pictures, change), dim=2).flatten(0, 1))
        x = self.gather(seen.flatten(1)).unflatten(0, pictures.shape[:2])
        x = self.norm(self.over_time(x.transpose(1, 2)).transpose(1, 2))
        heads = zip((self.clip, self.sync), token_times(lengths), strict=True)
        clip, sync = (head(x)[:, self._at(times, x)] for head, times in heads)
        return clip, sync

    def _at(self, times: list[Fraction], x: Tensor) -> Tensor:
        """The picture on screen at each time."""
        last = x.shape[1] - 1
        shown = [min(int(time * self.config.fps), last) for time in times]
        return torch.tensor(shown, device=x.device)
