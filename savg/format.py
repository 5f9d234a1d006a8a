"""The format of a clip: the one source of all its lengths, rates and sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

from savg.errors import whole_number
from savg.fields import Between, Rate, Side, check


@dataclass(frozen=True)
class ClipFormat:
    """Lengths, rates and sizes of a clip; the default is SAVGBench's [S1].

    frames: of a clip; fps: frames a second; sample_rate: in Hz; size: side of the square frame in
    pixels; picture_height: rows in the middle of the frame that hold the picture, the rest is
    black; label_fps: sound events and labels a second. ValueError for values out of range.
    """

    frames: Annotated[int, Between(1, 10_000_000)] = 20
    fps: Annotated[int, Between(1, 1000)] = 4
    sample_rate: Rate = 16_000
    size: Side = 256
    picture_height: Side = 144
    label_fps: Annotated[int, Between(1, 1000)] = 10

    def __post_init__(self) -> None:
        for name in ("frames", "fps", "sample_rate", "size", "picture_height", "label_fps"):
            whole_number(f"ClipFormat.{name}", getattr(self, name), 1, error=ValueError)
        check(self, "ClipFormat.{}")
        if self.picture_height > self.size or (self.size - self.picture_height) % 2:
            raise ValueError(
                f"ClipFormat.picture_height must be ≤ size, {self.size}, by an even number of rows, "
                f"got {self.picture_height}."
            )

    @property
    def duration(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(self.frames, self.fps)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.duration)

    @property
    def samples(self) -> int:
        """Audio samples a channel."""
        return round(self.duration * self.sample_rate)

    @property
    def label_frames(self) -> int:
        """Number of frames of sound events and labels."""
        return round(self.duration * self.label_fps)

    @property
    def top(self) -> int:
        """First row of the picture."""
        return (self.size - self.picture_height) // 2

    @property
    def bottom(self) -> int:
        """First row below the picture."""
        return self.top + self.picture_height

    def with_size(self, size: int) -> ClipFormat:
        """The same clip in a smaller or larger frame, the picture scaled with it."""
        height = round(self.picture_height * size / self.size)
        return replace(self, size=size, picture_height=height - (size - height) % 2)

    def with_frames(self, frames: int) -> ClipFormat:
        """The same format with another number of frames."""
        return replace(self, frames=frames)


SAVGBENCH = ClipFormat()
"""The published format: 20 frames of 256×256 at 4 fps, 80,000 stereo samples at 16 kHz."""
