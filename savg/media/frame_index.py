"""Random access to the frames of a video file: only those that are needed are decoded.

Times are seconds from the first frame; a frame stays until the next one comes.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.media.colour import frame_matrix, to_rgb
from savg.media.container import (
    demux,
    is_in_coded_order,
    may_jump,
    open_container,
    stated_seconds,
    video_stream,
)
from savg.media.frames import LATE, Frame, decode
from savg.media.orientation import Orientation, square_pixels
from savg.media.timeline import Timeline, timed_packets

_MICRO = 1_000_000
_LATE = round(LATE * _MICRO)
"""At 29.97 fps every thirtieth frame is late by just that, so times are compared as whole numbers."""

_SEEK_PACKETS = 60
"""Gaps of fewer packets are read over, longer ones are jumped."""


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """What is in a video file: its frames' size, and one entry a packet in file order.

    width, height: as shown; stored: width and height as coded; aspect: width over height of its pixels.
    pts: presentation times in units of `tick` seconds; keys: where decoding can begin; hidden:
    packets that only help to decode others. seconds: from the first frame to the last one's end.
    shift: what the file's reader adds to all pts.
    """

    path: Path
    width: int
    height: int
    stored: tuple[int, int]
    aspect: float
    orientation: Orientation
    tick: Fraction
    seconds: float
    pts: NDArray[np.int64]
    keys: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    shift: int = 0

    def shown(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """The pts of the frames on screen at `times`."""
        pts = np.sort(self.pts[~self.hidden])
        begins = (pts - pts[0]) * (self.tick.numerator * _MICRO)
        until = np.round(np.asarray(times) * _MICRO).astype(np.int64) + _LATE
        index = np.searchsorted(begins, until * self.tick.denominator, side="right") - 1
        return pts[np.maximum(index, 0)]


def index_video(path: str | os.PathLike[str]) -> VideoIndex:
    """Read a video's packets, decoding one frame alone; MediaError for a file that cannot be read."""
    path = Path(path)
    with open_container(path) as container:
        first = next(decode(container, video_stream(container, path)), None)
        if first is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        height, width = first.rgb().shape[:2]
    with open_container(path) as container:
        packets = demux(container, [video_stream(container, path)])
        begin = next((packet.pts for packet in packets if packet.size), None)
    with open_container(path) as container:
        stream = video_stream(container, path)
        timeline = Timeline(may_jump(container))
        entries = [
            (packet.pts, packet.is_keyframe, packet.is_discard, packet.duration or 0)
            for packet in timed_packets(container, [stream], timeline)
            if packet.size
        ]
        tick, stated = Fraction(stream.time_base), stated_seconds(stream) or 0.0
        coded_order = is_in_coded_order(container, stream)
    if not timeline.continuous:
        raise MediaError(f"{path} has time stamps that jump: expected one recording.")
    times = [pts for pts, *_ in entries]
    if coded_order or begin is None or None in times or len(set(times)) != len(times):
        raise MediaError(f"{path} has frames without a time of their own.")
    pts = np.array(times, np.int64)
    hidden = np.array([p[2] for p in entries], bool)
    if hidden.all() or not any(p[1] for p in entries):
        raise MediaError(f"{path} has no frame that can be decoded.")
    last = int(np.flatnonzero(pts == pts[~hidden].max())[0])
    seconds = float(int(pts[last] + entries[last][3] - pts[~hidden].min()) * tick)
    if seconds < stated - 1.0 and not timeline.is_complete(stream):
        raise MediaError(
            f"{path} is cut short: only {seconds:.1f} of its {stated:.1f} s can be read."
        )
    keys = np.array([p[1] for p in entries], bool)
    stored, orientation = (first.raw.width, first.raw.height), first.orientation
    return VideoIndex(
        path,
        width,
        height,
        stored,
        first.aspect,
        orientation,
        tick,
        seconds,
        pts,
        keys,
        hidden,
        shift=begin - int(pts[0]),
    )


class IndexedFrame:
    """A decoded frame of a video, converted on request, as a player shows it."""

    def __init__(self, frame: Any, reformatter: Any, video: VideoIndex) -> None:
        self._frame, self._reformatter, self._video = frame, reformatter, video

    def rgb(self, first: int = 0, last: int | None = None) -> Frame:
        """Rows `first` … `last` - 1 in RGB [rows, width, 3], as converting all of them would give."""
        video = self._video
        last = video.height if last is None else last
        even, end = first - first % 2, min(last + last % 2, video.height)
        plain = not video.orientation and (video.width, video.height) == video.stored
        part = _rows(self._frame, even, end) if plain else None
        if part is not None:
            return to_rgb(part, self._reformatter)[first - even : last - even]
        whole = square_pixels(to_rgb(self._frame, self._reformatter), video.aspect)
        return video.orientation.apply(whole)[first:last]

    def small(self, width: int, height: int) -> Frame:
        """The whole frame in RGB in another size [height, width, 3]."""
        turn = self._video.orientation
        return turn.apply(to_rgb(self._frame, self._reformatter, turn.size(width, height)))


def frames_at(
    video: VideoIndex | str | os.PathLike[str], times: Sequence[float]
) -> Iterator[tuple[int, IndexedFrame]]:
    """(index into `times`, frame on screen then), in order of time, each frame decoded once.

    Stretches without a requested frame are jumped, and frames that no other one depends on are
    skipped unless requested; the result is that of decoding everything. One thread. Raises MediaError
    where a frame cannot be decoded.
    """
    video = video if isinstance(video, VideoIndex) else index_video(video)
    if not len(times):
        return
    order = np.argsort(times, kind="stable")
    requested: dict[int, list[int]] = defaultdict(list)
    for index, pts in zip(order.tolist(), video.shown(np.asarray(times)[order]), strict=True):
        requested[int(pts)].append(index)
    missing = set(requested)
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    for frame in _decoded(video, requested):
        if frame.pts in missing and not frame.is_corrupt:
            missing.discard(frame.pts)
            if (frame.width, frame.height) != video.stored:
                raise MediaError(
                    f"{video.path} has frames of {video.stored[0]}×{video.stored[1]} and of "
                    f"{frame.width}×{frame.height} pixels: expected one size."
                )
            decoded = IndexedFrame(frame, reformatter, video)
            for index in requested[frame.pts]:
                yield index, decoded
    if missing:
        second = float((min(missing) - int(video.pts[~video.hidden].min())) * video.tick)
        raise MediaError(f"{video.path}: the frame at {second:.1f} s cannot be decoded.")


def _stretches(video: VideoIndex, requested: Sequence[int]) -> list[tuple[int, int]]:
    """First and last packet of the stretches to decode so that the frames `requested` come out.

    A frame that comes after a key frame in the file but is shown before it depends on what came
    before, so its stretch begins at an earlier key frame.
    """
    place = {int(pts): i for i, pts in enumerate(video.pts)}
    keys = np.flatnonzero(video.keys)
    stretches: list[tuple[int, int]] = []
    for end, pts in sorted((place[pts], pts) for pts in requested):
        before = keys[(keys <= end) & (video.pts[keys] <= pts)]
        begin = int(before[-1]) if len(before) else 0
        while stretches and begin <= stretches[-1][1]:
            last = stretches.pop()
            begin, end = min(begin, last[0]), max(end, last[1])
        stretches.append((begin, end))
    return stretches


def _decoded(video: VideoIndex, requested: dict[int, list[int]]) -> Iterator[Any]:
    """Decoded frames of the stretches around `requested`, and perhaps some more."""
    import av

    with open_container(video.path) as container:
        stream = video_stream(container, video.path)
        decoder = stream.codec_context
        stream.thread_type, decoder.thread_count = "NONE", 1
        place = {int(pts): i for i, pts in enumerate(video.pts)}
        packets = demux(container, [stream])
        position = 0
        try:
            for begin, end in _stretches(video, list(requested)):
                if begin - position > _SEEK_PACKETS:
                    container.seek(int(video.pts[begin]) + video.shift, stream=stream)
                    packets = demux(container, [stream])
                for packet in packets:
                    if not packet.size:
                        break
                    packet.pts -= video.shift
                    position = place[packet.pts]
                    if position < begin:
                        continue
                    needed = packet.pts in requested
                    decoder.skip_frame = "DEFAULT" if needed else "NONREF"
                    yield from decoder.decode(packet)
                    if position == end:
                        break
                yield from decoder.decode(None)
                decoder.flush_buffers()
        except (av.FFmpegError, KeyError, TypeError) as error:
            raise MediaError(f"{video.path} cannot be decoded to its end.") from error


def _rows(frame: Any, first: int, last: int) -> Any:
    """Rows of a planar 4:2:0 frame as a frame of their own; None for other formats."""
    import av

    if frame.format.name not in ("yuv420p", "yuvj420p") or last % 2 or first % 2:
        return None
    part: Any = av.VideoFrame(frame.width, last - first, frame.format.name)
    for plane, (source, target) in enumerate(zip(frame.planes, part.planes, strict=True)):
        share = 2 if plane else 1
        width = -(-frame.width // share)
        rows = np.frombuffer(source, np.uint8).reshape(-1, source.line_size)
        into = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
        into[: (last - first) // share, :width] = rows[first // share : last // share, :width]
    part.colorspace, part.color_range = frame_matrix(frame), frame.color_range
    part.color_primaries, part.color_trc = frame.color_primaries, frame.color_trc
    return part
