"""Sessions keep every rule, are balanced over listeners, and repeat by seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from mos_clips import pool

from savg.mos.study.assignment import Trial, assign, check_pool
from savg.mos.study.design import Condition, DesignError, Study, standard


def longest_run(trials: Sequence[Trial]) -> int:
    """The most trials of one condition in a row; practice and catch trials are not counted."""
    longest, run, last = 0, 0, ""
    for trial in trials:
        if trial.role in ("practice", "catch"):
            continue
        run = run + 1 if trial.stimulus.condition == last else 1
        last = trial.stimulus.condition
        longest = max(longest, run)
    return longest


def counts_of(trials: Sequence[Trial]) -> Counter[str]:
    """How often a session uses each stimulus, repeats not counted."""
    return Counter(t.stimulus.id for t in trials if t.role != "repeat")


STUDIES = [
    standard("three", ["joint", "two_stage", "ground_truth"], "ground_truth"),
    standard("plain", ["a", "b", "c"], repeats=0, catch=0, practice=0),
    standard("two", ["a", "gt"], "gt", trials=30, anchor_trials=2, repeats=5, catch=4),
    standard("matched", ["a", "b", "gt"], "gt", trials=24, matched=True),
    Study("uneven", (Condition("big", 20), Condition("small", 10)), repeats=4),
]


def check_rules(study: Study, session: tuple[Trial, ...]) -> None:
    assert [t.position for t in session] == list(range(study.positions))
    assert [t.role for t in session[: study.practice]] == ["practice"] * study.practice
    roles = Counter(t.role for t in session)
    assert roles["repeat"] == study.repeats and roles["catch"] == study.catch
    tests = [t for t in session if t.role == "test"]
    assert Counter(t.stimulus.condition for t in tests) == {g.name: g.trials for g in study.groups}
    scenes = [t.stimulus.scene for t in session if t.role != "repeat"]
    assert len(set(scenes)) == len(scenes), "a scene was met twice"
    by_position = {t.position: t for t in session}
    repeated = [t for t in session if t.role == "repeat"]
    for trial in repeated:
        assert trial.repeat_of is not None
        first = by_position[trial.repeat_of]
        assert first.role == "test" and first.stimulus == trial.stimulus
        assert trial.position - first.position >= study.repeat_gap
        assert trial.stimulus.condition in {c.name for c in study.conditions}
    assert len({t.stimulus.id for t in repeated}) == len(repeated)
    names = [t.stimulus.condition for t in session if t.role in ("test", "repeat")]
    triples = zip(names, names[1:], names[2:], strict=False)
    assert all(len(set(t)) > 1 for t in triples), "three of one condition in a row"
    assert longest_run(session) <= study.max_run
    if study.catch:
        assert session[study.practice].role != "catch"


@pytest.mark.parametrize("study", STUDIES, ids=lambda s: s.name)
def test_rules_hold_and_use_is_even_over_many_listeners(study: Study) -> None:
    stimuli = pool(study, 60 if study.matched else 40)
    counts: Counter[str] = Counter()
    for seed in range(60):
        session = assign(study, stimuli, counts, seed)
        check_rules(study, session)
        counts.update(counts_of(session))
        for group in study.groups:
            used = [counts[s.id] for s in stimuli if s.condition == group.name]
            assert max(used) - min(used) <= (2 if study.anchors else 1)
    for condition in study.conditions:
        total = sum(counts[s.id] for s in stimuli if s.condition == condition.name)
        assert total == 60 * condition.trials


def test_a_seed_says_it_all() -> None:
    study, stimuli = STUDIES[0], pool(STUDIES[0], 30)
    counts = {"joint-3": 4, "mono-2": 1}
    assert assign(study, stimuli, counts, 7) == assign(study, stimuli, counts, 7)
    assert assign(study, stimuli, counts, 7) != assign(study, stimuli, counts, 8)


def test_clips_assigned_least_come_first() -> None:
    study, stimuli = STUDIES[1], pool(STUDIES[1], 30)
    rare = {f"{c}-{i}" for c in "abc" for i in range(15)}
    counts = {s.id: 0 if s.id in rare else 1 for s in stimuli}
    assert {t.stimulus.id for t in assign(study, stimuli, counts, 3)} == rare


def test_conditions_are_spread_over_the_session() -> None:
    study, stimuli = STUDIES[0], pool(STUDIES[0], 30)
    places: dict[str, list[int]] = {}
    for seed in range(200):
        for trial in assign(study, stimuli, {}, seed):
            if trial.role == "test":
                places.setdefault(trial.stimulus.condition, []).append(trial.position)
    centre = sum(map(sum, places.values())) / sum(map(len, places.values()))
    for condition, positions in places.items():
        error = 16.5 / len(positions) ** 0.5
        assert abs(sum(positions) / len(positions) - centre) < 4 * error, condition


def test_repeats_and_catch_trials_are_spread_too() -> None:
    study, stimuli = STUDIES[0], pool(STUDIES[0], 30)
    again: Counter[str] = Counter()
    half = study.practice + (study.positions - study.practice) // 2
    for seed in range(100):
        session = assign(study, stimuli, {}, seed)
        conditions = [t.stimulus.condition for t in session if t.role == "repeat"]
        assert len(set(conditions)) == 3
        again.update(conditions)
        catch = [t.position for t in session if t.role == "catch"]
        assert catch[0] <= half + 2 and catch[1] >= half - 2
    assert set(again.values()) == {100}


def test_tight_pools_still_work_and_too_small_ones_are_named() -> None:
    study = STUDIES[3]
    enough = pool(study, study.rated, anchors=study.rated)
    check_rules(study, assign(study, enough, {}, 0))
    with pytest.raises(DesignError, match="scenes"):
        check_pool(study, pool(study, study.rated - 1))
    with pytest.raises(DesignError, match="Condition a has 14 clips"):
        check_pool(STUDIES[1], pool(STUDIES[1], 14))
    with pytest.raises(DesignError, match="catch clips"):
        check_pool(replace(STUDIES[0], catch=3), pool(STUDIES[0], 30))
    two = standard("s", ["a", "gt"], "gt", trials=6, anchor_trials=3, repeats=0)
    with pytest.raises(DesignError, match="too few scenes"):
        check_pool(two, [s for s in pool(two, 12, anchors=5) if s.scene != "gt/0" or s.kind == "x"])
