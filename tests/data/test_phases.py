"""Phases of actions follow voices and notes."""

from __future__ import annotations

import numpy as np
import pytest

from savg.data.scenes.furnished.phases import phase_at
from savg.data.scenes.furnished.sprites import ActionInfo
from savg.data.scenes.scene import Note

NOTES = (Note(1.0, 0.5, 60, 1.0), Note(2.0, 0.5, 67, 1.0))
FRONT = (0,)


def test_hands_rest_in_pauses_and_gesture_with_the_voice() -> None:
    info = ActionInfo(7, FRONT, True)
    times = np.arange(0, 10, 0.25)
    loud = (times > 4).astype(float)
    phases = phase_at(info, "speak", times, loud, ())
    assert not phases[loud == 0].any()
    assert set(phases[loud == 1]) == {1, 2, 3, 4, 5, 6}


def test_stances_last_for_seconds() -> None:
    phases = phase_at(ActionInfo(3, FRONT, True), "idle", np.arange(0, 42, 0.25), np.zeros(168), ())
    changes = np.flatnonzero(np.diff(phases))
    assert set(phases) == {0, 1, 2} and np.diff(changes).min() * 0.25 >= 5


def test_a_guitar_is_struck_where_a_note_begins_at_its_pitch() -> None:
    info = ActionInfo(6, FRONT, False, strokes=3, pitches=2)
    phases = phase_at(info, "guitar", np.array([1.0, 1.5, 2.0, 2.08]), np.zeros(4), NOTES)
    assert phases.tolist() == [0, 4, 1, 3]


@pytest.mark.parametrize("action", ["keyboard", "drum"])
def test_hands_take_turns_and_rise_between_notes(action: str) -> None:
    info = ActionInfo(3, FRONT, False, strokes=3, pitches=1)
    phases = phase_at(info, action, np.array([1.0, 1.5, 2.0]), np.zeros(3), NOTES)
    assert phases.tolist() == [2, 1, 0]


def test_a_bow_goes_down_and_up() -> None:
    info = ActionInfo(4, FRONT, False, strokes=4, pitches=1)
    times = np.array([1.0, 1.25, 1.49, 2.0, 2.49])
    phases = phase_at(info, "violin", times, np.zeros(5), NOTES)
    assert phases.tolist() == [0, 2, 3, 3, 0]


def test_without_notes_instruments_rest() -> None:
    info = ActionInfo(6, FRONT, False, strokes=3, pitches=2)
    assert phase_at(info, "guitar", np.zeros(2), np.zeros(2), ()).tolist() == [4, 4]
