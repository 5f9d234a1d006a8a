"""The audio of video files: float32 [2, samples] in −1..1, channel 0 left.

Times count from the first frame of the video, where audio read from a file begins too.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.media.audio_file import check_rate
from savg.media.channels import stereo_gains
from savg.media.container import audio_streams, open_container, video_stream
from savg.media.frames import DecodedAudio, decode_packets

if TYPE_CHECKING:
    import av

_BEYOND = 0.1
"""Seconds decoded beyond the requested length."""

_AHEAD = 60.0
"""Seconds of audio that are read before the first frame, at most."""

_GAP = 0.005
"""Seconds by which blocks must be off, all in a row, for their time stamps to count."""

_RATES = 1_000, 1_000_000
"""Samples a second, least and most; at fewer, a few samples would become hours."""

_PLANES = 7
"""Channels in planes of their own that PyAV can read; at eight it reads a ninth, and crashes."""

_ROW = 5
"""Blocks in a row; single ones may come a little early or late."""


@dataclass
class _Segment:
    """Audio without a gap: its parts [channels, T], the first at `begin` seconds in the file's time."""

    begin: float
    parts: list[NDArray[Any]] = field(default_factory=list)


class AudioTrack:
    """Decoded blocks of an audio stream, brought to one rate and sample format.

    Where time stamps leave a gap there is silence. Mono stays mono, more than two channels are mixed
    down; kind and rate may change midway.

    begin, end: seconds at which the audio added so far begins and ends in the file's own time, None
    before the first block; seconds: how much has been added.
    """

    def __init__(self, rate: int, sample_format: str = "fltp", *, mono: bool = True) -> None:
        self.begin: float | None = None
        self.end: float | None = None
        self.seconds = 0.0
        self._rate, self._format, self._mono = rate, sample_format, mono
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[object, ...] | None = None
        self._waiting: deque[tuple[float | None, av.AudioFrame]] = deque()
        self._position = 0.0
        self._segments: list[_Segment] = []

    def add(self, block: av.AudioFrame, time: float | None = None) -> None:
        """Append the next block, which begins at `time`; without one it follows the block before."""
        if self.begin is None or self.end is None:
            self.begin = self._position = self.end = time or 0.0
        seconds = _seconds(block)
        self.seconds += seconds
        self.end = max(self.end, (self.end if time is None else time) + seconds)
        self._waiting.append((time, block))
        if len(self._waiting) > _ROW:
            self._next()

    def joined(self) -> NDArray[Any] | None:
        """All samples [channels, T] one after the other, or None without a single block."""
        self.finish()
        parts = [part for segment in self._segments for part in segment.parts]
        if len({len(part) for part in parts}) > 1:
            parts = [np.broadcast_to(part, (2, part.shape[1])) for part in parts]
        return np.concatenate(parts, axis=1) if parts else None

    def samples(self, begin: float, count: int) -> NDArray[np.float32]:
        """The audio [2, count] from `begin` seconds on in the file's own time, after and amid silence.

        Mono goes to both channels as it is.
        """
        self.finish()
        audio = np.zeros((2, count), np.float32)
        for segment in self._segments:
            place = round((segment.begin - begin) * self._rate)
            for part in segment.parts:
                first, last = max(place, 0), min(place + part.shape[1], count)
                if first < last:
                    audio[:, first:last] = part[:, first - place : last - place]
                place += part.shape[1]
        return audio

    def _next(self) -> None:
        """Resample the first waiting block, in a segment of its own if it does not follow the last."""
        import av

        block = self._waiting[0][1]
        off = self._off()
        kind = block.format.name, block.layout.name, block.sample_rate
        if self._resampler is None or off or kind != self._kind:
            self._flush()
            self._position += off
            layout = "mono" if self._mono and block.layout.nb_channels == 1 else "stereo"
            self._resampler = av.AudioResampler(self._format, layout, self._rate)
            self._kind = kind
            self._segments.append(_Segment(self._position))
        self._waiting.popleft()
        self._position += _seconds(block)
        self._resample(block)

    def _off(self) -> float:
        """Seconds by which the waiting blocks come after the end of the last one; 0 for about none."""
        first, _ = self._waiting[0]
        if first is not None and abs(first - self._position) <= _GAP:
            return 0.0
        expected, offs = self._position, []
        for time, block in self._waiting:
            if time is not None:
                offs.append(time - expected)
            expected += _seconds(block)
        if not offs or (min(offs) <= _GAP and max(offs) >= -_GAP):
            return 0.0
        return min(offs) if min(offs) > _GAP else max(offs)

    def finish(self) -> None:
        """Resample what was added so far; nothing is added after it."""
        while self._waiting:
            self._next()
        self._flush()

    def _flush(self) -> None:
        if self._resampler is not None:
            self._resample(None)
        self._resampler = None

    def _resample(self, block: av.AudioFrame | None) -> None:
        assert self._resampler is not None
        parts = [planar(part) for part in self._resampler.resample(block) if part is not None]
        self._segments[-1].parts += parts


def _seconds(block: av.AudioFrame) -> float:
    return block.samples / block.sample_rate if block.sample_rate else 0.0


def planar(block: av.AudioFrame) -> NDArray[Any]:
    """The samples of a block in its own number format [channels, T]."""
    if block.format.is_planar and block.layout.nb_channels > _PLANES:
        block = _packed(block)
    samples = block.to_ndarray()
    return samples if block.format.is_planar else samples.reshape(-1, block.layout.nb_channels).T


def _packed(block: av.AudioFrame) -> av.AudioFrame:
    """A block with its channels interleaved."""
    import av

    blocks = av.AudioResampler(block.format.packed.name, block.layout, block.sample_rate)
    (packed,) = [part for part in blocks.resample(block) if part is not None]
    return packed


def full_scale_samples(block: av.AudioFrame) -> NDArray[np.float32]:
    """The samples of a block [channels, T], whatever its number format, full scale 1."""
    samples = planar(block)
    if samples.dtype.kind in "iu":
        largest = float(np.iinfo(samples.dtype).max) + 1
        offset = largest / 2 if samples.dtype.kind == "u" else 0.0
        return ((samples - offset) / (largest - offset)).astype(np.float32)
    return np.asarray(samples, np.float32)


def stereo_block(block: av.AudioFrame, ambisonic: str | None, path: Path) -> av.AudioFrame:
    """A block of three or more channels as stereo, see `savg.media.channels`; others as they are.

    Args:
        ambisonic: convention of Ambisonics, or None.
        path: of the file, for messages.

    Raises:
        MediaError: a layout that cannot be mixed down.
    """
    import av

    names = [channel.name for channel in block.layout.channels]
    if ambisonic is None and len(names) <= 2:
        return block
    mixed = stereo_gains(names, ambisonic, path) @ full_scale_samples(block)
    result = av.AudioFrame.from_ndarray(mixed.astype(np.float32), "fltp", "stereo")
    result.sample_rate = block.sample_rate
    return result


class SourceAudio:
    """The audio of a file's chosen streams: one of any kind, a mono one for each side, or none.

    ambisonic: convention of Ambisonics, or None. Where a mix to stereo would clip, all is quieter.
    """

    def __init__(
        self, streams: Sequence[Any], rate: int, path: Path, ambisonic: str | None = None
    ) -> None:
        self._tracks = {stream.index: AudioTrack(rate) for stream in streams}
        self._path, self._ambisonic, self._mixed = path, ambisonic, False

    @property
    def begin(self) -> float | None:
        """Seconds at which the first audio begins in the file's own time; None before it came."""
        return min((t.begin for t in self._tracks.values() if t.begin is not None), default=None)

    @property
    def end(self) -> float:
        """Seconds in the file's own time at which the last audio so far ends; 0 before any came."""
        return max((track.end or 0.0 for track in self._tracks.values()), default=0.0)

    def add(self, block: DecodedAudio, start: float | None) -> None:
        """Append the next block of its stream.

        start: of the first frame, in the file's own time, or None before it came. MediaError where that
        is too long after the audio's, and for a rate that no audio has.
        """
        check_rate(self._path, block.raw.sample_rate, _RATES)
        track = self._tracks[block.stream]
        stereo = stereo_block(block.raw, self._ambisonic, self._path)
        self._mixed = self._mixed or stereo is not block.raw
        track.add(stereo, block.time)
        if start is None and track.seconds > _AHEAD:
            raise MediaError(
                f"{self._path} has more than {_AHEAD:.0f} s of audio before its first frame."
            )

    def reaches(self, start: float, seconds: float) -> bool:
        """Whether all streams have been read up to `seconds` after `start`, in the file's own time."""
        tracks = self._tracks.values()
        return all(
            track.end is not None
            and (track.end >= start + seconds or track.seconds > seconds + _AHEAD)
            for track in tracks
        )

    def finish(self) -> None:
        """Resample what was added so far, while the file is open, so that it is named if that fails."""
        for track in self._tracks.values():
            track.finish()

    def samples(self, begin: float, count: int) -> NDArray[np.float32]:
        """The audio [2, count] from `begin` seconds on in the file's own time, with silence."""
        tracks = [track.samples(begin, count) for track in self._tracks.values()]
        if not tracks:
            return np.zeros((2, count), np.float32)
        audio = np.stack([tracks[0][0], tracks[-1][1]])
        peak = np.abs(audio).max(initial=0.0)
        return audio / peak if self._mixed and peak > 1.0 else audio


def audio_of(
    path: str | os.PathLike[str], seconds: float, sample_rate: int = 48_000
) -> NDArray[np.float32] | None:
    """A video's own audio [2, seconds · sample_rate] from its first frame on, or None if it has none.

    Of the default track that can be read, or of two mono ones marked left and right. Mono goes to both
    channels as it is, more than two are mixed down; what is missing is silence.

    Raises:
        MediaError: a file that cannot be read.
    """
    path = Path(path)
    with open_container(path) as container:
        streams = audio_streams(container)
        if not streams:
            return None
        if any(stream.codec_context is None for stream in streams):
            raise MediaError(f"{path} has audio of a kind that cannot be read.")
        source = SourceAudio(streams, sample_rate, path)
        start: float | None = None
        video = video_stream(container, path)
        decoded = decode_packets(container, video, streams, wanted=lambda: start is None)
        for part in chain.from_iterable(decoded):
            if isinstance(part, DecodedAudio):
                source.add(part, start)
            elif start is None:
                start = part.time
            if start is not None and source.reaches(start, seconds + _BEYOND):
                break
        source.finish()
    if source.begin is None:
        return None
    samples = source.samples(start or 0.0, round(seconds * sample_rate))
    return np.nan_to_num(samples).clip(-1, 1)
