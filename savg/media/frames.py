"""Frames of video files: decoded, brought upright, and fitted into a clip's frame."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.container import nominal_rate, open_container, video_stream

if TYPE_CHECKING:
    import av


def fit_frame(picture: NDArray[np.uint8], form: ClipFormat) -> NDArray[np.uint8]:
    """A picture [h, w, 3] of any size fitted into the format's frame, centred on black.

    A square picture of the frame's shape fills it; a wider one keeps its aspect ratio, so 16:9 falls
    on the picture's rows.
    """
    import cv2

    height, width = picture.shape[:2]
    if not height or not width:
        raise MediaError(f"A picture of {width}×{height} pixels cannot be fitted into a frame.")
    scale = form.size / max(height, width)
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    if (h, w) != (height, width):
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = np.asarray(cv2.resize(picture, (w, h), interpolation=method), np.uint8)
    frame = np.zeros((form.size, form.size, 3), np.uint8)
    top, left = (form.size - h) // 2, (form.size - w) // 2
    frame[top : top + h, left : left + w] = picture
    return frame


def upright(frame: av.VideoFrame, aspect: float) -> NDArray[np.uint8]:
    """A picture in RGB as a player shows it: pixels made square, turned as the file says."""
    import cv2

    picture: NDArray[Any] = frame.to_ndarray(format="rgb24")
    if abs(aspect - 1.0) > 1e-3:
        width = max(1, round(picture.shape[1] * aspect))
        picture = cv2.resize(picture, (width, picture.shape[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90) % 4))


def frame_at(path: str | os.PathLike[str], number: int) -> NDArray[np.uint8]:
    """The frame [height, width, 3] of a number from 0 on, upright; the last of a shorter video."""
    path = Path(path)
    with open_container(path) as container:
        video = video_stream(container, path)
        frame = None
        for place, decoded in enumerate(container.decode(video)):
            frame = decoded
            if place >= number:
                break
        if frame is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        return upright(frame, float(video.sample_aspect_ratio or 1.0))


def frames_at_rate(path: str | os.PathLike[str], fps: Fraction) -> Iterator[NDArray[np.uint8]]:
    """The pictures [height, width, 3] on screen at 0, 1/fps, 2/fps, … s, upright, one by one.

    A picture stays until the next one comes; the last one as long as one lasts on average.
    """
    path = Path(path)
    with open_container(path) as container:
        video = video_stream(container, path)
        video.thread_type = "AUTO"
        aspect = float(video.sample_aspect_ratio or 1.0)
        lasts = 1 / float(nominal_rate(video, path))
        shown, count, start, begin = None, 0, None, 0.0
        for frame in container.decode(video):
            time = float(frame.time) if frame.time is not None else begin + lasts
            start = time if start is None else start
            begin = max(time - start, begin)
            due = _due(begin, fps)
            if shown is not None and due > count:
                picture = upright(shown, aspect)
                for _ in range(due - count):
                    yield picture
                count = due
            shown = frame
        if shown is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        picture = upright(shown, aspect)
        for _ in range(max(_due(begin + lasts, fps) - count, 1 - count)):
            yield picture


def _due(seconds: float, fps: Fraction) -> int:
    """How many pictures at `fps` are to be shown before a time, a millisecond more or less."""
    return max(0, math.ceil((seconds - 1e-3) * fps))
