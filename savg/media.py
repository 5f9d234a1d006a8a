"""Video and sound files, read and written with PyAV and soundfile.

Sound arrays are float32 [channels, samples], video arrays uint8 [frames, height, width, 3] RGB.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip, fit_frame
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.paths import whole_file

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

AUDIO_BIT_RATE = 192_000
"""Below 128 kbit/s AAC shrinks level differences between the channels."""

MAX_PIXELS = 4096 * 2304
"""Larger pictures are refused before they are decoded."""

LARGE_PIXELS = 2560 * 1440
"""Larger pictures take noticeably long to decode, which is said."""

MAX_SECONDS = 60.0
"""The longest file that becomes a clip, whatever is asked for."""

_PRIMING = 0.05
"""Seconds decoded beyond the clip, for codecs that start with padding; smaller differences between
the starts of picture and sound are not corrected."""

_GRACE = 0.5
"""Seconds by which a file may be longer than allowed."""

_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,"
    "wav,mp3,flac,aac,aiff",
}
"""Only self-contained files: a play list could make the decoder read other files or the network."""


def read_clip(path: Path, form: ClipFormat, max_seconds: float | None) -> Clip:
    """See `Clip.read`."""
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
    return Clip(pictures.at_frame_times(form), _fit_length(sound, form.samples), form)


def _too_long(path: Path, seconds: float, limit: float) -> MediaError:
    return MediaError(f"{path} lasts {seconds:.0f} s: expected a clip of at most {limit:.0f} s.")


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """A media file opened with PyAV; what goes wrong with it in the block becomes a MediaError."""
    import av

    if not path.is_file():
        raise MediaError(f"{path}: no such video file.")
    try:
        with av.open(str(path), metadata_errors="ignore", options=_OPEN_OPTIONS) as container:
            yield container
    except PermissionError as error:
        raise MediaError(f"{path} could not be opened: {error.strerror}.") from error
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} is not a video that can be read to its end.") from error


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


def as_arrays(blocks: Iterable[av.AudioFrame]) -> list[NDArray[np.float32]]:
    """Blocks of planar float sound as arrays [channels, samples]."""
    return [np.asarray(block.to_ndarray(), np.float32) for block in blocks]


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


def upright(frame: av.VideoFrame, aspect: float) -> NDArray[np.uint8]:
    """A picture in RGB as a player shows it: pixels made square, turned as the file says."""
    import cv2

    picture: NDArray[Any] = frame.to_ndarray(format="rgb24")
    if abs(aspect - 1.0) > 1e-3:
        width = max(1, round(picture.shape[1] * aspect))
        picture = cv2.resize(picture, (width, picture.shape[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90) % 4))


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


@dataclass(frozen=True)
class Encoding:
    """How clips are coded: x264's preset, quality (0 best … 51) and tuning, the sound's bits a second
    and options of FFmpeg's AAC encoder, and how many threads (0: as many as there are cores)."""

    preset: str = "fast"
    crf: int = 16
    tune: str | None = None
    audio_bit_rate: int = AUDIO_BIT_RATE
    audio_options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0

    def video_options(self) -> dict[str, object]:
        """x264's options."""
        options: dict[str, object] = {"crf": str(self.crf), "preset": self.preset}
        return options if self.tune is None else {**options, "tune": self.tune}


def write_video(
    path: str | os.PathLike[str],
    video: Iterable[NDArray[np.uint8] | av.VideoFrame],
    fps: int | Fraction,
    audio: NDArray[np.float32],
    sample_rate: int,
    encoding: Encoding | None = None,
) -> None:
    """Write an mp4 with H.264 yuv420p pictures at exactly `fps` and AAC stereo sound.

    video: pictures uint8 [height, width, 3] with even sides, an array or one after the other, or
    PyAV's frames; audio float32 [2, samples].
    """
    import av

    encoding = encoding or Encoding()
    frames = (_frame(picture) for picture in video)
    first = next(frames)
    with whole_file(path) as part:
        try:
            with av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
                pictures = container.add_stream("libx264", rate=Fraction(fps))
                pictures.width, pictures.height = first.width, first.height
                pictures.pix_fmt, pictures.options = "yuv420p", encoding.video_options()
                pictures.codec_context.thread_count = encoding.threads
                sound = container.add_stream("aac", rate=sample_rate, layout="stereo")
                sound.bit_rate = encoding.audio_bit_rate
                sound.options = {**encoding.audio_options}
                for frame in chain((first,), frames):
                    container.mux(pictures.encode(frame))
                container.mux(pictures.encode(None))
                samples = np.ascontiguousarray(audio, np.float32)
                block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                block.sample_rate, block.pts = sample_rate, 0
                container.mux(sound.encode(block))
                container.mux(sound.encode(None))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


def _frame(picture: NDArray[np.uint8] | av.VideoFrame) -> av.VideoFrame:
    """A picture as a frame whose time is yet open; frames may belong to several videos."""
    import av

    if isinstance(picture, np.ndarray):
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    picture.pts = None
    return picture


def read_audio(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """Sound [channels, samples] and its rate from a .wav or .flac file."""
    import soundfile

    try:
        data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise MediaError(f"{path} is not a sound file that can be read.") from error
    return np.ascontiguousarray(data.T), rate


def write_audio(path: str | os.PathLike[str], audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write sound [channels, samples] as 16-bit .wav or .flac, whole or not at all."""
    import soundfile

    suffix = Path(path).suffix.lower()
    if suffix not in (".wav", ".flac"):
        raise MediaError(f"{path}: sound is written as .wav or .flac, not {suffix or 'nothing'}.")
    with whole_file(path) as part:
        soundfile.write(part, np.asarray(audio).T, sample_rate, subtype="PCM_16")
