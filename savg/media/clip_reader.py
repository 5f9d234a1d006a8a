"""A clip read from a video file of any common kind: frames at the times of a format, and its audio."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import as_arrays
from savg.media.container import MAX_PIXELS, open_container
from savg.media.frames import fit_frame, upright

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)


LARGE_PIXELS = 2560 * 1440
"""Larger pictures take noticeably long to decode, which is said."""

MAX_SECONDS = 60.0
"""The longest file that becomes a clip, whatever is asked for."""

_PRIMING = 0.05
"""Seconds decoded beyond the clip, for codecs that start with padding; smaller differences between
the starts of picture and sound are not corrected."""

_GRACE = 0.5
"""Seconds by which a file may be longer than allowed."""


def read_clip(
    path: Path, form: ClipFormat, max_seconds: float | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], ClipFormat]:
    """Frames [frames, size, size, 3], audio [2, samples] and their format; see `Clip.read`."""
    limit = min(max_seconds or MAX_SECONDS, MAX_SECONDS)
    with open_container(path) as container:
        video = _only(container, "video", path)
        audio = _only(container, "audio", path)
        _check_streams(video, audio, path)
        seconds = _duration(container, video)
        if seconds is not None and seconds > limit + _GRACE:
            raise _too_long(path, seconds, limit)
        wanted = form.seconds if max_seconds is None else limit + _GRACE
        pictures = _Pictures(form, wanted)
        sound = _decode(container, video, audio, pictures, path)
    if not pictures.kept:
        raise MediaError(f"{path} has no frame that can be decoded.")
    if sound.shape[1] == 0:
        raise MediaError(f"{path} has an audio track without a single sample.")
    if max_seconds is not None:
        if pictures.last > limit + _GRACE:
            raise _too_long(path, pictures.last, limit)
        last = min(limit, max(pictures.end, sound.shape[1] / form.sample_rate))
        form = form.with_frames(max(1, round(last * form.fps)))
    return pictures.at_frame_times(form), _fit_length(sound, form.samples), form


def _too_long(path: Path, seconds: float, limit: float) -> MediaError:
    return MediaError(f"{path} lasts {seconds:.0f} s: expected a clip of at most {limit:.0f} s.")


def _only(container: Any, kind: str, path: Path) -> Any:
    """The first stream of a kind; album art is no video."""
    streams = [
        s
        for s in getattr(container.streams, kind)
        if not s.disposition & s.disposition.attached_pic
    ]
    if not streams:
        raise MediaError(f"{path} has no {kind} track: expected a video with stereo sound.")
    return streams[0]


def _check_streams(video: Any, audio: Any, path: Path) -> None:
    if video.codec_context is None or audio.codec_context is None:
        raise MediaError(f"{path} uses a codec that cannot be read.")
    if not video.width or not video.height:
        raise MediaError(f"{path} has no frame that can be decoded.")
    if video.width * video.height > MAX_PIXELS:
        raise MediaError(
            f"{path} has pictures of {video.width}×{video.height}: expected at most 4096×2304."
        )
    if audio.channels != 2:
        raise MediaError(
            f"{path} has {audio.channels} audio channel{'s' * (audio.channels != 1)}: "
            "expected stereo (2)."
        )
    if video.width * video.height > LARGE_PIXELS:
        _log.warning(
            "%s has pictures of %d×%d, which are made smaller.", path, video.width, video.height
        )


def _duration(container: Any, video: Any) -> float | None:
    """The length in seconds as the file states it, or None."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return container.duration / 1e6 if container.duration else None


class _Pictures:
    """The pictures that are on screen at the times of output frames, up to `wanted` seconds.

    A picture stays until the next one comes, whatever the file's frame rate says; those that no
    output frame needs are dropped unconverted, so a 60 fps file costs little memory.
    """

    def __init__(self, form: ClipFormat, wanted: float) -> None:
        self.form, self.wanted = form, wanted
        self.kept: list[NDArray[np.uint8]] = []
        self.begins: list[float] = []
        self.start: float | None = None
        self.last = self.end = 0.0
        self._held: tuple[float, Any] | None = None

    def add(self, frame: av.VideoFrame, seconds: float, shape: Callable[..., Any]) -> None:
        """The next picture, its own length if nothing follows, and how to bring it upright."""
        time = float(frame.time) if frame.time is not None else (self.start or 0.0) + self.end
        self.start = time if self.start is None else self.start
        begin = max(time - self.start, 0.0)
        self.last, self.end = max(self.last, begin), max(self.end, begin + seconds)
        self.finish(begin)
        if begin < self.wanted:
            self._held = begin, lambda: fit_frame(shape(frame), self.form)

    def finish(self, until: float | None = None) -> None:
        """Keep the picture shown up to now, if an output frame falls on it."""
        if self._held is None:
            return
        begin, convert = self._held
        first = np.ceil((begin - 1e-3) * self.form.fps) / self.form.fps
        if not self.kept or first < (self.end if until is None else until) - 1e-3:
            self.kept.append(convert())
            self.begins.append(begin)
        self._held = None

    def at_frame_times(self, form: ClipFormat) -> NDArray[np.uint8]:
        """The picture on screen at the start of each output frame; the last one stays."""
        times = np.arange(form.frames) / form.fps
        index = np.searchsorted(np.asarray(self.begins) - 1e-3, times, side="right") - 1
        return np.stack([self.kept[i] for i in np.maximum(index, 0)])


def _decode(
    container: Any, video: Any, audio: Any, pictures: _Pictures, path: Path
) -> NDArray[np.float32]:
    """Fill `pictures` and return sound [2, T] from the first picture on, up to what is wanted."""
    import av

    video.thread_type = "AUTO"
    sample_rate, wanted = pictures.form.sample_rate, pictures.wanted
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=sample_rate)
    seconds = 1.0 / float(video.average_rate or video.guessed_rate or pictures.form.fps)
    shape = partial(upright, aspect=float(video.sample_aspect_ratio or 1.0))
    blocks: list[NDArray[np.float32]] = []
    began: float | None = None
    heard = 0.0
    for packet in container.demux(video, audio):
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                pictures.add(frame, seconds, shape)
                continue
            began = float(frame.time or 0.0) if began is None else began
            if pictures.start is None or heard < wanted + _PRIMING + pictures.start - began:
                blocks += as_arrays(resampler.resample(frame))
                heard += frame.samples / frame.sample_rate
        if pictures.start is not None and pictures.end >= wanted and heard >= wanted + _PRIMING:
            break
    else:
        late = (began or 0.0) - (pictures.start or 0.0)
        _refuse_cut_short(container, video, audio, pictures.end, heard, late, wanted, path)
    pictures.finish()
    blocks += as_arrays(resampler.resample(None))
    sound = np.concatenate(blocks, axis=1) if blocks else np.zeros((2, 0), np.float32)
    if not np.isfinite(sound).all():
        raise MediaError(f"{path} has sound with values that are not finite.")
    sound = np.clip(sound, -1.0, 1.0).astype(np.float32)
    return _shifted(sound, (began or 0.0) - (pictures.start or 0.0), sample_rate)


def _refuse_cut_short(
    container: Any,
    video: Any,
    audio: Any,
    seen: float,
    heard: float,
    late: float,
    wanted: float,
    path: Path,
) -> None:
    """Raise if a track ended well before the length that the file states for it, in seconds."""
    whole = container.duration / 1e6 if container.duration else 0.0
    tracks = [(max(seen - min(late, 0.0), heard + max(late, 0.0)), whole)]
    for stream, reached in ((video, seen), (audio, heard)):
        if stream.duration and stream.time_base:
            tracks.append((reached, float(stream.duration * stream.time_base)))
    for reached, stated in tracks:
        if 0.0 < reached < 0.9 * min(stated, wanted) - 0.25:
            raise MediaError(
                f"{path} is cut short: only {reached:.1f} of its {stated:.1f} s can be read."
            )


def _shifted(sound: NDArray[np.float32], late: float, sample_rate: int) -> NDArray[np.float32]:
    """Sound that starts `late` seconds after the first picture (or before it, if negative)."""
    samples = round(late * sample_rate)
    if abs(late) < _PRIMING or not sound.shape[1]:
        return sound
    return sound[:, -samples:] if samples < 0 else np.pad(sound, ((0, 0), (samples, 0)))


def _fit_length(sound: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Sound [2, T] cut, or followed by silence, to `samples`."""
    fitted = np.zeros((2, samples), np.float32)
    length = min(samples, sound.shape[1])
    fitted[:, :length] = sound[:, :length]
    return fitted
