"""Faults of stereo audio that no scene explains: a silent or missing channel, equal or opposite ones,
clipping, an offset. Audio is float [2, T] in −1..1, row 0 left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.audio.levels import part_powers
from savg.audio.stereo_measures import Likeness, active, ild, likeness

Audio = NDArray[np.floating]

KINDS = ("silent", "missing", "equal", "opposite", "clipping", "offset")
"""Kinds of faults, in the order in which they are found."""

MISSING_DB = 40.0
"""Decibels by which a channel that is missing is below the other one."""

OPPOSITE = -0.5
"""Correlation of the channels from which on down they are out of phase."""

FULL_SCALE = 0.9995
"""Size of a sample that may be clipped; `RUN` in a row are."""

RUN = 3
CLIPPED_SHARE = 1e-4
"""Share of a channel's samples that are clipped, from which it counts."""

OFFSET = 0.005
"""Mean of a channel, of full scale, from which it counts where it is a tenth of the RMS of the rest."""

_SIDES = ("left", "right")


@dataclass(frozen=True)
class Fault:
    """A fault of a clip's audio; kind: of KINDS; sentence: for people."""

    kind: str
    sentence: str


def channel_faults(audio: Audio, rate: int) -> list[Fault]:
    """The faults of audio; none for ordinary stereo."""
    if not active(part_powers(audio, rate, 10)).any():
        return [Fault("silent", "Both channels are silent."), *_offset(audio)]
    level, alike = ild(audio, rate), likeness(audio, rate)
    faults = []
    if abs(level) >= MISSING_DB:
        side = "right" if level > 0 else "left"
        faults.append(
            Fault("missing", f"The {side} channel is missing: {abs(level):.0f} dB below the other.")
        )
    else:
        faults += _alike(alike)
    return [*faults, *_clipping(audio), *_offset(audio)]


def _alike(alike: Likeness) -> list[Fault]:
    if alike.kind == "equal":
        return [Fault("equal", "Both channels are equal: this is mono (fake stereo).")]
    if alike.correlation > OPPOSITE:
        return []
    sentence = f"The channels are out of phase (correlation {alike.correlation:+.2f})."
    return [Fault("opposite", sentence)]


def clipped_share(channel: NDArray[np.floating]) -> float:
    """Share of samples [T] at full scale of one sign with `RUN` or more in a row."""
    count = 0
    for sign in (1, -1):
        loud = np.concatenate([[False], sign * channel >= FULL_SCALE, [False]])
        begins, ends = np.flatnonzero(np.diff(loud.astype(np.int8)) != 0).reshape(-1, 2).T
        lengths = ends - begins
        count += int(lengths[lengths >= RUN].sum())
    return count / max(len(channel), 1)


def _clipping(audio: Audio) -> list[Fault]:
    shares = [clipped_share(channel) for channel in audio]
    if max(shares) < CLIPPED_SHARE:
        return []
    parts = [f"{share:.2%} {side}" for share, side in zip(shares, _SIDES, strict=True)]
    return [Fault("clipping", f"Samples are clipped: {' and '.join(parts)}.")]


def _offset(audio: Audio) -> list[Fault]:
    faults = []
    for channel, side in zip(audio.astype(np.float64), _SIDES, strict=True):
        mean = float(channel.mean()) if len(channel) else 0.0
        if abs(mean) >= OFFSET and abs(mean) >= 0.1 * channel.std():
            sentence = f"The {side} channel is off zero by {mean:+.3f} of full scale (DC)."
            faults.append(Fault("offset", sentence))
    return faults
