"""The harness catches readers that hang, eat memory, crash, say too much or leave something behind."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.fuzz.case import Case, plan
from tests.fuzz.judge import Outcome, message_fault
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.readers import TABLE
from tests.fuzz.toy_readers import BAD, GOOD
from tests.fuzz.worker import Limits, outcomes

LIMITS = Limits(seconds=3.0, clock_seconds=8.0, memory=2**28)

linux = pytest.mark.skipif(sys.platform != "linux", reason="watches processes in /proc")


@pytest.fixture(scope="module")
def results() -> dict[str, Outcome]:
    """The outcome of each toy reader."""
    cases = [Case(name, "none", 0) for name in (*GOOD, *BAD)]
    found = outcomes("tests.fuzz.toy_readers:TABLE", cases, LIMITS, jobs=2)
    return {outcome.case.reader: outcome for outcome in found}


@linux
@pytest.mark.parametrize("reader", GOOD)
def test_a_value_and_a_sentence_are_good(reader: str, results: dict[str, Outcome]) -> None:
    kind = "error" if reader == "refuse" else "value"
    assert (results[reader].kind, results[reader].is_good) == (kind, True), results[reader]


@linux
@pytest.mark.parametrize("reader", BAD)
def test_every_fault_is_caught(reader: str, results: dict[str, Outcome]) -> None:
    assert results[reader].kind == BAD[reader][1], results[reader]
    assert not results[reader].is_good


@linux
def test_a_hang_and_an_exception_say_where(results: dict[str, Outcome]) -> None:
    for name in ("compute_for_ever", "wait_for_ever", "eat", "crash", "key_error"):
        assert f"_{name}" in results[name].text


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("x.csv is empty.", ""),
        ("x.csv is\nempty.", "holds '\\n'"),
        ("x\x1b[31m.csv is empty.", "holds '\\x1b'"),
        ("x\u202e.csv is empty.", "holds '\\u202e'"),
        ("x\udcff.csv is empty.", "holds '\\udcff'"),
        ("x.csv is empty", "no sentence"),
        ("y.csv is empty.", "does not name"),
        ("x.csv is empty." * 40, "600 characters"),
    ],
)
def test_messages_are_one_printable_sentence(message: str, fault: str) -> None:
    said = message_fault(message, names=["x"])
    assert fault in said if fault else not said


def test_a_plan_is_a_function_of_its_seed_and_meets_every_reader() -> None:
    cases = plan(TABLE, 400, 3)
    assert cases == plan(TABLE, 400, 3) != plan(TABLE, 400, 4)
    assert {case.reader for case in cases} == set(TABLE.readers)
    assert all(Case.parse(str(case)) == case for case in cases)
    used = {mutation for name in TABLE.readers for mutation in TABLE.mutations(name)}
    assert used == set(MUTATIONS) - {"none"}


def _target(mutation: str, folder: Path) -> Path:
    """A file of the first seed that has one for the mutation."""
    for seed in TABLE.seeds.values():
        patterns = [p for p in seed.patterns if MUTATIONS[mutation].suits(p) and "." in p]
        if patterns:
            seed.build(folder)
            return next(folder.glob(patterns[0]))
    raise AssertionError(f"no seed for {mutation}")


def _content(path: Path) -> object:
    if path.is_symlink() or not path.is_file():
        return path.is_symlink(), path.is_dir(), path.is_fifo()
    return path.read_bytes()


@pytest.mark.parametrize("mutation", [name for name in MUTATIONS if name != "none"])
def test_a_mutation_repeats_itself_and_changes_something(mutation: str, tmp_path: Path) -> None:
    (tmp_path / "seed").mkdir()
    target = _target(mutation, tmp_path / "seed")
    before = target.read_bytes()
    changed = 0
    for number in range(20):
        contents = []
        for attempt in (0, 1):
            path = tmp_path / f"{number}-{attempt}" / target.name
            path.parent.mkdir()
            path.write_bytes(before)
            MUTATIONS[mutation].apply(path, random.Random(number))
            contents.append(_content(path))
        assert contents[0] == contents[1]
        changed += contents[0] != before
    assert changed >= 12
