"""Opening files of unknown origin: accepted formats, the streams that count, and what they state."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from savg.errors import MediaError
from savg.input_file import input_file
from savg.media.colour import ColourError
from savg.media.file_name import ffmpeg_name

MAX_PIXELS = 4096 * 2304
"""Larger frames are refused before they are decoded."""

_MAX_DECODED = str(MAX_PIXELS * 5 // 4)
"""Larger ones are not decoded where a stream changes their size; codecs decode whole blocks."""

_IMAGES = "attached_pic", "timed_thumbnails", "still_image"
_SECONDARY = (
    "comment",
    "lyrics",
    "karaoke",
    "hearing_impaired",
    "visual_impaired",
    "clean_effects",
    "descriptions",
)
"""Dispositions of streams that stand for a file, and of those that are played on request."""

_SIDES = {"left": {"FL", "left", "l"}, "right": {"FR", "right", "r"}}
"""Channels and words in titles that mark a mono stream."""

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,"
    "wav,mp3,flac,aac,aiff",
}
"""Only self-contained files: a play list could make the decoder read other files or the network."""


@contextmanager
def open_container(
    path: Path, unreadable: str = "is not a video that can be read to its end"
) -> Iterator[Any]:
    """A media file opened with PyAV, safe for files of unknown origin.

    Args:
        unreadable: the message for a file in which anything goes wrong, after its path.

    Raises:
        MediaError: a file that cannot be opened, or read inside the block.
    """
    import av

    input_file(path, "video file", MediaError)
    try:
        with av.open(ffmpeg_name(path), metadata_errors="ignore", options=_OPTIONS) as container:
            yield container
    except PermissionError as error:
        raise MediaError(f"{path} could not be opened: {error.strerror}.") from error
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} {unreadable}.") from error
    except ColourError as error:
        raise MediaError(f"{path} {error}.") from error


def demux(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """The packets of streams in the file's order; the last ones are empty, as PyAV's.

    Those of streams that appear midway, at which PyAV stops, are left out.
    """
    while True:
        try:
            yield from container.demux(*streams)
            return
        except IndexError:
            continue


def is_in_coded_order(container: Any, video: Any) -> bool:
    """Whether time stamps count a stream's frames in the order in which they are coded, not shown.

    AVI has no others, so that the k-th frame shown has the k-th of them.
    """
    return container.format.name == "avi" and bool(video.codec_context.has_b_frames)


def find_stream(container: Any, kind: str) -> Any | None:
    """The stream of a kind, "video" or "audio", that a player would choose; None without one.

    The default one that can be decoded, else the first that can; comments, descriptions for the blind
    and the like come after all others; images that stand for a file are none.
    """
    return next(iter(_ranked(container, kind)), None)


def audio_streams(container: Any, rank: Callable[[int], int] | None = None) -> tuple[Any, ...]:
    """The audio of a file: no stream, one, or two mono ones that are marked left and right.

    rank: of a number of channels, of which the lowest comes first; two for such a pair.
    """
    ranked = _ranked(container, "audio")
    choices = [_with_partner(stream, ranked) for stream in ranked]
    if rank is not None:
        choices.sort(key=lambda streams: rank(sum(map(_channels, streams))))
    return choices[0] if choices else ()


def _ranked(container: Any, kind: str) -> list[Any]:
    def rank(stream: Any) -> tuple[bool, bool, bool]:
        unreadable = stream.codec_context is None or not (
            stream.width if kind == "video" else stream.channels
        )
        is_default = stream.disposition & stream.disposition.default
        return unreadable, _any_disposition(stream, _SECONDARY), not is_default

    streams = getattr(container.streams, kind)
    return sorted((s for s in streams if not _any_disposition(s, _IMAGES)), key=rank)


def _any_disposition(stream: Any, names: tuple[str, ...]) -> bool:
    return any(stream.disposition & getattr(stream.disposition, name) for name in names)


def _channels(stream: Any) -> int:
    return 0 if stream.codec_context is None else int(stream.channels)


def _with_partner(stream: Any, ranked: list[Any]) -> tuple[Any, ...]:
    """A stream, and the one of the other side where both are mono and marked left and right."""
    pair: dict[str | None, Any] = {_side(stream): stream}
    for other in ranked:
        pair.setdefault(_side(other), other)
    if _side(stream) and "left" in pair and "right" in pair:
        return pair["left"], pair["right"]
    return (stream,)


def _side(stream: Any) -> str | None:
    """The side, "left" or "right", that a mono stream is marked with."""
    if _channels(stream) != 1 or _any_disposition(stream, _SECONDARY):
        return None
    channel = stream.layout.channels[0].name if stream.layout.channels else ""
    title = " ".join(stream.metadata.get(key, "") for key in ("title", "handler_name"))
    words = {channel, *re.findall(r"\w+", title.lower())}
    sides = [side for side, marks in _SIDES.items() if words & marks]
    return sides[0] if len(sides) == 1 else None


def video_stream(container: Any, path: Path) -> Any:
    """The stream of a video's frames, which decodes none that are too large.

    MediaError for a file without frames, or with too large ones.
    """
    stream = find_stream(container, "video")
    if stream is None or stream.codec_context is None or not stream.width:
        raise MediaError(f"{path} has no frames that can be read: expected a video.")
    refuse_large(stream, path)
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": _MAX_DECODED}
    return stream


def refuse_large(video: Any, path: Path, aspect: float | None = None) -> None:
    """MediaError for frames of more than `MAX_PIXELS`, or of twice as many once pixels are square.

    Args:
        video: a stream or a frame.
        aspect: width over height of a frame's pixels, by default the stream's.
    """
    width, height = video.width, video.height
    if width * height > MAX_PIXELS:
        raise MediaError(f"{path} has frames of {width}×{height}: expected at most 4096×2304.")
    shown = round(width * float(aspect or video.sample_aspect_ratio or 1))
    if shown * height > 2 * MAX_PIXELS:
        raise MediaError(
            f"{path} has frames of {width}×{height} that are shown as {shown}×{height}: expected at "
            f"most {2 * MAX_PIXELS} pixels."
        )


def stated_seconds(stream: Any) -> float | None:
    """The length in seconds that a file states for a stream, from its begin on, or None.

    Lengths that are only estimated from time stamps, as in MPEG-TS, are not stated.
    """
    if may_jump(stream.container):
        return None
    if stream.container.format.name == "avi" and stream.type == "video" and stream.average_rate:
        # its duration is that of the rest
        return float(stream.frames / stream.average_rate) or None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    hours, minutes, seconds = tag.groups()
    end = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return max(end - max(float((stream.start_time or 0) * stream.time_base), 0.0), 0.0)


def whole_seconds(container: Any) -> float | None:
    """The length in seconds that a file states for all of it, or None where its streams state theirs.

    It counts from the begin of the first stream, and says nothing of a video and its audio where there
    is something else, such as subtitles.
    """
    streams = container.streams
    if len(streams) > len(streams.video[:1]) + len(streams.audio[:1]) or may_jump(container):
        return None
    if any(stated_seconds(stream) is not None for stream in streams):
        return None
    if not container.duration:
        return None
    return max(container.duration - max(container.start_time or 0, 0), 0) / 1e6


def refuse_cut_short(path: Path, reached: float, stated: float, needed: float = math.inf) -> None:
    """MediaError where only `reached` of the seconds that a file states could be read.

    Args:
        needed: seconds that were to be read.
    """
    if 0.0 < reached < 0.9 * min(stated, needed) - 0.25:
        raise MediaError(
            f"{path} is cut short: only {reached:.1f} of its {stated:.1f} s can be read."
        )


def may_jump(container: Any) -> bool:
    """Whether time stamps of the file's format may jump, as in MPEG-TS."""
    from av.format import Flags

    return bool(container.format.flags & Flags.ts_discont.value)


def nominal_rate(video: Any) -> Fraction | None:
    """Frames a second as the file states them, or on average where both are far apart; None for a
    file with neither.

    A file may state its last frame's length wrong, so the nominal rate counts where it is near the
    average.
    """
    nominal, average = video.guessed_rate, video.average_rate
    rate = Fraction(nominal or average or 0)
    if nominal and average and abs(nominal / average - 1) > 0.2:
        rate = Fraction(average)
    return (rate.limit_denominator(1001) if rate > 1 else rate) or None
