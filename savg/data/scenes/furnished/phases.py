"""Which phase of an action shows a moment (see `sprites.ActionInfo`); walking follows the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.furnished.sprites import ActionInfo
from savg.data.scenes.people import bow_position, pitch_at, strike
from savg.data.scenes.scene import Note

Array = NDArray[np.floating]

GESTURES = 1.9
"""Gestures a second of people who speak."""
QUIET = 0.08
"""Loudness (0..1) below which their hands rest."""
STANCE = 7.0
"""Seconds for which idle people keep a stance."""


def phase_at(
    info: ActionInfo, action: str, times: Array, voice: Array, notes: tuple[Note, ...]
) -> NDArray[np.int64]:
    """The phase at each of `times` [F] (s).

    Args:
        info: the action's, of the bank.
        action: its name. Speaking gestures while `voice` is loud, instruments follow `notes`, all else
            keeps a stance for seconds.
        voice: loudness 0..1 [F].
        notes: what an instrument plays.
    """
    times = np.asarray(times, float)
    if info.strokes * info.pitches > 1:
        return _playing(info, action, times, notes)
    if action.endswith("speak"):
        gesture = 1 + np.floor(times * GESTURES).astype(np.int64) % max(info.phases - 1, 1)
        return np.where(np.asarray(voice) > QUIET, gesture, 0) % info.phases
    return np.floor(times / STANCE).astype(np.int64) % info.phases


def _playing(
    info: ActionInfo, action: str, times: Array, notes: tuple[Note, ...]
) -> NDArray[np.int64]:
    """Phase of a player: place of the bow; which hand strikes; how far the plectrum is from a note."""
    away = strike(times, notes)
    if action == "violin":
        share = bow_position(times, notes)
    elif action in ("keyboard", "drum", "piano", "xylophone"):
        starts = np.array([note.start for note in notes])
        hand = np.searchsorted(starts, times + 0.08) % 2
        share = np.where(away > 0.6, 0.5, hand.astype(float))
    else:
        share = away
    stroke = np.rint(share * (info.strokes - 1)).astype(np.int64)
    pitch = np.rint((pitch_at(times, notes) + 1) / 2 * (info.pitches - 1)).astype(np.int64)
    return stroke * info.pitches + pitch
