"""Frames of video files: the one decoder of all readers, and frames brought into shape.

Frames are uint8 [height, width, 3] RGB. Times are seconds from a video's first frame; a frame stays on
screen until the next one comes, whatever the file's frame rate says.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.colour import to_rgb
from savg.media.container import (
    is_in_coded_order,
    may_jump,
    nominal_rate,
    open_container,
    refuse_cut_short,
    refuse_large,
    stated_seconds,
    video_stream,
)
from savg.media.file_name import file_path
from savg.media.orientation import UPRIGHT, Orientation, StreamOrientation, square_pixels
from savg.media.timeline import Timeline, timed_packets

if TYPE_CHECKING:
    import av

Frame = NDArray[np.uint8]

LATE = 1e-3
"""Seconds by which a frame may come late and still be the one shown."""

_STEP = 0.5
"""Seconds ahead from which a frame's time stamp is compared with the next one's."""


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A decoded frame, converted on request.

    time: seconds in the file's own time, on its continuous timeline; begin, end: seconds from the first
    frame, `end` as if nothing followed; aspect: width over height of its pixels; orientation: from
    `stored` to shown.
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


@dataclass(frozen=True, eq=False)
class DecodedAudio:
    """A decoded block of audio of the stream with number `stream`.

    time: seconds in the file's own time, on its continuous timeline, or None where it follows the
    block before.
    """

    raw: av.AudioFrame
    time: float | None
    stream: int


def decode_packets(
    container: Any,
    video: Any,
    audio: Sequence[Any] = (),
    *,
    threads: bool = False,
    wanted: Callable[[], bool] = lambda: True,
    timeline: Timeline | None = None,
) -> Iterator[list[DecodedFrame | DecodedAudio]]:
    """What each packet of a video stream, and of audio streams, decodes to, in the file's order.

    Args:
        threads: decode several frames at once.
        wanted: asked before each packet of frames whether more frames are.
        timeline: a new one, for readers that ask whether it was continuous.

    Raises:
        MediaError: a frame is too large.
    """
    if threads:
        video.thread_type = "AUTO"
    clock = _FrameClock(video, file_path(container.name), is_in_coded_order(container, video))
    for packet in timed_packets(container, [video, *audio], timeline):
        index = packet.stream.index
        if index != video.index:
            yield [DecodedAudio(block, block.time, index) for block in packet.decode()]
        elif wanted():
            yield list(clock.frames(packet))


class _FrameClock:
    """Gives decoded frames their times.

    A frame that comes after the next one has a wrong time stamp of its own: it is shown when the one
    before ends, as is a frame without a time stamp.

    Args:
        coded_order: the earliest time stamp of the packets so far is that of the next frame.
    """

    def __init__(self, video: Any, path: Path, coded_order: bool = False) -> None:
        self._path = path
        self._aspect = float(video.sample_aspect_ratio or 1.0)
        self._orientation = StreamOrientation()
        self._period = frame_period(nominal_rate(video))
        self._tick = float(video.time_base)
        self._start: float | None = None
        self._begin, self._end, self._shortest = 0.0, 0.0, self._period
        self._doubtful: tuple[av.VideoFrame, float] | None = None
        self._stamps: list[float] | None = [] if coded_order else None

    def frames(self, packet: Any) -> Iterator[DecodedFrame]:
        """The frames that a packet completes; the last, empty packet completes the last ones."""
        from av import FFmpegError

        if self._stamps is not None and packet.size and packet.pts is not None:
            heappush(self._stamps, packet.pts * self._tick)
        try:
            decoded = packet.decode()
        except FFmpegError:
            refuse_large(packet.stream, self._path)
            raise
        for raw in decoded:
            yield from self._add(raw)
        if not packet.size and self._doubtful is not None:
            raw, time = self._doubtful
            yield self._timed(raw, time)

    def _add(self, raw: av.VideoFrame) -> Iterator[DecodedFrame]:
        refuse_large(raw, self._path, self._aspect)
        start = 0.0 if self._start is None else self._start
        stamp = raw.time if self._stamps is None else heappop(self._stamps or [start + self._end])
        time = start + self._end if stamp is None else float(stamp)
        if self._doubtful is not None:
            (held, own), self._doubtful = self._doubtful, None
            yield self._timed(held, own if own <= time else min(start + self._end, time))
        if self._start is not None and time - start > self._end + _STEP:
            self._doubtful = raw, time
        else:
            yield self._timed(raw, time)

    def _timed(self, raw: av.VideoFrame, time: float) -> DecodedFrame:
        first = self._start is None
        start = self._start = time if self._start is None else self._start
        begin = max(time - start, self._begin)
        if not first and begin > self._begin:
            self._shortest = min(self._shortest, begin - self._begin)
        self._begin, self._end = begin, begin + self._seconds(raw)
        orientation = self._orientation.of(raw)
        return DecodedFrame(raw, time, begin, self._end, self._aspect, orientation)

    def _seconds(self, raw: av.VideoFrame) -> float:
        stated = (raw.duration or 0) * self._tick
        return frame_seconds(stated, self._period, self._tick, self._shortest)


def frame_period(rate: Fraction | None) -> float:
    """Seconds for which a frame is shown at a file's rate; one at most, and without a rate."""
    return 1 / float(max(rate or 1, 1))


def frame_seconds(stated: float, period: float, unit: float, shortest: float) -> float:
    """Seconds for which a frame is shown that nothing follows.

    What the file states for it counts, but for rounding. It may be missing or far too short for the
    last frame, so it is not less than other frames last.

    Args:
        stated: by the file, 0 if it does not.
        period: at the file's nominal rate.
        unit: of the file's time stamps.
        shortest: time for which any frame is shown.
    """
    if not stated or abs(stated - period) <= max(unit, LATE):
        return period
    return max(stated, shortest)


def decode(
    container: Any, video: Any, *, threads: bool = False, timeline: Timeline | None = None
) -> Iterator[DecodedFrame]:
    """The frames of a video stream, one by one; arguments as of `decode_packets`."""
    for frames in decode_packets(container, video, threads=threads, timeline=timeline):
        for frame in frames:
            assert isinstance(frame, DecodedFrame)
            yield frame


class OnScreen:
    """Which frames are on screen at 0, 1/fps, 2/fps, … s, as they come.

    A frame stays until the next one comes, and the last one as long as its file says. One that comes
    `late` seconds after a time is still shown at it.

    start: of the first frame, in the file's own time, None before it came; last, end: seconds at which
    the last one so far begins and ends.
    """

    def __init__(self, fps: float | Fraction, late: float = LATE) -> None:
        self._fps, self._late = fps, late
        self._shown: DecodedFrame | None = None
        self._count = 0
        self.start: float | None = None
        self.last = self.end = 0.0

    def add(self, frame: DecodedFrame) -> tuple[DecodedFrame | None, int]:
        """The frame before the next one, and at how many of the times it is on screen."""
        if self.start is None:
            self.start = frame.time
        shown, self._shown, self.last, self.end = self._shown, frame, frame.begin, frame.end
        return shown, self._until(self._due(frame.begin))

    def finish(self) -> tuple[DecodedFrame | None, int]:
        """The last frame, and at how many of the times it is on screen; the only one at one or more."""
        shown, self._shown = self._shown, None
        return shown, self._until(max(self._due(self.end), 1))

    @property
    def reached(self) -> float:
        """Seconds of video so far; some files count them from their begin, not the first frame's."""
        return self.end + max(self.start or 0.0, 0.0)

    def _due(self, seconds: float) -> int:
        """How many of the times are before one in seconds."""
        return max(0, math.ceil((seconds - self._late) * self._fps))

    def _until(self, due: int) -> int:
        times, self._count = max(due - self._count, 0), max(due, self._count)
        return times


def frames_at_rate(path: str | os.PathLike[str], fps: Fraction) -> Iterator[Frame]:
    """The frames [height, width, 3] on screen at 0, 1/fps, 2/fps, … s, upright, one by one.

    The last one stays as long as the file says. MediaError for a file that cannot be read.
    """
    for frame, count in frames_on_screen(path, fps):
        yield from repeat(frame, count)


def frames_on_screen(
    path: str | os.PathLike[str], fps: Fraction, late: float = LATE
) -> Iterator[tuple[Frame, int]]:
    """The frames of `frames_at_rate`, each once, and at how many of the times it is on screen.

    Those of no time are left out; late: as of `OnScreen`. MediaError for a file that cannot be read.
    """
    path = Path(path)
    with open_container(path) as container:
        screen, video = OnScreen(fps, late), video_stream(container, path)
        timeline = Timeline(may_jump(container))
        for frame in decode(container, video, threads=True, timeline=timeline):
            shown, count = screen.add(frame)
            if shown is not None and count:
                yield shown.rgb(), count
        shown, count = screen.finish()
        if shown is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        if timeline.continuous and not timeline.is_complete(video):
            refuse_cut_short(path, screen.reached, stated_seconds(video) or 0.0)
        if count:
            yield shown.rgb(), count


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
