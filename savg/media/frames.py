"""Frames of video files: the one decoder of all readers, and frames brought into shape.

Frames are uint8 [height, width, 3] RGB. Times are seconds from a video's first frame; a frame stays on
screen until the next one comes, whatever the file's frame rate says.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.colour import to_rgb
from savg.media.container import nominal_rate, open_container, video_stream
from savg.media.orientation import UPRIGHT, Orientation, StreamOrientation, square_pixels

if TYPE_CHECKING:
    import av

Frame = NDArray[np.uint8]

LATE = 1e-3
"""Seconds by which a frame may come late and still be the one shown."""


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A decoded frame, converted on request.

    time: seconds in the file's own time; begin, end: seconds from the first frame, `end` as if
    nothing followed; aspect: width over height of its pixels; orientation: from `stored` to shown.
    """

    raw: av.VideoFrame
    time: float
    begin: float
    end: float
    aspect: float = 1.0
    orientation: Orientation = UPRIGHT

    def rgb(self) -> Frame:
        """The frame as a player shows it: pixels made square, flipped and rotated as the file says."""
        return self.orientation.apply(square_pixels(self.stored(), self.aspect))

    def stored(self) -> Frame:
        """The frame as the file stores it, in RGB."""
        return to_rgb(self.raw)

    def luma(self) -> NDArray[np.uint8]:
        """The brightness of the frame as the file stores it [height, width]."""
        return np.asarray(self.raw.to_ndarray(format="gray"), np.uint8)


def decode_packets(
    container: Any, video: Any, audio: Any = None, *, lasts: float = 0.0, threads: bool = False
) -> Iterator[list[DecodedFrame | av.AudioFrame]]:
    """What each packet of a video stream, and of an audio stream, decodes to, in the file's order.

    Args:
        lasts: seconds for which a frame is shown that nothing follows; one without a time of its own
            comes that long after the one before.
        threads: decode several frames at once.
    """
    import av

    if threads:
        video.thread_type = "AUTO"
    aspect = float(video.sample_aspect_ratio or 1.0)
    orientation = StreamOrientation()
    start: float | None = None
    last = 0.0
    for packet in container.demux([video] if audio is None else [video, audio]):
        decoded: list[DecodedFrame | av.AudioFrame] = []
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                time = float(frame.time) if frame.time is not None else (start or 0.0) + last
                start = time if start is None else start
                begin = max(time - start, 0.0)
                last = max(last, begin + lasts)
                turn = orientation.of(frame)
                frame = DecodedFrame(frame, time, begin, begin + lasts, aspect, turn)
            decoded.append(frame)
        yield decoded


def decode(
    container: Any, video: Any, *, lasts: float = 0.0, threads: bool = False
) -> Iterator[DecodedFrame]:
    """The frames of a video stream, one by one; arguments as of `decode_packets`."""
    for frames in decode_packets(container, video, lasts=lasts, threads=threads):
        for frame in frames:
            assert isinstance(frame, DecodedFrame)
            yield frame


def frames_at_rate(path: str | os.PathLike[str], fps: Fraction) -> Iterator[Frame]:
    """The frames [height, width, 3] on screen at 0, 1/fps, 2/fps, … s, upright, one by one.

    The last one stays as long as one does on average. MediaError for a file that cannot be
    read.
    """
    path = Path(path)
    with open_container(path) as container:
        video = video_stream(container, path)
        lasts = 1 / float(nominal_rate(video, path))
        shown, count, begin = None, 0, 0.0
        for frame in decode(container, video, lasts=lasts, threads=True):
            begin = max(frame.begin, begin)
            due = _due(begin, fps)
            if shown is not None and due > count:
                upright = shown.rgb()
                for _ in range(due - count):
                    yield upright
                count = due
            shown = frame
        if shown is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        upright = shown.rgb()
        for _ in range(max(_due(begin + lasts, fps) - count, 1 - count)):
            yield upright


def _due(seconds: float, fps: Fraction) -> int:
    """How many frames at `fps` begin before a time in seconds."""
    return max(0, math.ceil((seconds - LATE) * fps))


def frame_at(path: str | os.PathLike[str], number: int) -> Frame:
    """The frame [height, width, 3] of a number from 0 on, upright; the last of a shorter video.

    MediaError for a file that cannot be read.
    """
    path = Path(path)
    with open_container(path) as container:
        frames = decode(container, video_stream(container, path))
        last = deque(islice(frames, number + 1), maxlen=1)
        if not last:
            raise MediaError(f"{path} has no frame that can be decoded.")
        return last[0].rgb()


def fit_frame(image: Frame, format: ClipFormat) -> Frame:
    """An image [h, w, 3] of any size fitted into the format's frame [size, size, 3], on black.

    A square image fills it; a wider one keeps its aspect ratio, so 16:9 fills the rows of the
    format's picture. MediaError for an image without pixels.
    """
    return fit_image(image, format.size, format.size)


def fit_image(image: Frame, width: int, height: int) -> Frame:
    """An image [h, w, 3] of any size fitted into `width`×`height` with its aspect ratio, on black.

    MediaError for an image without pixels.
    """
    import cv2

    h, w = image.shape[:2]
    if not h or not w:
        raise MediaError(f"An image of {w}×{h} pixels cannot be fitted into a frame.")
    scale = min(height / h, width / w)
    fitted = min(width, max(1, round(w * scale))), min(height, max(1, round(h * scale)))
    if fitted != (w, h):
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, fitted, interpolation=method), np.uint8)
    frame = np.zeros((height, width, 3), np.uint8)
    left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
    frame[top : top + fitted[1], left : left + fitted[0]] = image
    return frame
