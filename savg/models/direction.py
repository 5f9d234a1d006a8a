"""What a generated clip is told: which sound, where it is over time, how many people there are.

A direction is a row of values, each withheld where it is NaN: the sound (0 speech, 1 instrument), the
number of people (1 … 3), and x at points spread evenly from the clip's start to its end, from −1 at the
left edge of the picture to 1 at the right one. x is told as a whole or not at all.

A branch of a network takes it in beside the diffusion time, at each column of each frame, and at
each time of the audio. Its last layers start at zero, so that a network to which the branch is added
computes what it computed before.

Shapes: B clips, P points, F frames, W columns, T times of the audio, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from savg.models.device_tables import device_table
from savg.models.unet_layers import zeroed

SOUNDS = ("speech", "instrument")
"""Sounds by their value."""

MOST_PEOPLE = 3
"""Largest number of people that can be told; more count as so many."""

WITHHELD = math.nan

CONDITIONS = {"sound": slice(0, 1), "people": slice(1, 2), "x": slice(2, None)}
"""Name of a condition → its values in a row."""

TIME_VALUES = len(SOUNDS) + MOST_PEOPLE + 8
"""What `at_times` says of one time."""

COLUMN_VALUES = 4
"""What `at_columns` says of one column."""

WIDTHS = 0.12, 0.45
"""Deviations of the bumps around x, in halves of the picture: about half a person, and the
surroundings."""


def row(
    points: int,
    sound: int | None = None,
    people: int | None = None,
    x: Sequence[float] | None = None,
) -> Tensor:
    """A direction [2 + points]. x: one value, or several spread evenly over the clip.

    None withholds a condition.
    """
    values = torch.full((2 + points,), WITHHELD)
    if sound is not None:
        values[0] = sound
    if people is not None:
        values[1] = min(people, MOST_PEOPLE)
    if x is not None:
        path = torch.tensor(x, dtype=torch.float32)
        values[2:] = path @ between(path.device, len(path), points)
    return values


def check_fits(direction: Tensor, points: int) -> None:
    """ValueError unless directions are [B, 2 + points]; points 0: of a network that takes none."""
    if not points or direction.ndim != 2 or direction.shape[1] != 2 + points:
        takes = f"[B, {2 + points}]" if points else "None"
        raise ValueError(f"direction must be {takes}, got {tuple(direction.shape)}")


def without(direction: Tensor, condition: str, clips: Tensor | None = None) -> Tensor:
    """Directions [B, 2 + P] with a condition withheld, everywhere or in `clips` (bool [B])."""
    told = direction.clone()
    part = told[:, CONDITIONS[condition]]
    if clips is None:
        part.fill_(WITHHELD)
    else:
        part.masked_fill_(clips[:, None], WITHHELD)
    return told


def mirrored(direction: Tensor) -> Tensor:
    """Directions [..., 2 + P] of the clips flipped left to right."""
    return torch.cat([direction[..., :2], -direction[..., 2:]], dim=-1)


@device_table
def between(points: int, count: int, middles: bool = False) -> Tensor:
    """Weights [points, count] that interpolate points, spread from start to end, at `count` times.

    middles: of intervals that share the clip evenly; otherwise from its start to its end.
    """
    steps = torch.arange(count, dtype=torch.float32)
    share = (steps + 0.5) / count if middles else steps / max(count - 1, 1)
    place = share * (points - 1)
    distance = (place[None] - torch.arange(points, dtype=torch.float32)[:, None]).abs()
    return (1 - distance).clamp_min(0)


def path_at(direction: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """x [B, count] in the middle of `count` intervals, 0 where it is withheld, and where it is told
    [B, 1]."""
    path = direction[:, 2:].float()
    told = path.isfinite().all(dim=1, keepdim=True)
    table = between(path.device, path.shape[1], count, middles=True)
    return path.nan_to_num(0.0) @ table, told


def at_times(direction: Tensor, count: int) -> Tensor:
    """What is told of each of `count` times [B, count, TIME_VALUES]; zeros for what is withheld."""
    x, told = path_at(direction, count)
    waves = [x, *(f(math.pi * k * x) for k in (0.5, 1.0, 2.0) for f in (torch.sin, torch.cos))]
    place = torch.stack([*waves, torch.ones_like(x)], dim=-1) * told[..., None]
    kinds = [
        _one_of(direction[:, 0], len(SOUNDS)),
        _one_of(direction[:, 1] - 1, MOST_PEOPLE),
    ]
    return torch.cat([part[:, None].expand(-1, count, -1) for part in kinds] + [place], dim=-1)


def at_columns(direction: Tensor, frames: int, width: int) -> Tensor:
    """What is told of each column of each frame [B, F, W, COLUMN_VALUES]; zeros where x is withheld."""
    x, told = path_at(direction, frames)
    distance = columns(x.device, width) - x[..., None]
    bumps = [torch.exp(-0.5 * (distance / width) ** 2) for width in WIDTHS]
    values = torch.stack([distance, *bumps, torch.ones_like(distance)], dim=-1)
    return values * told[:, :, None, None]


@device_table
def columns(width: int) -> Tensor:
    """The middle of each column [W], −1 … 1 across the picture."""
    return (torch.arange(width, dtype=torch.float32) + 0.5) * (2 / width) - 1


def _one_of(number: Tensor, count: int) -> Tensor:
    """[B] → [B, count]: 1 at the number, zeros where it is NaN."""
    return (number[:, None] == torch.arange(count, device=number.device)).float()


class DirectionBranch(nn.Module):
    """What a U-Net adds where it is directed; audio: whether it has audio."""

    def __init__(self, channels: int, width: int, audio: bool) -> None:
        super().__init__()
        self.overall = nn.Sequential(
            nn.Linear(TIME_VALUES, channels), nn.SiLU(), zeroed(nn.Linear(channels, channels))
        )
        self.video_place = zeroed(nn.Linear(COLUMN_VALUES, width))
        if audio:
            self.audio_place = zeroed(nn.Linear(TIME_VALUES, width))

    def embedding(self, direction: Tensor) -> Tensor:
        """To be added to the embedding of the diffusion time [B, channels]."""
        dtype = self.video_place.weight.dtype
        return self.overall(at_times(direction, 1)[:, 0].to(dtype))

    def places(self, direction: Tensor, frames: int, width: int, times: int) -> list[Tensor]:
        """To be added to the first features of the video [B, F, C, 1, W] and of the audio
        [B, C, T]."""
        dtype = self.video_place.weight.dtype
        video = self.video_place(at_columns(direction, frames, width).to(dtype))
        added = [video.movedim(-1, 2)[:, :, :, None]]
        if hasattr(self, "audio_place"):
            added.append(self.audio_place(at_times(direction, times).to(dtype)).transpose(1, 2))
        return added
