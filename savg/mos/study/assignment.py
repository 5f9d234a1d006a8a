"""Which clips a listener rates and in which order: balanced over listeners, repeatable by seed.

Pure functions: the same study, clips, counts and seed give the same session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from savg.mos.study.design import DesignError, Stimulus, Study

Role = Literal["practice", "test", "repeat", "catch"]

_ATTEMPTS = 200
"""Random orders tried before a design counts as impossible; nearly always the first one fits."""


@dataclass(frozen=True)
class Trial:
    """One position of a session; `repeat_of` is the position of a repeat's first presentation."""

    position: int
    role: Role
    stimulus: Stimulus
    repeat_of: int | None = None


def check_pool(study: Study, stimuli: Sequence[Stimulus]) -> None:
    """Raise DesignError if a session cannot be made from these clips."""
    assign(study, stimuli, {}, 0)


def assign(
    study: Study, stimuli: Sequence[Stimulus], counts: Mapping[str, int], seed: int
) -> tuple[Trial, ...]:
    """The session of one listener.

    counts: how often each stimulus (by id) has been assigned so far; those assigned least come
    first, ties by chance. Never two clips of one scene (repeats apart), at most `max_run` of one
    condition in a row (catch trials not counted), repeats at least `repeat_gap` positions apart.
    """
    rng = np.random.default_rng(seed)
    practice = _choose(stimuli, "practice", study.practice, counts, rng)
    catch = _choose(stimuli, "catch", study.catch, counts, rng)
    used = {s.scene for s in practice}
    chosen = _balanced(study, [s for s in stimuli if s.scene not in used], counts, rng)
    for _ in range(_ATTEMPTS):
        order = _with_repeats(study, _run_limited(chosen, study.max_run, rng), rng)
        if order is not None:
            break
    else:
        raise DesignError(
            f"Study {study.name}: no order has {study.repeats} repeats {study.repeat_gap} trials "
            f"apart and at most {study.max_run} of a condition in a row."
        )
    return _numbered(practice, _with_catch(order, catch, rng))


def _choose(
    stimuli: Sequence[Stimulus],
    kind: str,
    number: int,
    counts: Mapping[str, int],
    rng: np.random.Generator,
) -> list[Stimulus]:
    """The least used stimuli of a kind, in random order."""
    clips = [s for s in stimuli if s.kind == kind]
    if len(clips) < number:
        raise DesignError(f"{number} {kind} clips are needed, there are {len(clips)}.")
    jitter = rng.random(len(clips))
    order = sorted(range(len(clips)), key=lambda i: (counts.get(clips[i].id, 0), jitter[i]))
    return [clips[i] for i in rng.permutation(order[:number])]


def _balanced(
    study: Study,
    stimuli: Sequence[Stimulus],
    counts: Mapping[str, int],
    rng: np.random.Generator,
) -> list[Stimulus]:
    """`trials` clips of each condition with every scene at most once, least used ones first.

    An assignment problem: a row for each trial, a column for each scene. Squared counts keep the
    use even where conditions compete for scenes; random parts below one count break ties.
    """
    by_group = {g.name: [s for s in stimuli if s.condition == g.name] for g in study.groups}
    for group in study.groups:
        if len(by_group[group.name]) < group.trials:
            raise DesignError(
                f"Condition {group.name} has {len(by_group[group.name])} clips for trials: "
                f"{group.trials} are needed."
            )
    scenes = sorted({s.scene for clips in by_group.values() for s in clips})
    column = {scene: i for i, scene in enumerate(scenes)}
    least = {
        name: min(counts.get(s.id, 0) for s in clips) for name, clips in by_group.items() if clips
    }
    impossible = 1e9
    blocks, cells = [], []
    for group in study.groups:
        cost = np.full(len(scenes), impossible)
        cell: dict[int, Stimulus] = {}
        for stimulus in by_group[group.name]:
            above = counts.get(stimulus.id, 0) - least[group.name]
            price = float(above**2) + 0.5 * rng.random() / study.rated
            if price < cost[column[stimulus.scene]]:
                cost[column[stimulus.scene]] = price
                cell[column[stimulus.scene]] = stimulus
        blocks += [cost] * group.trials
        cells += [cell] * group.trials
    if len(scenes) < len(blocks):
        raise DesignError(f"{len(blocks)} trials need as many scenes, there are {len(scenes)}.")
    rows, columns = linear_sum_assignment(np.stack(blocks))
    try:
        return [cells[r][int(c)] for r, c in zip(rows, columns, strict=True)]
    except KeyError:
        raise DesignError(
            f"Study {study.name}: the conditions share too few scenes to give each listener "
            "every scene at most once."
        ) from None


def _run_limited(chosen: Sequence[Stimulus], most: int, rng: np.random.Generator) -> list[Stimulus]:
    """A random order with at most `most` of one condition in a row."""
    remaining: dict[str, list[Stimulus]] = {}
    for i in rng.permutation(len(chosen)):
        remaining.setdefault(chosen[i].condition, []).append(chosen[i])
    order: list[Stimulus] = []
    last, run = "", 0
    for total in range(len(chosen), 0, -1):
        allowed = [
            name
            for name in remaining
            if remaining[name]
            and not (name == last and run >= most)
            and _can_finish(remaining, name, total - 1, run + 1 if name == last else 1, most)
        ]
        weights = np.array([len(remaining[name]) for name in allowed], float)
        name = allowed[int(rng.choice(len(allowed), p=weights / weights.sum()))]
        run = run + 1 if name == last else 1
        last = name
        order.append(remaining[name].pop())
    return order


def _can_finish(
    remaining: Mapping[str, Sequence[Stimulus]], condition: str, total: int, run: int, most: int
) -> bool:
    """Whether the clips that remain after one of `condition` can be ordered in short enough runs."""
    for name, items in remaining.items():
        number = len(items) - (name == condition)
        room = most * (total - number + 1) - (run if name == condition else 0)
        if number > room:
            return False
    return True


Item = tuple[Stimulus, int | None]
"""A clip, and for a repeat the index into the clips without repeats, else None."""


def _with_repeats(
    study: Study, order: Sequence[Stimulus], rng: np.random.Generator
) -> list[Item] | None:
    """The order with repeats, of different conditions as far as possible; None if they do not fit."""
    items: list[Item] = [(s, None) for s in order]
    names = [c.name for c in study.conditions]
    conditions: list[str] = []
    while len(conditions) < study.repeats:
        conditions += [names[i] for i in rng.permutation(len(names))]
    repeated: set[str] = set()
    for condition in conditions[: study.repeats]:
        indices = _repeat_indices(study, items, condition, repeated, rng) or _repeat_indices(
            study, items, None, repeated, rng
        )
        if indices is None:
            return None
        first, at = indices
        stimulus = items[first][0]
        repeated.add(stimulus.id)
        items.insert(at, (stimulus, order.index(stimulus)))
    return items


def _repeat_indices(
    study: Study,
    items: Sequence[Item],
    condition: str | None,
    repeated: set[str],
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Random indices of a first presentation and of its repeat within all rules, None without any."""
    names = {c.name for c in study.conditions} if condition is None else {condition}
    pairs = [
        (first, at)
        for first, (stimulus, repeat_of) in enumerate(items)
        if repeat_of is None and stimulus.condition in names and stimulus.id not in repeated
        for at in range(first + study.repeat_gap, len(items) + 1)
        if _run_at(items, at, stimulus.condition) <= study.max_run
    ]
    return pairs[int(rng.integers(len(pairs)))] if pairs else None


def _run_at(items: Sequence[Item], at: int, condition: str) -> int:
    """Length of the run of `condition` if one of its clips were inserted before index `at`."""
    low = high = at
    while low > 0 and items[low - 1][0].condition == condition:
        low -= 1
    while high < len(items) and items[high][0].condition == condition:
        high += 1
    return high - low + 1


def _with_catch(
    items: Sequence[Item], catch: Sequence[Stimulus], rng: np.random.Generator
) -> list[Item]:
    """Catch trials spread over the session, one in each of as many equal parts, never first."""
    edges = np.linspace(1, len(items) + 1, len(catch) + 1).astype(int)
    places = [int(rng.integers(a, max(a + 1, b))) for a, b in pairwise(edges)]
    mixed = list(items)
    for place, stimulus in sorted(zip(places, catch, strict=True), key=lambda p: -p[0]):
        mixed.insert(place, (stimulus, None))
    return mixed


def _numbered(practice: Sequence[Stimulus], items: Sequence[Item]) -> tuple[Trial, ...]:
    trials = [Trial(i, "practice", s) for i, s in enumerate(practice)]
    first: dict[str, int] = {}
    for position, (stimulus, repeat_index) in enumerate(items, len(practice)):
        if repeat_index is not None:
            trials.append(Trial(position, "repeat", stimulus, first[stimulus.id]))
        elif stimulus.kind == "catch":
            trials.append(Trial(position, "catch", stimulus))
        else:
            first[stimulus.id] = position
            trials.append(Trial(position, "test", stimulus))
    return tuple(trials)
