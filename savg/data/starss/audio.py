"""Ambisonics of a recording, decoded to stereo for any view.

First-order Ambisonics [S1, S2] (ACN/SN3D, W, Y, Z, X) is high-passed, resampled to the clips' rate and
amplified once for a recording; Z is not needed for views at elevation 0. Rotating by a view and
decoding (left = W + Y, right = W − Y after the rotation) are linear: a clip is a weighted sum.

The high-pass is a Butterworth filter of fourth order that runs forwards only. A filter that runs both
ways would keep waveforms in place, but ring before each onset, and it would need a whole recording in
memory; the delay of this one is the same in all channels, so levels and their differences between
left and right are untouched, and above twice the default cut-off it is below 1.2 ms.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.audio.resample import resample
from savg.data.starss.results import Construction
from savg.errors import MediaError
from savg.input_file import input_file
from savg.media.audio_file import check_rate

Samples = NDArray[np.float32]

FILTER_ORDER = 4
_CHANNELS = 4
_W, _Y, _X = 0, 1, 3
_BLOCK_SECONDS = 20
_FILTER_REACH = 10
"""scipy.signal.resample_poly's own filter reaches this many samples of the slower rate each way."""


@dataclass(frozen=True)
class AmbisonicsFile:
    """Header of an Ambisonics file; `seconds` is its length."""

    path: Path
    rate: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def open_audio(path: str | os.PathLike[str]) -> AmbisonicsFile:
    """The header of an Ambisonics file; MediaError where it is not audio of four channels."""
    import soundfile

    path = input_file(path, "audio file", MediaError)
    try:
        info = soundfile.info(os.fsencode(path))
    except (soundfile.LibsndfileError, OSError) as error:
        raise MediaError(f"{path} is not an audio file that can be read.") from error
    if info.channels != _CHANNELS:
        raise MediaError(
            f"{path} has {info.channels} channel{'s' * (info.channels != 1)}: "
            f"expected first-order Ambisonics ({_CHANNELS})."
        )
    if not info.frames:
        raise MediaError(f"{path} has no audio in it.")
    check_rate(path, int(info.samplerate))
    return AmbisonicsFile(path, int(info.samplerate), int(info.frames))


@dataclass(frozen=True, eq=False)
class RecordingAudio:
    """W, Y and X [3, T] of a recording at `rate`, filtered and amplified."""

    wyx: Samples
    rate: int

    def clip(self, start: int, view: float, samples: int) -> Samples:
        """Stereo [2, samples] of the view at azimuth `view` degrees, from sample `start` on.

        Silence beyond the end of the recording. Not clipped: samples may lie beyond ±1.
        """
        part = self.wyx[:, start : start + samples]
        angle = np.deg2rad(view)
        w, y, x = part
        side = np.float32(np.cos(angle)) * y - np.float32(np.sin(angle)) * x
        stereo = np.zeros((2, samples), np.float32)
        np.add(w, side, out=stereo[0, : part.shape[1]])
        np.subtract(w, side, out=stereo[1, : part.shape[1]])
        return stereo


def load_audio(
    file: AmbisonicsFile | str | os.PathLike[str], settings: Construction
) -> RecordingAudio:
    """Read, filter, resample and amplify a recording, a block at a time.

    Raises MediaError with one sentence for a file that cannot be read to its end.
    """
    file = file if isinstance(file, AmbisonicsFile) else open_audio(file)
    rate = settings.format.sample_rate
    ratio = Fraction(rate, file.rate)
    out = np.zeros((3, ceil(file.frames * ratio)), np.float32)
    gain = 10.0 ** (settings.gain_db / 20.0)
    reach = _context(ratio)
    buffer = np.zeros((3, 0))
    written, first = 0, 0
    for block, last in _filtered(file, settings.high_pass):
        buffer = np.concatenate([buffer, block], axis=1)
        until = out.shape[1] if last else (first + buffer.shape[1] - reach) * ratio // 1
        until = until if last else until - until % ratio.numerator
        if until <= written:
            continue
        at = written - int(first * ratio)
        resampled = resample(buffer, file.rate, rate)[:, at : at + until - written]
        out[:, written:until] = gain * resampled
        written = until
        drop = max(0, int(written / ratio) - reach - first)
        drop -= drop % ratio.denominator
        buffer, first = buffer[:, drop:], first + drop
    return RecordingAudio(out, rate)


def _context(ratio: Fraction) -> int:
    """Input samples on either side that an output sample depends on, rounded up generously."""
    slow = max(1, ceil(1 / ratio))
    reach = _FILTER_REACH * slow + slow
    return ceil(reach / ratio.denominator) * ratio.denominator


def _filtered(file: AmbisonicsFile, high_pass: float) -> Iterator[tuple[NDArray[np.float64], bool]]:
    """Blocks of W, Y and X after the high-pass, and whether each is the last."""
    import soundfile
    from scipy.signal import butter, sosfilt

    state = None
    if high_pass > 0.0:
        sections = butter(FILTER_ORDER, high_pass, "highpass", fs=file.rate, output="sos")
        state = np.zeros((len(sections), 3, 2))
    size = _BLOCK_SECONDS * file.rate
    frames = 0
    try:
        with soundfile.SoundFile(os.fsencode(file.path)) as source:
            while frames < file.frames:
                block = source.read(size, dtype="float32", always_2d=True)
                if len(block) == 0:
                    break
                frames += len(block)
                audio = block.T[[_W, _Y, _X]].astype(np.float64)
                if not np.isfinite(audio).all():
                    raise MediaError(f"{file.path} has audio with values that are not finite.")
                if state is not None:
                    audio, state = sosfilt(sections, audio, axis=1, zi=state)
                yield audio, frames >= file.frames
    except (soundfile.LibsndfileError, OSError) as error:
        raise MediaError(f"{file.path} cannot be read to its end.") from error
    if frames < file.frames:
        raise MediaError(
            f"{file.path} is cut short: only {frames / file.rate:.1f} of its {file.seconds:.1f} s "
            "can be read."
        )
