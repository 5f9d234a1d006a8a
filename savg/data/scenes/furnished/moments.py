"""What each person of a scene looks like at each time: action, phase, turn and mouth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.furnished.phases import phase_at
from savg.data.scenes.furnished.sprites import bank
from savg.data.scenes.furnished.stamps import Moment
from savg.data.scenes.people import walking, wave
from savg.data.scenes.scene import Note, Person

SPOKEN = (0.12, 0.5)
"""Loudness (0..1) from which a mouth is half and fully open."""
LOOKING = 0.6
"""Share of a person's turn that a speaking or playing one takes."""


def moments(
    person: Person,
    times: NDArray[np.floating],
    voice: NDArray[np.floating],
    notes: tuple[Note, ...],
) -> list[Moment]:
    """The sprites [F] of a person at `times`; voice: how loudly they speak, 0..1 [F]."""
    times = np.asarray(times, float)
    actions = bank().actions
    ground = person.track.at(times)
    stride, direction = walking(person, times, ground)
    mouths = np.searchsorted(SPOKEN, voice, side="right")
    still = person.instrument or {"speak": "speak"}.get(person.action, "idle")
    if person.seated and not person.instrument:
        still = f"sit_{still}"
    share = LOOKING if person.action != "idle" else 1.0
    turns = share * person.turn + 4 * wave(times, person.phase, 0.2)
    phases = phase_at(
        actions[still], still, times + person.phase, voice, _later(notes, person.phase)
    )
    steps = actions["walk"].phases
    found = []
    for frame in range(len(times)):
        action, phase, turn = still, int(phases[frame]), float(turns[frame])
        if stride[frame] > 0:
            action, turn = "walk", float(direction[frame])
            phase = int(stride[frame] / (2 * np.pi) * steps) % steps
        info = actions[action]
        found.append(
            Moment(
                person.look.figure,
                person.look.variant,
                action,
                phase % info.phases,
                info.nearest_turn(turn),
                int(mouths[frame]),
            )
        )
    return found


def _later(notes: tuple[Note, ...], seconds: float) -> tuple[Note, ...]:
    return tuple(Note(n.start + seconds, n.length, n.pitch, n.strength) for n in notes)
