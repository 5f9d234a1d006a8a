"""How audio of one, three or more channels, or first-order Ambisonics, becomes stereo: left is left.

Mono goes to both channels as it is. Loudspeaker layouts (2.1 … 22.2) are mixed down as ITU-R BS.775
and FFmpeg do: front left and right as they are; the centre and what stands left or right of the front
pair at −3 dB; the middle of the back at −6 dB on both sides; low-frequency channels are left out.
Where the sum would clip, the whole clip is made quieter. Ambisonics is decoded as the benchmark's data
were [S1]: left = W + Y, right = W − Y.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError, SavgError

_HALF_POWER = math.sqrt(0.5)

AMBISONICS = {
    "acn-sn3d": (1.0, 1, 1.0),
    "acn-n3d": (1.0, 1, 1 / math.sqrt(3)),
    "fuma": (math.sqrt(2), 2, 1.0),
}
"""Convention → gain of W (channel 0), number of channel Y, gain of Y. ACN is W, Y, Z, X; FuMa is
W, X, Y, Z with W at −3 dB."""

_LAYOUTS = {
    3: ("2.1", "FL FR LFE"),
    4: ("quad", "FL FR BL BR"),
    5: ("5.0", "FL FR FC BL BR"),
    6: ("5.1", "FL FR FC LFE BL BR"),
    7: ("6.1", "FL FR FC LFE BC SL SR"),
    8: ("7.1", "FL FR FC LFE BL BR SL SR"),
}
"""Channels → the layout where a file states none, and the names of its channels."""

_WHOLE = {"FL": 0, "FR": 1, "FLC": 0, "FRC": 1, "DL": 0, "DR": 1}
_LEFT = ["BL", "SL", "WL", "TFL", "TBL", "TSL", "BFL", "SDL", "SSL", "TTL"]
_RIGHT = ["BR", "SR", "WR", "TFR", "TBR", "TSR", "BFR", "SDR", "SSR", "TTR"]
_FRONT = ["FC", "TC", "TFC", "BFC"]
_BACK = ["BC", "TBC"]
_LOW = ["LFE", "LFE2"]


@dataclass(frozen=True)
class AudioRules:
    """What may become the stereo audio of a clip, beside stereo: mono and known layouts.

    ambisonic: the convention, one of AMBISONICS, of files whose audio is Ambisonics; None: none is,
    unless a file says so itself. silent: a video without audio is silent, not refused.

    Raises: SavgError for another convention.
    """

    ambisonic: str | None = None
    silent: bool = False

    def __post_init__(self) -> None:
        if self.ambisonic is not None and self.ambisonic not in AMBISONICS:
            known = ", ".join(AMBISONICS)
            raise SavgError(f"Ambisonics must be one of {known}, got {self.ambisonic!r}.")

    def rank(self, channels: int) -> int:
        """Which of several tracks comes first, by channels; the lowest does."""
        if self.ambisonic is not None:
            return int(not _is_ambisonic(channels))
        return {2: 0, 1: 2, 0: 3}.get(channels, 1)


def stereo_first(channels: int) -> int:
    """As `AudioRules.rank`, where only stereo will do."""
    return int(channels != 2)


def stereo_gains(names: Sequence[str], ambisonic: str | None, path: Path) -> NDArray[np.float64]:
    """The gains [2, channels] of three or more channels, by their names as FFmpeg's.

    Args:
        ambisonic: a convention, or None.
        path: of the file, for messages.

    Raises:
        MediaError: a layout that cannot be mixed down, or no Ambisonics where a convention is told.
    """
    gains = np.zeros((2, len(names)))
    convention = ambisonic or ("acn-sn3d" if _says_ambisonic(names) else None)
    if convention is not None:
        if not _is_ambisonic(len(names)):
            raise MediaError(
                f"{path} has {_count(len(names))}: expected first-order Ambisonics (4)."
            )
        w, place, y = AMBISONICS[convention]
        gains[:, 0], gains[:, place] = w, (y, -y)
        return gains
    for column, name in enumerate(_named(names, path)):
        gains[:, column] = _speaker(name)
    return gains


def note_of(layout: str, names: Sequence[str], rules: AudioRules, path: Path) -> str:
    """A sentence on what becomes of audio of a layout; "" for stereo. Raises as `stereo_gains`.

    layout: its name as FFmpeg's; names: of its channels.
    """
    if not names:
        return "No audio: read as silent."
    if rules.ambisonic is None and len(names) <= 2:
        return "" if len(names) == 2 else "Mono: both channels are the same."
    stereo_gains(names, rules.ambisonic, path)
    if rules.ambisonic or _says_ambisonic(names):
        convention = rules.ambisonic or "acn-sn3d, as the file says"
        return f"Ambisonics ({convention}) decoded: left = W + Y, right = W − Y."
    known = _LAYOUTS.get(len(names)) if _is_unstated(names) else None
    what = (
        f"{len(names)} channels without a stated layout, taken as {known[0]}," if known else layout
    )
    low = ", low-frequency channel left out" if set(_named(names, path)) & set(_LOW) else ""
    hint = " If it is Ambisonics, say so with --ambisonic." if len(names) == 4 else ""
    return f"{what} mixed down to stereo (centre and surrounds −3 dB{low}).{hint}"


def _named(names: Sequence[str], path: Path) -> list[str]:
    """The channels' names, those of the usual layout where a file states none."""
    if _is_unstated(names) and len(names) in _LAYOUTS:
        return _LAYOUTS[len(names)][1].split()
    if not set(names) <= {*_WHOLE, *_LEFT, *_RIGHT, *_FRONT, *_BACK, *_LOW}:
        raise MediaError(
            f"{path} has {_count(len(names))} of an unknown layout: expected mono, stereo, up to 7.1, "
            "or first-order Ambisonics where told."
        )
    return list(names)


def _speaker(name: str) -> tuple[float, float]:
    """Gains to left and right of a loudspeaker."""
    if name in _WHOLE:
        return (1.0, 0.0) if _WHOLE[name] == 0 else (0.0, 1.0)
    if name in _LEFT or name in _RIGHT:
        return (_HALF_POWER, 0.0) if name in _LEFT else (0.0, _HALF_POWER)
    if name in _LOW:
        return 0.0, 0.0
    gain = _HALF_POWER if name in _FRONT else 0.5
    return gain, gain


def _is_unstated(names: Sequence[str]) -> bool:
    return all(name == "NONE" for name in names)


def _says_ambisonic(names: Sequence[str]) -> bool:
    return len(names) > 2 and all(name == f"AMBI{i}" for i, name in enumerate(names))


def _is_ambisonic(channels: int) -> bool:
    """Whether there are as many channels as Ambisonics of an order from 1 on has."""
    return channels >= 4 and math.isqrt(channels) ** 2 == channels


def _count(channels: int) -> str:
    return f"{channels} audio channel{'s' * (channels != 1)}"
