"""The harness catches readers that hang, eat memory, crash, say too much or leave something behind."""

from __future__ import annotations

import random
import sqlite3
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import save_file

from tests.fuzz.case import Case, Plan
from tests.fuzz.judge import Outcome, message_fault
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.toy_readers import BAD, GOOD, TABLE
from tests.fuzz.worker import Limits, outcomes
from tests.videos import make_video

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
    cases = Plan(60, 3).cases(TABLE)
    assert cases == Plan(60, 3).cases(TABLE) != Plan(60, 4).cases(TABLE)
    assert {case.reader for case in cases} == set(TABLE.readers)
    assert all(Case.parse(str(case)) == case for case in cases)
    assert {case.reader for case in Plan(9, 3, ("crash",)).cases(TABLE)} == {"crash"}
    assert len(Plan(9, 3, whole=True).cases(TABLE)) == 9 + 2 * len(TABLE.readers)


def _sample(path: Path) -> None:
    """A small file of the kind that its suffix says."""
    kind = path.suffix
    if kind in (".mp4", ".mkv", ".ts"):
        make_video(path, width=32, height=32, codecs=("libx264", "aac"))
    elif kind in (".wav", ".flac"):
        soundfile.write(path, np.zeros((999, 2)), 16_000)
    elif kind == ".safetensors":
        save_file({"a": np.ones((3, 4), np.float32), "b": np.ones(2, np.float32)}, path)
    elif kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.wav", b"a" * 100)
            archive.writestr("b/c.csv", b"1,2\n")
    elif kind == ".npy":
        np.save(path, np.ones((3, 4)))
    elif kind == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE rating (position INTEGER, text VARCHAR)")
            database.execute("INSERT INTO rating VALUES (1, 'good'), (2, 'bad')")
            database.commit()
    else:
        text = {".json": '{"a": 1, "b": [0.5, {"c": "x"}]}'}.get(kind, "1,2.5\n3,-4\n")
        path.write_text(text)


def _content(path: Path) -> object:
    if path.is_symlink() or not path.is_file():
        return path.is_symlink(), path.is_dir(), path.is_fifo()
    return path.read_bytes()


@pytest.mark.parametrize("mutation", [name for name in MUTATIONS if name != "none"])
def test_a_mutation_repeats_itself_and_changes_something(mutation: str, tmp_path: Path) -> None:
    target = tmp_path / f"seed{(*MUTATIONS[mutation].suffixes, '.csv')[0]}"
    _sample(target)
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
