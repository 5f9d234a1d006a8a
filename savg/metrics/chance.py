"""Scores against their chance baselines: what is left of a score once luck is taken out.

The corrected score is (score − best) / (1 − best), where best is the highest chance baseline: 1 is
perfect, 0 no better than the best guess, below 0 worse. Counts are [clips, 2]: hits and misses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.metrics.statistics import (
    RESAMPLES,
    fewer_than_two,
    percentiles,
    pooled_share,
    resampled_clips,
)

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Corrected:
    """A corrected score with its 95 % interval; baseline: name of the best chance baseline.

    value is None without a score, without a baseline, or where the best one is 1.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    baseline: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return asdict(self)


def best_chance(
    scores: Mapping[str, float | None], higher_is_better: bool = True
) -> tuple[str, float] | None:
    """Name and score of the best chance baseline, the first of equal ones; None if none has one."""
    known = [(name, score) for name, score in scores.items() if score is not None]
    best = max if higher_is_better else min
    return best(known, key=lambda pair: pair[1]) if known else None


def uninformative(
    value: float | None,
    low: float | None,
    high: float | None,
    nulls: Mapping[str, float | None],
    higher_is_better: bool = True,
    digits: int = 2,
    words: Mapping[str, str] | None = None,
) -> list[str]:
    """The sentence that a result is uninformative, where its interval, or its value where it has none,
    does not lie on the better side of its best chance baseline; nothing without a baseline.

    words: what the baselines are, by name.
    """
    best = best_chance(nulls, higher_is_better)
    if value is None or best is None:
        return []
    worst = low if higher_is_better else high
    worst = value if worst is None else worst
    if worst > best[1] if higher_is_better else worst < best[1]:
        return []
    shown = f"value {value:.{digits}f}"
    if low is not None and high is not None:
        shown = f"interval {low:.{digits}f}…{high:.{digits}f}"
    named = f"{best[0]!r} ({words[best[0]]})" if words else repr(best[0])
    side = "above" if higher_is_better else "below"
    return [
        f"This result is uninformative: its {shown} does not lie {side} the chance baseline {named}, "
        f"{best[1]:.{digits}f}."
    ]


def corrected_score(
    counts: Counts, chance: Mapping[str, Counts], seed: int = 0, resamples: int = RESAMPLES
) -> Corrected:
    """The pooled share of hits, corrected by the best chance baseline of the same clips.

    The interval is the percentile bootstrap over whole clips; score and baselines are formed anew in
    each resample, and the best is that of the resample. Resamples without anything to judge, or with
    a best baseline of 1, do not count.

    Args:
        counts: of the score, [clips, 2].
        chance: of each baseline by name, [clips, 2] in the same order.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    score = pooled_share(counts)
    best = best_chance({name: pooled_share(c) for name, c in chance.items()})
    if score is None or best is None:
        return Corrected(None)
    if best[1] >= 1.0:
        return Corrected(None, baseline=best[0])
    value = (score - best[1]) / (1.0 - best[1])
    if fewer_than_two(counts.sum(axis=1)):
        return Corrected(value, baseline=best[0])
    drawn = resampled_clips(len(counts), seed, resamples)
    scores = _shares(counts, drawn)
    highest = np.max([_shares(c, drawn) for c in chance.values() if c.sum()], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (scores - highest) / (1.0 - highest)
    low, high = percentiles(values[np.isfinite(values)])
    return Corrected(value, low, high, best[0])


def _shares(counts: Counts, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pooled share of each resample, NaN where nothing was counted."""
    hits, misses = counts[drawn].sum(axis=1).T
    total = hits + misses
    return np.where(total > 0, hits / np.maximum(total, 1), np.nan)
