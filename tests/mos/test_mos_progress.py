"""How far a test has come: steps, pace, who is away, and how clips are covered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mos_clips import pool, small_study

from savg.mos.results.progress import AWAY_SECONDS, THINKING_SECONDS, progress_from
from savg.mos.storage.rows import ParticipantRow, RatingRow, StudyRow

STUDY = small_study()
ROW = StudyRow(STUDY, "open", tuple(pool(STUDY, 6)), (), {}, 0.0)


def person(code: str, status: str, rated: int = 0, **changed: object) -> ParticipantRow:
    row = ParticipantRow(code, status, False, 0.0, 100.0, None, rated, {}, False, "", {}, {})
    return replace(row, **changed)  # type: ignore[arg-type]


def ratings(code: str, times: list[float], stimulus: str = "joint-0") -> list[RatingRow]:
    return [
        RatingRow(
            code, i, "test", stimulus.partition("-")[0], "c.mp4", stimulus, "system", None, None,
            5.0, 3, 1, 5.0, 1.0, at - 5, at,
        )
        for i, at in enumerate(times)
    ]  # fmt: skip


def test_time_left_follows_the_own_pace_without_breaks() -> None:
    times = [110.0, 120.0, 130.0, 140.0, 1140.0, 1150.0, 1160.0]
    people = [person("A", "trials", 7)]
    progress = progress_from(ROW, people, ratings("A", times), 1160.0)
    assert progress.left == pytest.approx((STUDY.positions - 7) * 10.0)
    assert progress.expected == STUDY.positions and progress.ratings == 7


def test_a_newcomer_goes_at_the_pace_of_the_others_or_of_the_clips() -> None:
    people = [person("A", "done", 12), person("B", "trials", 0, consented_at=200.0)]
    times = [100.0 + 8 * i for i in range(12)]
    progress = progress_from(ROW, people, ratings("A", times), 210.0)
    assert progress.left == pytest.approx(STUDY.positions * 8.0)
    alone = progress_from(ROW, people[1:], [], 210.0)
    assert alone.left == pytest.approx(STUDY.positions * (5.0 + THINKING_SECONDS))


def test_time_left_ignores_absent_listeners() -> None:
    people = [person("A", "trials", 1), person("B", "invited", consented_at=None)]
    rows = ratings("A", [110.0])
    here = progress_from(ROW, people, rows, 110.0 + AWAY_SECONDS)
    gone = progress_from(ROW, people, rows, 111.0 + AWAY_SECONDS)
    assert (here.people[0].away, gone.people[0].away, gone.people[1].away) == (False, True, False)
    assert here.left is not None and gone.left is None


def test_simulated_listeners_count_only_among_themselves() -> None:
    both = [person("A", "done", 12), person("S", "done", 12, simulated=True)]
    rows = ratings("A", [110.0]) + ratings("S", [110.0])
    mixed = progress_from(ROW, both, rows, 200.0)
    assert (mixed.simulated, mixed.apart, mixed.steps["done"], mixed.ratings) == (False, 1, 1, 12)
    assert mixed.coverage[0].ratings == 1
    only = progress_from(ROW, both[1:], rows[1:], 200.0)
    assert (only.simulated, only.apart, only.steps["done"]) == (True, 0, 1)
    nobody = progress_from(ROW, [], [], 200.0)
    assert not nobody.simulated and nobody.left is None and sum(nobody.steps.values()) == 0


def test_coverage_counts_clips_and_leaves_the_excluded_out() -> None:
    people = [person("A", "trials", 3), person("B", "trials", 2, excluded=True)]
    rows = (
        ratings("A", [110.0, 120.0], "joint-0")
        + ratings("A", [130.0], "joint-1")
        + ratings("B", [110.0, 120.0], "joint-2")
    )
    progress = progress_from(ROW, people, rows, 140.0)
    joint = next(c for c in progress.coverage if c.name == "joint")
    assert (joint.trials, joint.ratings, joint.clips, joint.unrated) == (2, 3, 6, 4)
    assert (joint.least, joint.middle, joint.most) == (0, 0, 2)
    assert [c.name for c in progress.coverage] == [g.name for g in STUDY.groups]
    assert progress.excluded == 1
