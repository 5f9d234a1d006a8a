"""Presets of settings: the development set's steps, and steps searched for an evaluation set.

The published evaluation set "uses other steps, chosen to keep speech : instrument at about 2 : 1"
[S1, S2]; which ones is unknown, only that its names hold degrees and starts that are no multiples
of 10 and 5. Here they are searched in the labels of the available recordings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from savg.annotation import INSTRUMENT, SPEECH
from savg.data.starss.labels import RecordingLabels
from savg.data.starss.results import Construction, Steps
from savg.data.starss.windows import judge_windows, on_screen, visible_half_width
from savg.errors import SavgError

DEVELOPMENT = Construction()
"""The published development set: windows every 0.5 s, views every 10° [S1]."""

WINDOW_STEPS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 50, 100, 200)
"""Window steps in label frames that `evaluation_steps` tries for either category."""

VIEW_STEPS = (1, 2, 3, 5, 6, 8, 9, 10, 12, 15, 20, 24, 30, 45, 60, 90)
"""View steps in degrees that `evaluation_steps` tries."""

RATIO = 2.0
"""Speech clips for each instrument clip in the evaluation set [S1, S2]."""

_NEAR = 0.05
"""Ratios within this share of RATIO count as equally good."""


@dataclass(frozen=True)
class StepChoice:
    """Steps for both categories, and the numbers of candidates before audio is judged."""

    settings: Construction
    speech: int
    instrument: int


def evaluation_steps(
    recordings: Iterable[tuple[RecordingLabels, float]],
    settings: Construction = DEVELOPMENT,
    target: int | None = None,
) -> Construction:
    """`settings` with the steps of `best_choice`.

    recordings: labels and searched seconds of each, as `judge` takes them.
    """
    return best_steps(recordings, settings, target).settings


def best_steps(
    recordings: Iterable[tuple[RecordingLabels, float]],
    settings: Construction = DEVELOPMENT,
    target: int | None = None,
) -> StepChoice:
    """Steps that bring speech : instrument nearest to 2 : 1, deterministic in the labels.

    Of all pairs of steps within 5 % of the ratio (or of the nearest possible ratio) the one whose
    number of clips is nearest to `target`; without it, to the number at the development set's steps.
    Raises SavgError where the labels allow no clip of a category at any steps.
    """
    if target is not None and target < 1:
        raise SavgError(f"target must be ≥ 1, got {target}.")
    counts = _counts(recordings, settings)
    for name, category in (("speech", SPEECH), ("instrument", INSTRUMENT)):
        if not counts[category].any():
            raise SavgError(
                f"The labels allow no {name} clip, so no steps give speech : instrument near 2 : 1; "
                "set the steps explicitly."
            )
    usual = (WINDOW_STEPS.index(DEVELOPMENT.speech.window), VIEW_STEPS.index(10))
    aim = target or max(1, sum(int(counts[c][usual]) for c in (SPEECH, INSTRUMENT)))

    speech = counts[SPEECH].ravel()[:, None]
    instrument = counts[INSTRUMENT].ravel()[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        off_ratio = np.abs(np.log(speech / (RATIO * instrument)))
        off_ratio = np.where((speech > 0) & (instrument > 0), off_ratio, np.inf)
        off_number = np.abs(np.log((speech + instrument) / aim))
    near = off_ratio <= max(np.log1p(_NEAR), float(off_ratio.min()))
    order = np.lexsort((off_ratio.ravel(), np.where(near, off_number, np.inf).ravel()))
    first, second = np.unravel_index(order[0], off_ratio.shape)

    steps = [Steps(window, view) for window, view in product(WINDOW_STEPS, VIEW_STEPS)]
    chosen = replace(settings, speech=steps[first], instrument=steps[second])
    return StepChoice(chosen, int(speech[first, 0]), int(instrument[0, second]))


def _counts(
    recordings: Iterable[tuple[RecordingLabels, float]], settings: Construction
) -> dict[int, NDArray[np.int64]]:
    """Candidates of each category for each pair of steps [window steps, view steps]."""
    counts = {c: np.zeros((len(WINDOW_STEPS), len(VIEW_STEPS)), int) for c in (SPEECH, INSTRUMENT)}
    length = settings.format.label_frames
    views = np.unique(np.concatenate([np.arange(0, 360, step) for step in VIEW_STEPS]))
    for labels, seconds in recordings:
        windows = judge_windows(labels, seconds, settings)
        half = visible_half_width(labels.elevations, settings)
        for category, table in counts.items():
            starts = np.flatnonzero((windows.category == category) & (windows.rule < 0))
            visible = on_screen(labels, half, starts, length, views)
            for i, window in enumerate(WINDOW_STEPS):
                by_view = visible[starts % window == 0].sum(axis=0)
                for j, view in enumerate(VIEW_STEPS):
                    table[i, j] += by_view[views % view == 0].sum()
    return counts
