"""The results of a stored listening test; every number of a report comes from here.

The main analysis takes listeners who rated everything and are not excluded, including flagged ones;
the same analysis without flagged listeners stands beside it. Practice, repeats and catch trials do not
enter means.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from savg.errors import SavgError
from savg.evaluation.clip_scores import read_scores
from savg.metrics.mixed_model import MixedReport, mixed_model
from savg.metrics.rater_statistics import (
    Interval,
    RankCorrelation,
    RepeatAgreement,
    difference_sd,
    listeners_for,
    mean_interval,
    power,
    rank_correlation,
    repeat_agreement,
)
from savg.metrics.two_way import Ratings, alpha_of, two_way_difference, two_way_mean
from savg.mos.results.flags import Flag, flags_of, repeated
from savg.mos.storage.rows import ParticipantRow, RatingRow
from savg.mos.storage.store import Store
from savg.mos.study.design import Study
from savg.mos.study.scores import LEVELS_KEY, stored_scores

FEW_LISTENERS = 15
"""With fewer listeners a report warns."""

DIFFERENCES = (0.2, 0.3, 0.42, 0.5, 0.75, 1.0)
"""Differences, in points of the scale, for which the next study is planned."""

LOUDNESS_APART = 3.0
"""Difference of conditions' mean loudness, in dB, above which a report warns."""

ClipScores = Mapping[tuple[str, str], float]
"""Spatial AV-Align by condition and name of the clip without suffix."""


@dataclass(frozen=True)
class ConditionResult:
    """A condition: MOS with intervals for other listeners (these clips) and for other listeners and
    clips; the number of ratings with each score."""

    name: str
    ratings: int
    clips: int
    mos: Interval
    two_way: Interval
    scores: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """Mean of `first` minus that of `second`, by two-way bootstrap; the same without flagged
    listeners, and from the mixed model."""

    first: str
    second: str
    main: Interval
    without_flagged: Interval | None
    mixed: Interval | None


@dataclass(frozen=True)
class Plan:
    """Power of a further study: standard deviation over listeners of a difference, power with the
    present number of listeners, and listeners for a power of 0.8, by difference."""

    sd: float
    listeners: int
    power: dict[float, float]
    needed: dict[float, int | None]


@dataclass(frozen=True)
class Analysis:
    """All results of a listening test."""

    study: Study
    simulated: bool
    flow: dict[str, int]
    listeners: tuple[str, ...]
    flags: dict[str, tuple[Flag, ...]]
    conditions: tuple[ConditionResult, ...]
    without_flagged: tuple[ConditionResult, ...]
    differences: tuple[Difference, ...]
    repeats: RepeatAgreement
    alpha: float | None
    mixed: MixedReport | None
    plan: Plan | None
    spatial: dict[str, RankCorrelation]
    levels: dict[str, Any]
    warnings: tuple[str, ...]
    data_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, without NaN."""
        result = asdict(self)
        result["study"] = self.study.to_dict()
        result["levels"] = {k: v for k, v in self.levels.items() if k not in ("clips", LEVELS_KEY)}
        if self.mixed is not None:
            result["mixed"]["differences"] = [
                {"first": i, "second": j, **asdict(interval)}
                for (i, j), interval in self.mixed.differences.items()
            ]
        return json.loads(json.dumps(result, allow_nan=False))  # type: ignore[no-any-return]


def analyse(store: Store, name: str, scores: ClipScores | None = None, seed: int = 0) -> Analysis:
    """Analyse the present data of a study.

    Args:
        scores: Spatial AV-Align of clips; by default those stored with the study.
        seed: of the bootstraps.

    Raises:
        SavgError: no listener who is not excluded has finished.
    """
    row = store.study(name)
    scores = stored_scores(row.levels) if scores is None else scores
    people = store.participants(name)
    rows = store.ratings(name)
    simulated = all(p.simulated for p in people if p.rated)
    people = [p for p in people if p.simulated == simulated]
    by_person = _by_person(rows, people)
    included = [p for p in people if p.rated == row.study.positions and not p.excluded]
    if not included:
        raise SavgError(
            f"Nobody has finished study {name} yet (or all are excluded): there is nothing to analyse."
        )
    flags = {
        p.code: flags_of(row.study.flags, by_person[p.code], p.screening) for p in people if p.rated
    }
    used = [r for p in included for r in by_person[p.code]]
    unflagged = [r for p in included if not flags[p.code] for r in by_person[p.code]]
    ratings = ratings_of(row.study, used)
    clean = ratings_of(row.study, unflagged) if len(unflagged) < len(used) else None
    mixed = mixed_model(ratings)
    pairs = repeated(used)
    conditions = condition_results(row.study, ratings, seed)
    sd = difference_sd(ratings.listener_means()[:, : len(row.study.conditions)])
    return Analysis(
        study=row.study,
        simulated=simulated,
        flow=flow(row.study, people, flags),
        listeners=tuple(p.code for p in included),
        flags=flags,
        conditions=conditions,
        without_flagged=condition_results(row.study, clean, seed) if clean else (),
        differences=_differences(row.study, ratings, clean, mixed, seed),
        repeats=repeat_agreement([a.score for a, _ in pairs], [b.score for _, b in pairs]),
        alpha=alpha_of(ratings),
        mixed=mixed,
        plan=_plan(sd, len(included)) if sd is not None else None,
        spatial=correlations(used, scores, seed) if scores else {},
        levels=row.levels,
        warnings=_warnings(row.study, conditions, flags, included, simulated, row.levels),
        data_sha256=hashlib.sha256(repr(rows).encode()).hexdigest(),
    )


def _by_person(
    rows: Sequence[RatingRow], people: Sequence[ParticipantRow]
) -> dict[str, list[RatingRow]]:
    by_person: dict[str, list[RatingRow]] = {p.code: [] for p in people}
    for row in rows:
        if row.participant in by_person:
            by_person[row.participant].append(row)
    return by_person


def ratings_of(study: Study, rows: Sequence[RatingRow]) -> Ratings:
    """The ratings of test trials, with the conditions in the order of the design."""
    tests = [r for r in rows if r.role == "test"]
    return Ratings.of(
        [r.score for r in tests],
        [r.participant for r in tests],
        [r.condition for r in tests],
        [r.stimulus for r in tests],
        [g.name for g in study.groups],
    )


def condition_results(study: Study, ratings: Ratings, seed: int) -> tuple[ConditionResult, ...]:
    """MOS of each condition and anchor, intervals within the scale; one without ratings has none."""
    means = ratings.listener_means()
    scale = float(study.scores[0]), float(study.scores[-1])
    results = []
    for group in study.groups:
        name = group.name
        if name not in ratings.conditions:
            missing = Interval.without(None)
            empty = tuple(0 for _ in study.scores)
            results.append(ConditionResult(name, 0, 0, missing, missing, empty))
            continue
        k = ratings.conditions.index(name)
        score = ratings.score[ratings.condition == k]
        results.append(
            ConditionResult(
                name,
                len(score),
                len(np.unique(ratings.clip[ratings.condition == k])),
                mean_interval(means[:, k]).within(*scale),
                two_way_mean(ratings, k, seed).within(*scale),
                tuple(int((score == s).sum()) for s in study.scores),
            )
        )
    return tuple(results)


def _differences(
    study: Study, ratings: Ratings, clean: Ratings | None, mixed: MixedReport | None, seed: int
) -> tuple[Difference, ...]:
    """Differences of all pairs of conditions, and of the reference from its anchors."""
    names = [c.name for c in study.conditions]
    pairs = list(combinations(names, 2))
    pairs += [(study.reference, a.name) for a in study.anchors if study.reference]
    results = []
    for first, second in pairs:
        if first not in ratings.conditions or second not in ratings.conditions:
            results.append(Difference(first, second, Interval.without(None), None, None))
            continue
        i, j = ratings.conditions.index(first), ratings.conditions.index(second)
        unflagged_difference = None
        if clean and first in clean.conditions and second in clean.conditions:
            at = clean.conditions.index(first), clean.conditions.index(second)
            unflagged_difference = two_way_difference(clean, *at, seed)
        results.append(
            Difference(
                first,
                second,
                two_way_difference(ratings, i, j, seed),
                unflagged_difference,
                mixed.differences.get((i, j)) if mixed else None,
            )
        )
    return tuple(results)


def flow(
    study: Study, people: Sequence[ParticipantRow], flags: Mapping[str, Sequence[Flag]]
) -> dict[str, int]:
    """Numbers of listeners by how far they came."""
    finished = [p for p in people if p.rated == study.positions]
    return {
        "invited": len(people),
        "agreed": sum(p.consented_at is not None for p in people),
        "failed the screening": sum(p.status == "screened_out" for p in people),
        "began the trials": sum(p.status in ("trials", "questions", "done") for p in people),
        "rated everything": len(finished),
        "excluded": sum(p.excluded for p in finished),
        "analysed": sum(not p.excluded for p in finished),
        "of these flagged": sum(bool(flags.get(p.code)) and not p.excluded for p in finished),
    }


def _plan(sd: float, listeners: int) -> Plan:
    return Plan(
        sd,
        listeners,
        {d: power(d, sd, listeners) for d in DIFFERENCES},
        {d: listeners_for(d, sd) for d in DIFFERENCES},
    )


def _warnings(
    study: Study,
    conditions: Sequence[ConditionResult],
    flags: Mapping[str, Sequence[Flag]],
    included: Sequence[ParticipantRow],
    simulated: bool,
    levels: Mapping[str, Any],
) -> tuple[str, ...]:
    warnings = []
    if simulated:
        warnings.append("SIMULATED listeners: this is a rehearsal, not a result.")
    if len(included) < FEW_LISTENERS:
        warnings.append(
            f"Only {len(included)} listeners: with fewer than {FEW_LISTENERS}, intervals are wide "
            "and one listener can decide."
        )
    marked = sum(bool(flags[p.code]) for p in included)
    if marked:
        warnings.append(
            f"{marked} of the analysed listeners are flagged; see the results without them."
        )
    by_name = {c.name: c.mos.estimate for c in conditions if c.mos.estimate is not None}
    if study.reference in by_name:
        for anchor in study.anchors:
            if by_name.get(anchor.name, -np.inf) >= by_name[study.reference]:
                warnings.append(
                    f"The anchor {anchor.name} is not rated below {study.reference}: listeners may "
                    "not have heard directions."
                )
    loudness = {
        name: values["loudness_mean"]
        for name, values in levels.get("conditions", {}).items()
        if name in {c.name for c in study.conditions}
    }
    if loudness and max(loudness.values()) - min(loudness.values()) > LOUDNESS_APART:
        loud, soft = (
            max(loudness, key=loudness.__getitem__),
            min(loudness, key=loudness.__getitem__),
        )
        warnings.append(
            f"{loud} is {loudness[loud] - loudness[soft]:.1f} dB louder than {soft} on average."
        )
    return tuple(warnings)


def clip_scores(condition: str, path: Path) -> dict[tuple[str, str], float]:
    """Spatial AV-Align of each clip from a folder of tables by `annotate`, or from a file with the
    output of `evaluate --json`; clips without a sound event have no score."""
    return {(condition, name): score for name, score in read_scores(path).items()}


def clip_means(rows: Sequence[RatingRow], scores: ClipScores) -> list[dict[str, Any]]:
    """A row for each rated clip with a score: condition, clip, ratings, mean_rating,
    spatial_av_align."""
    ratings_by_clip: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        key = row.condition, Path(row.clip).stem
        if row.role == "test" and key in scores:
            ratings_by_clip.setdefault(key, []).append(row.score)
    return [
        {
            "condition": condition,
            "clip": clip,
            "ratings": len(clip_ratings),
            "mean_rating": float(np.mean(clip_ratings)),
            "spatial_av_align": scores[condition, clip],
        }
        for (condition, clip), clip_ratings in sorted(ratings_by_clip.items())
    ]


def correlations(
    rows: Sequence[RatingRow], scores: ClipScores, seed: int = 0
) -> dict[str, RankCorrelation]:
    """Mean rating of each clip against its Spatial AV-Align: by condition, and "all" together."""
    clips = clip_means(rows, scores)
    result = {}
    for name in [*dict.fromkeys(clip["condition"] for clip in clips), "all"]:
        of_condition = [clip for clip in clips if name in (clip["condition"], "all")]
        means = [clip["mean_rating"] for clip in of_condition]
        result[name] = rank_correlation(
            means, [clip["spatial_av_align"] for clip in of_condition], seed
        )
    return result
