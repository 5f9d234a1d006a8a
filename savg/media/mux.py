"""New audio for the frames of a video file, which stay as they are where browsers show them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.media.colour import ColourTags, recoded_tags, to_yuv420
from savg.media.container import demux, is_in_coded_order, open_container, video_stream
from savg.media.encode import AudioEncoder, Encoding, add_aac, add_h264, new_mp4
from savg.media.frames import LATE, Frame, decode, fit_image, frames_on_screen
from savg.media.orientation import StreamOrientation
from savg.media.probe import frame_rate, video_info
from savg.media.timeline import timed_packets
from savg.paths import atomic_file

MAX_FPS = 60
"""Frames a second of a file whose frames are coded anew, at most."""

MAX_SECONDS = 6 * 3600
"""Length of a video that gets new audio, at most: what one frame of an mp4 can last."""

AHEAD = 0.5
"""Seconds by which audio is ahead of the frames in a file, so that players read it in one go."""

_LATE_END = 0.04
"""Seconds by which the last frame of a copy may end early or late."""

_ROUNDING = 0.45
"""Periods by which frames may come late because time stamps are rounded, as in GIFs."""

Watch = Callable[[float], object]
"""Called with the seconds of video that are done; what it raises stops the work."""


def with_audio(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    audio: NDArray[np.float32],
    sample_rate: int,
    watch: Watch | None = None,
    comment: str = "",
) -> bool:
    """Write the frames of `source` with new audio as an mp4 that plays in browsers.

    Frames that browsers show as they are (H.264, 4:2:0, upright, of one size) are copied untouched.
    Others are coded anew as a player shows them, in their own size and at a rate that shows each in
    time (up to 60 a second; odd sides lose a line). Where the size changes midway, frames are fitted
    into the first one's. Whole or not at all.

    Args:
        audio: float32 [2, samples] in −1..1, channel 0 left, from the first frame on.
        watch: called with the seconds of video that are done; what it raises stops the writing.
        comment: words about the file, kept in its metadata in place of the source's.

    Returns:
        Whether the frames were copied untouched.

    Raises:
        MediaError: the source cannot be read.
        SavgError: the target cannot be written.
    """
    source = Path(source)
    seconds = video_info(source).seconds
    if seconds > MAX_SECONDS:
        raise MediaError(
            f"{source} lasts {seconds:.0f} s: expected a video of at most {MAX_SECONDS} s."
        )
    span = _copyable(source, seconds)
    if span is not None:
        try:
            _copy(source, target, span, audio, sample_rate, watch, comment)
            return True
        except _UnfitPacketError:
            pass
    _encode(source, target, audio, sample_rate, watch, comment)
    return False


def without_audio(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write the video stream of an mp4 of ours untouched, without its audio, whole or not at all.

    Raises:
        MediaError: the source cannot be read.
        SavgError: the target cannot be written.
    """
    source = Path(source)
    with open_container(source) as container, atomic_file(target) as part, new_mp4(part) as out:
        video = video_stream(container, source)
        stream = out.add_stream_from_template(video)
        for packet in demux(container, [video]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)


def _encode(
    source: Path,
    target: str | os.PathLike[str],
    audio: NDArray[np.float32],
    sample_rate: int,
    watch: Watch | None,
    comment: str,
) -> None:
    """Code the frames anew, each once, beside newly coded audio.

    Without B-frames: in mp4 a frame lasts until the next packet's dts, so that one that stays long must
    be followed by the packet of the one shown next.
    """
    rate = min(Fraction(MAX_FPS), frame_rate(source))
    with open_container(source) as container:
        video = video_stream(container, source)
        late = max(LATE, min(float(video.time_base), _ROUNDING / float(rate)))
        first = next(decode(container, video), None)
        if first is None:
            raise MediaError(f"{source} has no frame that can be decoded.")
        height, width = (side // 2 * 2 or 2 for side in first.rgb().shape[:2])
        colour = recoded_tags(first.raw, width, height)
    options = {**Encoding().video_options(), "bf": "0"}
    with atomic_file(target) as part, new_mp4(part, comment) as out:
        stream = add_h264(out, (width, height), rate, options, colour=colour)
        track = AudioEncoder(audio, sample_rate, add_aac(out, sample_rate))
        for packet in _coded(stream, frames_on_screen(source, rate, late), rate, colour, watch):
            out.mux(track.until(float(packet.pts / rate) + AHEAD))
            out.mux(packet)
        out.mux(track.until(None))


def _coded(
    stream: Any,
    frames: Iterable[tuple[Frame, int]],
    rate: Fraction,
    colour: ColourTags,
    watch: Watch | None,
) -> Iterator[Any]:
    """The packets of frames that are each on screen for a number of periods at `rate`."""
    begin, counts = 0, {}
    for frame, count in frames:
        if watch is not None:
            watch(float(begin / rate))
        coded = to_yuv420(_fitted(frame, stream.width, stream.height), colour)
        coded.pts, coded.time_base = begin, 1 / rate
        counts[begin] = count
        begin += count
        yield from _lasting(stream.encode(coded), counts)
    yield from _lasting(stream.encode(None), counts)


def _lasting(packets: Iterable[Any], counts: dict[int, int]) -> Iterator[Any]:
    for packet in packets:
        packet.duration = counts.pop(packet.pts)
        yield packet


def _fitted(image: Frame, width: int, height: int) -> Frame:
    """An image in a size; the line that an odd side has too many is left out."""
    over = image.shape[0] - height, image.shape[1] - width
    if all(lines in (0, 1) for lines in over):
        return image[:height, :width]
    return fit_image(image, width, height)


@dataclass(frozen=True)
class _Span:
    """A stream that can be copied: its number of packets, the first frame's time stamp, and for how
    long the last packet is shown, in the unit of time stamps."""

    packets: int
    begin: int
    last: int


def _copyable(path: Path, seconds: float) -> _Span | None:
    """The span of a video that browsers show as it is, and as our readers do; else None.

    Frames that an edit hides cannot be left out of a copy, and flipped and rotated ones would lose
    their orientation.
    """
    with open_container(path) as container:
        video = video_stream(container, path)
        codec = video.codec_context
        if codec.name != "h264" or codec.pix_fmt not in ("yuv420p", "yuvj420p"):
            return None
        if abs(float(video.sample_aspect_ratio or 1) - 1) > 1e-3:
            return None
        if is_in_coded_order(container, video) or not _plain(container, video):
            return None
    stamps: list[tuple[int, int]] = []
    with open_container(path) as container:
        video = video_stream(container, path)
        for packet in timed_packets(container, [video]):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.dts is None or packet.is_discard or packet.is_corrupt:
                return None
            if not packet.is_keyframe if not stamps else packet.dts <= stamps[-1][1]:
                return None
            stamps.append((packet.pts, packet.dts))
        unit = video.time_base
    return _span(stamps, seconds, unit) if stamps else None


def _plain(container: Any, video: Any) -> bool:
    """Whether all key frames, at which a stream may change, are upright and of one size and format."""
    video.codec_context.skip_frame = "NONKEY"
    orientation = StreamOrientation()
    kinds: set[tuple[int, int, str]] = set()
    for frame in chain.from_iterable(packet.decode() for packet in demux(container, [video])):
        if orientation.of(frame) or len(kinds) > 1:
            return False
        kinds.add((frame.width, frame.height, frame.format.name))
    return len(kinds) == 1


def _span(stamps: list[tuple[int, int]], end: float, unit: Fraction) -> _Span | None:
    """The span of packets (pts, dts) whose last frame stays until `end` seconds after the first begins.

    In mp4 a frame's own duration is the time to the next packet's dts, so that of the last frame can be
    set where its packet is the last one; None where another comes later and it would be wrong.
    """
    begin = min(stamps)[0]
    last = max(range(len(stamps)), key=lambda index: stamps[index][0])
    if last + 1 < len(stamps):
        stays = begin + end / unit - stamps[last][0]
        if abs(stamps[last + 1][1] - stamps[last][1] - stays) * unit > _LATE_END:
            return None
    rest = round(end / unit) - (stamps[-1][1] - stamps[0][1])
    return _Span(len(stamps), begin, rest) if rest > 0 else None


def _copy(
    source: Path,
    target: str | os.PathLike[str],
    span: _Span,
    audio: NDArray[np.float32],
    sample_rate: int,
    watch: Watch | None,
    comment: str,
) -> None:
    """Copy the packets of the frames, the first shown at 0 s, beside newly coded audio."""
    with atomic_file(target) as part, open_container(source) as container:
        video = video_stream(container, source)
        with new_mp4(part, comment) as out:
            frames = out.add_stream_from_template(video)
            track = AudioEncoder(audio, sample_rate, add_aac(out, sample_rate))
            packets = (packet for packet in timed_packets(container, [video]) if packet.size)
            for number, packet in enumerate(packets, 1):
                if number == span.packets:
                    packet.duration = span.last
                packet.pts -= span.begin
                packet.dts -= span.begin
                seconds = float(packet.pts * packet.time_base)
                if watch is not None:
                    watch(seconds)
                out.mux(track.until(seconds + AHEAD))
                packet.stream = frames
                _mux_copy(out, packet)
            out.mux(track.until(None))


class _UnfitPacketError(Exception):
    """A packet that an mp4 cannot hold as it is."""


def _mux_copy(out: Any, packet: Any) -> None:
    """Add a copied packet; _UnfitPacketError where it, and not the disk, is at fault."""
    import av

    try:
        out.mux(packet)
    except (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError) as error:
        raise _UnfitPacketError from error
