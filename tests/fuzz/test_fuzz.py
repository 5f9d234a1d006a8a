"""A few hundred damaged files for every reader: each ends in a value or in one sentence.

`make fuzz` tries thousands of others; `make fuzz CASE=…` repeats one that is named here.
"""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.fuzz.case import Plan
from tests.fuzz.judge import Outcome
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.worker import outcomes

PLAN = Plan(count=320, seed=12, whole=True)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes in /proc")


@pytest.fixture(scope="module")
def results() -> list[Outcome]:
    """Outcomes of whole files and of damaged ones."""
    return list(outcomes("tests.fuzz.readers:TABLE", PLAN, jobs=2))


def test_whole_files_are_values(results: list[Outcome]) -> None:
    whole = [outcome for outcome in results if outcome.case.mutation == "none"]
    assert len(whole) > 80
    assert [outcome for outcome in whole if outcome.kind != "value"] == []


def test_damaged_files_are_values_or_one_sentence(results: list[Outcome]) -> None:
    faults = [f"make fuzz CASE={o.case} # {o.kind}: {o.text}" for o in results if not o.is_good]
    assert not faults, "\n".join(faults)


def test_every_reader_meets_damage_of_every_kind_that_is_neither_harmless_nor_total(
    results: list[Outcome],
) -> None:
    damaged = [outcome for outcome in results if outcome.case.mutation != "none"]
    assert len(damaged) == PLAN.count
    assert {o.case.reader for o in damaged} == {o.case.reader for o in results}
    assert {o.case.mutation for o in damaged} == set(MUTATIONS) - {"none"}
    kinds = Counter(outcome.kind for outcome in damaged)
    assert kinds["value"] > 0.1 * PLAN.count and kinds["error"] > 0.3 * PLAN.count
