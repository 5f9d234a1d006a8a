"""A clip read from a video file of any common kind: frames at the times of a format, and its audio."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import AudioTrack, fit_length, shifted
from savg.media.container import find_stream, open_container, refuse_large, stated_seconds
from savg.media.frames import LATE, DecodedFrame, decode_packets, fit_frame

_log = logging.getLogger(__name__)

LARGE_PIXELS = 2560 * 1440
"""Larger frames take noticeably long to decode, which is logged."""

MAX_SECONDS = 60.0
"""Seconds of the longest file that becomes a clip."""

_PRIMING = 0.05
"""Seconds decoded beyond the clip, for codecs that start with padding; smaller differences between
the starts of frames and audio are not corrected."""

_GRACE = 0.5
"""Seconds by which a file may be longer than allowed."""


def read_clip(
    path: Path, format: ClipFormat, max_seconds: float | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], ClipFormat]:
    """Frames [frames, size, size, 3], audio [2, samples] and their format; see `Clip.read`."""
    limit = min(max_seconds or MAX_SECONDS, MAX_SECONDS)
    with open_container(path) as container:
        video, audio = _streams(container, path)
        seconds = stated_seconds(container, video)
        if seconds is not None and seconds > limit + _GRACE:
            raise _too_long(path, seconds, limit)
        needed = format.seconds if max_seconds is None else limit + _GRACE
        frames, track = _FramesOnScreen(format, needed), AudioTrack(format.sample_rate)
        if not _decode(container, video, audio, frames, track):
            _refuse_cut_short(container, video, audio, frames, track, path)
        frames.finish()
        samples = _audio(track, frames.start, format.sample_rate, path)
    if not frames.images:
        raise MediaError(f"{path} has no frame that can be decoded.")
    if samples.shape[1] == 0:
        raise MediaError(f"{path} has an audio track without a single sample.")
    if max_seconds is not None:
        if frames.last > limit + _GRACE:
            raise _too_long(path, frames.last, limit)
        end = min(limit, max(frames.end, samples.shape[1] / format.sample_rate))
        format = format.with_frames(max(1, round(end * format.fps)))
    return frames.at_frame_times(format), fit_length(samples, format.samples), format


def _too_long(path: Path, seconds: float, limit: float) -> MediaError:
    return MediaError(f"{path} lasts {seconds:.0f} s: expected a clip of at most {limit:.0f} s.")


def _streams(container: Any, path: Path) -> tuple[Any, Any]:
    """The video and the audio stream; MediaError where they cannot become a clip."""
    streams: list[Any] = []
    for kind in ("video", "audio"):
        stream = find_stream(container, kind)
        if stream is None:
            raise MediaError(f"{path} has no {kind} track: expected a video with stereo audio.")
        streams.append(stream)
    video, audio = streams
    if video.codec_context is None or audio.codec_context is None:
        raise MediaError(f"{path} uses a codec that cannot be read.")
    if not video.width or not video.height:
        raise MediaError(f"{path} has no frame that can be decoded.")
    refuse_large(video, path)
    if audio.channels != 2:
        raise MediaError(
            f"{path} has {audio.channels} audio channel{'s' * (audio.channels != 1)}: "
            "expected stereo (2)."
        )
    if video.width * video.height > LARGE_PIXELS:
        _log.warning(
            "%s has frames of %d×%d, which are made smaller.", path, video.width, video.height
        )
    return video, audio


class _FramesOnScreen:
    """The frames that are on screen at the times of output frames, up to `seconds`.

    images: those that output frames need; the others are dropped unconverted, so a 60 fps file costs
    little memory. start: of the first frame, in the file's own time; last, end: when the last one
    begins and ends.
    """

    def __init__(self, format: ClipFormat, seconds: float) -> None:
        self.format, self.seconds = format, seconds
        self.images: list[NDArray[np.uint8]] = []
        self.begins: list[float] = []
        self.start: float | None = None
        self.last = self.end = 0.0
        self._current: DecodedFrame | None = None

    def add(self, frame: DecodedFrame) -> None:
        """The next frame, which ends the time of the one before."""
        self.start = frame.time if self.start is None else self.start
        self.last, self.end = max(self.last, frame.begin), max(self.end, frame.end)
        self.finish(frame.begin)
        if frame.begin < self.seconds:
            self._current = frame

    def finish(self, until: float | None = None) -> None:
        """Store the current frame if it is on screen at the time of an output frame."""
        if self._current is None:
            return
        begin = self._current.begin
        first = np.ceil((begin - LATE) * self.format.fps) / self.format.fps
        if not self.images or first < (self.end if until is None else until) - LATE:
            self.images.append(fit_frame(self._current.rgb(), self.format))
            self.begins.append(begin)
        self._current = None

    def at_frame_times(self, format: ClipFormat) -> NDArray[np.uint8]:
        """The frame on screen at the start of each output frame; the last one stays."""
        times = np.arange(format.frames) / format.fps
        index = np.searchsorted(np.asarray(self.begins) - LATE, times, side="right") - 1
        return np.stack([self.images[i] for i in np.maximum(index, 0)])


def _decode(
    container: Any, video: Any, audio: Any, frames: _FramesOnScreen, track: AudioTrack
) -> bool:
    """Decode up to the end of `frames`; False if the file ends before."""
    seconds = frames.seconds
    lasts = 1.0 / float(video.average_rate or video.guessed_rate or frames.format.fps)
    for decoded in decode_packets(container, video, audio, lasts=lasts, threads=True):
        for part in decoded:
            if isinstance(part, DecodedFrame):
                frames.add(part)
                continue
            begin = track.note(part)
            if frames.start is None or track.seconds < seconds + _PRIMING + frames.start - begin:
                track.add(part)
        framed = frames.start is not None and frames.end >= seconds
        if framed and track.seconds >= seconds + _PRIMING:
            return True
    return False


def _refuse_cut_short(
    container: Any, video: Any, audio: Any, frames: _FramesOnScreen, track: AudioTrack, path: Path
) -> None:
    """Raise if a stream ended well before the length that the file states for it."""
    late = (track.begin or 0.0) - (frames.start or 0.0)
    whole = container.duration / 1e6 if container.duration else 0.0
    ends = [(max(frames.end - min(late, 0.0), track.seconds + max(late, 0.0)), whole)]
    for stream, reached in ((video, frames.end), (audio, track.seconds)):
        if stream.duration and stream.time_base:
            ends.append((reached, float(stream.duration * stream.time_base)))
    for reached, stated in ends:
        if 0.0 < reached < 0.9 * min(stated, frames.seconds) - 0.25:
            raise MediaError(
                f"{path} is cut short: only {reached:.1f} of its {stated:.1f} s can be read."
            )


def _audio(
    track: AudioTrack, start: float | None, sample_rate: int, path: Path
) -> NDArray[np.float32]:
    """The track [2, T] from the first frame on, which begins at `start` in the file's own time."""
    audio = track.finish()
    if audio is None:
        return np.zeros((2, 0), np.float32)
    if not np.isfinite(audio).all():
        raise MediaError(f"{path} has audio with values that are not finite.")
    audio = np.clip(audio, -1.0, 1.0).astype(np.float32)
    late = (track.begin or 0.0) - (start or 0.0)
    if abs(late) < _PRIMING or not audio.shape[1]:
        return audio
    return shifted(audio, round(late * sample_rate))
