"""What StereoSync follows in a window: a person's boxes, the level of audio, and what sounds.

Level and embedding are of the mono mix (L + R) / 2, which does not tell where a source is: with
left = W (1 + sin θ) and right = W (1 − sin θ) it is W [S1]. Direction is left to the boxes.

Shapes: F boxes and L latents of a window, T samples.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from savg.audio.envelope import rms_envelope
from savg.detectors.tracking import Track
from savg.models.mmaudio_lengths import SequenceLengths

Array = NDArray[np.float32]

RANGE = 80.0
"""dB below full scale that are told apart."""

HOPS = 4
"""Of an RMS window, as in the published envelope: 512 samples every 128 [S3]."""


def mono(audio: Array) -> Array:
    """The mean of the channels [T] of audio [channels, T]."""
    return np.asarray(audio.mean(axis=0), np.float32)


def level_values(rms: NDArray[np.floating]) -> Array:
    """RMS levels of full scale as 0 (80 dB below it) to 1."""
    decibels = 20 * np.log10(np.maximum(rms, 10 ** (-RANGE / 20)))
    return (decibels / RANGE + 1).clip(0, 1).astype(np.float32)


def envelope_of(audio: Array, lengths: SequenceLengths, channels: int) -> Array:
    """The envelope [channels, L] of a window's mono audio [T] at the latents' times.

    The levels of channels − 1 hops of each latent, then 1: there is an envelope. T is cut, or followed
    by silence.
    """
    return of_levels(
        rms_envelope(_filled(audio, lengths)[None], *envelope_hops(lengths, channels)), lengths
    )


def drawn_envelope(
    level: Callable[[NDArray[np.float64]], NDArray[np.floating]],
    start: float,
    lengths: SequenceLengths,
    channels: int,
) -> Array:
    """The envelope [channels, L] of levels of full scale at times in seconds; start: of the window."""
    hop = envelope_hops(lengths, channels)[1]
    times = start + (np.arange(lengths.latent * (channels - 1)) + 0.5) * hop / lengths.sample_rate
    return of_levels(level(times)[None], lengths)


def of_levels(rms: NDArray[np.floating], lengths: SequenceLengths) -> Array:
    """RMS levels [1, L · hops] as an envelope [hops + 1, L]."""
    values = level_values(rms[0]).reshape(lengths.latent, -1).T
    return np.concatenate([values, np.ones((1, lengths.latent), np.float32)])


def envelope_hops(lengths: SequenceLengths, channels: int) -> tuple[int, int]:
    """Samples of an envelope's RMS window and of a hop. ValueError where hops do not fill a latent."""
    samples = lengths.samples // lengths.latent
    if channels < 2 or samples % (channels - 1):
        raise ValueError(
            f"envelope must have one channel more than hops that fill {samples} samples, got {channels}"
        )
    hop = samples // (channels - 1)
    return HOPS * hop, hop


def _filled(audio: Array, lengths: SequenceLengths) -> Array:
    cut = audio[: lengths.samples]
    return np.pad(cut, (0, lengths.samples - len(cut)))


def boxes_of(person: Track, fps: Fraction, start: float, seconds: float, frames: int) -> Array:
    """Boxes [frames, 4] of a tracked person in a window, in pixels; NaN where the person is unseen.

    Args:
        fps: of the track's frame numbers.
        start, seconds: of the window, whose boxes are at the middles of `frames` equal parts.
    """
    times = start + (np.arange(frames) + 0.5) * seconds / frames
    numbers = np.floor(times * float(fps)).astype(np.int64)
    places = numbers - person.frames[0]
    inside = (places >= 0) & (places < len(person.frames))
    boxes = np.full((frames, 4), np.nan, np.float32)
    boxes[inside] = person.xyxy[places[inside]]
    return boxes
