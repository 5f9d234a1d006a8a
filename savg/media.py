"""Video and sound files, read and written with PyAV and soundfile.

Sound arrays are float32 [channels, samples], video arrays uint8 [frames, height, width, 3] RGB.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip, ClipFormat, fit_frame
from savg.errors import MediaError
from savg.paths import whole_file

if TYPE_CHECKING:
    import av

AUDIO_BIT_RATE = 192_000
"""Below 128 kbit/s AAC shrinks level differences between the channels."""

MAX_PIXELS = 4096 * 2304
"""Larger pictures are refused before they are decoded."""

MAX_SECONDS = 60.0
"""The longest file that becomes a clip, whatever is asked for."""

_PRIMING = 0.05
"""Seconds decoded beyond the clip, for codecs that start with padding."""


def read_clip(path: Path, form: ClipFormat, max_seconds: float | None) -> Clip:
    """See `Clip.read`."""
    with _open(path) as container:
        video = _only(container, "video", path)
        audio = _only(container, "audio", path)
        _check_streams(video, audio, path)
        seconds = _duration(container, video)
        limit = min(max_seconds or MAX_SECONDS, MAX_SECONDS)
        if seconds is not None and seconds > limit + 0.5:
            raise MediaError(
                f"{path} lasts {seconds:.0f} s: expected a clip of at most {limit:.0f} s."
            )
        wanted = limit if max_seconds is not None else form.seconds
        pictures, ends, sound = _decode(container, video, audio, form, wanted, path)
    if not pictures:
        raise MediaError(f"{path} has no frame that can be decoded.")
    if sound.shape[1] == 0:
        raise MediaError(f"{path} has an audio track without a single sample.")
    if max_seconds is not None:
        last = min(wanted, max(ends[-1], sound.shape[1] / form.sample_rate))
        form = form.with_frames(max(1, round(last * form.fps)))
    return Clip(_at_frame_times(pictures, ends, form), _fit_length(sound, form.samples), form)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import av

    if not path.is_file():
        raise MediaError(f"{path}: no such video file.")
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            yield container
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


def _duration(container: Any, video: Any) -> float | None:
    """The length in seconds as the file states it, or None."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return container.duration / 1e6 if container.duration else None


def _decode(
    container: Any, video: Any, audio: Any, form: ClipFormat, wanted: float, path: Path
) -> tuple[list[NDArray[np.uint8]], list[float], NDArray[np.float32]]:
    """Fitted pictures, the second at which each ends, and sound, both up to `wanted` seconds.

    Pictures that no output frame needs are dropped as they come, so a 60 fps file costs little
    memory.
    """
    import av

    video.thread_type = "AUTO"
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=form.sample_rate)
    rate = float(video.average_rate or video.guessed_rate or form.fps)
    pictures: list[NDArray[np.uint8]] = []
    ends: list[float] = []
    blocks: list[NDArray[np.float32]] = []
    heard, seen_until, start = 0, 0.0, None
    full = round((wanted + _PRIMING) * form.sample_rate)
    for packet in container.demux(video, audio):
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                time = float(frame.time) if frame.time is not None else seen_until
                start = time if start is None else start
                begin = max(time - start, 0.0)
                seen_until = begin + 1.0 / rate
                if begin < wanted and _needed(begin, seen_until, form.fps, len(pictures)):
                    pictures.append(fit_frame(_rgb(frame), form))
                    ends.append(seen_until)
            elif heard < full:
                for block in resampler.resample(frame):
                    blocks.append(block.to_ndarray())
                    heard += blocks[-1].shape[1]
        if heard >= full and seen_until >= wanted:
            break
    for block in resampler.resample(None):
        blocks.append(block.to_ndarray())
    sound = np.concatenate(blocks, axis=1) if blocks else np.zeros((2, 0), np.float32)
    if not np.isfinite(sound).all():
        raise MediaError(f"{path} has sound with values that are not finite.")
    return pictures, ends, np.clip(sound, -1.0, 1.0).astype(np.float32)


def _needed(begin: float, end: float, fps: int, taken: int) -> bool:
    """Whether a picture shown from `begin` to `end` is the one at some output frame's time."""
    first = int(np.ceil((begin - 1e-3) * fps))
    return taken == 0 or first / fps < end - 1e-3


def _rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return frame.to_ndarray(format="rgb24")


def _at_frame_times(
    pictures: list[NDArray[np.uint8]], ends: list[float], form: ClipFormat
) -> NDArray[np.uint8]:
    """The picture that is on screen at the start of each output frame; the last one stays."""
    times = np.arange(form.frames) / form.fps
    index = np.searchsorted(np.asarray(ends) - 1e-3, times, side="right")
    return np.stack([pictures[i] for i in np.minimum(index, len(pictures) - 1)])


def _fit_length(sound: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Sound [2, T] cut, or followed by silence, to `samples`."""
    fitted = np.zeros((2, samples), np.float32)
    length = min(samples, sound.shape[1])
    fitted[:, :length] = sound[:, :length]
    return fitted


def write_video(
    path: str | os.PathLike[str],
    video: NDArray[np.uint8],
    fps: int | Fraction,
    audio: NDArray[np.float32],
    sample_rate: int,
) -> None:
    """Write an mp4 with H.264 yuv420p pictures at exactly `fps` and AAC stereo sound.

    video uint8 [frames, height, width, 3], even sides; audio float32 [2, samples].
    """
    import av

    height, width = video.shape[1:3]
    with whole_file(path) as part:
        try:
            with av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
                pictures = container.add_stream("libx264", rate=Fraction(fps))
                pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
                pictures.options = {"crf": "16", "preset": "fast"}
                sound = container.add_stream("aac", rate=sample_rate, layout="stereo")
                sound.bit_rate = AUDIO_BIT_RATE
                for picture in video:
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                    container.mux(pictures.encode(frame))
                container.mux(pictures.encode(None))
                samples = np.ascontiguousarray(audio, np.float32)
                block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                block.sample_rate, block.pts = sample_rate, 0
                container.mux(sound.encode(block))
                container.mux(sound.encode(None))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


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
