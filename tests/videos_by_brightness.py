"""Silent videos whose frames tell their number by their brightness."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def grey(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames whose brightness tells their number."""
    return [np.full((height, width, 3), 20 + 8 * i, np.uint8) for i in range(count)]


def write_silent(path: Path, frames: list[np.ndarray], times: list[Fraction]) -> Path:
    """A video without audio whose frames come at the given seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv444p", {"crf": "1", "bf": "0"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), round(time * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbers(frames: np.ndarray) -> list[int]:
    """Which frame each one is, by its brightness in the middle."""
    middle = frames[:, frames.shape[1] // 2, frames.shape[2] // 2].mean(-1)
    return [round((float(value) - 20) / 8) for value in middle]
