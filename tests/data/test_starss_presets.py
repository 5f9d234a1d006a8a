"""Steps of an evaluation set, searched in the labels."""

from __future__ import annotations

import numpy as np
import pytest

from savg.data.starss.labels import RecordingLabels
from savg.data.starss.presets import DEVELOPMENT, best_steps, evaluation_steps
from savg.data.starss.results import Construction
from savg.data.starss.windows import judge
from savg.errors import SavgError


def takes(count: int, instruments: float, frames: int = 900) -> list[tuple[RecordingLabels, float]]:
    """Recordings of people who speak or play for half a minute each while they wander."""
    recordings = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        labels = np.where(rng.random(frames // 300 + 1) < instruments, 9, 0)
        at = np.flatnonzero(rng.random(frames) < 0.97)
        azimuths = np.cumsum(rng.normal(0, 1, frames))[at]
        table = RecordingLabels(at, labels[at // 300], at * 0, azimuths, azimuths * 0)
        recordings.append((table, frames / 10))
    return recordings


def counted(recordings: list[tuple[RecordingLabels, float]], settings: Construction) -> list[int]:
    """Speech and instrument candidates that the judge finds at the settings."""
    categories = [
        c.category for labels, s in recordings for c in judge(labels, s, settings).candidates
    ]
    return [categories.count(0), categories.count(1)]


@pytest.mark.parametrize("instruments", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("target", [None, 300, 2000])
def test_two_speech_clips_for_each_instrument_clip(instruments: float, target: int | None) -> None:
    recordings = takes(5, instruments)
    choice = best_steps(recordings, target=target)
    speech, instrument = counted(recordings, choice.settings)
    assert [speech, instrument] == [choice.speech, choice.instrument]
    assert 1.9 < speech / instrument < 2.11
    aim = target or sum(counted(recordings, DEVELOPMENT))
    assert 0.6 < (speech + instrument) / aim < 1.6


def test_the_steps_are_deterministic_and_other_settings_unchanged() -> None:
    settings = Construction(high_pass=80.0, gain_db=20.0)
    first = evaluation_steps(takes(4, 0.5), settings, 500)
    assert first == evaluation_steps(iter(takes(4, 0.5)), settings, 500)
    assert (first.high_pass, first.gain_db) == (80.0, 20.0)
    assert (first.speech, first.instrument) != (settings.speech, settings.instrument)


def test_a_category_without_clips_is_named() -> None:
    with pytest.raises(SavgError, match="no instrument clip"):
        evaluation_steps(takes(3, 0.0))
    with pytest.raises(SavgError, match="no speech clip"):
        evaluation_steps(takes(3, 1.0))
    with pytest.raises(SavgError, match="target must be ≥ 1, got 0"):
        evaluation_steps(takes(3, 0.5), target=0)
