"""Studies too small or too even for statistics: numbers or "not enough data" in every form."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from savg.cli.mos import report as report_command
from savg.errors import SavgError
from savg.mos.results.report import write_report
from savg.mos.storage import schema
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import Condition, Stimulus, Study
from savg.mos.study.folder import describe_folder
from savg.studio.results.result_files import Reports
from savg.studio.results.study_results import StudyResults
from savg.viz.documents import NOT_ENOUGH

Score = Callable[[int, int, str], int]
"""Of listener i for the clip j of a condition."""


@dataclass(frozen=True)
class Case:
    """A study: each listener rates `clips` of each condition."""

    listeners: int = 2
    clips: int = 1
    conditions: tuple[str, ...] = ("a", "b")
    score: Score = lambda i, j, name: 1 + (i + 2 * j + len(name)) % 5
    repeats: int = 0
    catch: int = 0
    rated: Sequence[str] | None = None
    excluded: int = 0
    straight: int = 0
    scores: bool = False
    simulated: bool = False
    reference: str | None = None


def flat(i: int, j: int, name: str) -> int:
    return 3


def by_condition(i: int, j: int, name: str) -> int:
    return 2 if name == "a" else 4


def by_clip(i: int, j: int, name: str) -> int:
    return 1 + j % 5


def nearly(i: int, j: int, name: str) -> int:
    """Every listener's difference between two conditions is 1, but for rounding errors."""
    return 1 + (i if j == 2 else 0) + (name == "b")


CASES = {
    "one_listener_one_clip": Case(1),
    "one_listener": Case(1, clips=6),
    "one_condition": Case(1, conditions=("a",)),
    "one_condition_two_listeners": Case(2, conditions=("a",), clips=4),
    "two_listeners_one_clip": Case(2),
    "two_listeners": Case(2, clips=6),
    "two_equal": Case(2, clips=4, score=by_clip),
    "three_listeners_one_clip": Case(3, conditions=("a", "b", "c")),
    "one_clip_a_condition_many": Case(8, conditions=("a", "b", "c")),
    "all_equal": Case(6, clips=4, score=flat),
    "all_equal_one": Case(1, clips=4, score=flat),
    "equal_in_conditions": Case(6, clips=4, score=by_condition),
    "equal_on_clips": Case(6, clips=4, score=by_clip),
    "rounding": Case(4, clips=3, score=nearly),
    "rounding_two": Case(2, clips=3, score=nearly),
    "a_condition_nobody_rated": Case(4, clips=3, conditions=("a", "b", "c"), rated=("a", "b")),
    "one_condition_rated": Case(3, clips=3, rated=("a",)),
    "all_but_one_excluded": Case(4, clips=3, excluded=3),
    "all_flagged": Case(3, clips=12, score=flat, straight=3),
    "all_but_one_flagged": Case(4, clips=12, straight=3),
    "repeats": Case(2, clips=3, repeats=1),
    "equal_repeats": Case(4, clips=3, repeats=2, score=flat),
    "catch_only_wrong": Case(3, clips=3, catch=2),
    "scores": Case(3, clips=5, scores=True),
    "scores_few": Case(2, clips=1, scores=True),
    "scores_equal": Case(4, clips=5, scores=True, score=flat),
    "simulated": Case(2, clips=2, simulated=True),
    "reference": Case(2, clips=2, conditions=("a", "b"), reference="a"),
}


def make(case: Case, folder: Path) -> Store:
    """The study, rated at once: its rows are written as they would be after its sessions."""
    study = Study(
        "s",
        tuple(Condition(name, case.clips) for name in case.conditions),
        case.reference,
        practice=0,
        repeats=case.repeats,
        repeat_gap=1,
        catch=case.catch,
        max_run=500,
        questions=(),
    )
    folder.mkdir(exist_ok=True)
    store = Store(sqlite_url(folder / "study.sqlite"))
    names = [(name, j) for name in case.conditions for j in range(case.clips)]
    stimuli = [Stimulus(f"{n}-{j}", n, f"{n}{j}.mp4", f"{n}/{j}", "system", 5.0) for n, j in names]
    stimuli += [Stimulus(f"k{j}", "catch", "-", f"k/{j}", "catch", 5.0, "", 5) for j in range(2)]
    levels = {"spatial": {"a": {f"a{j}": (j % 4) / 4 for j in range(case.clips)}}}
    with store.writing() as connection:
        row = {"id": "s", "status": "open", "design": json.dumps(study.to_dict())}
        row |= {"levels": json.dumps(levels if case.scores else {}), "software": "test"}
        connection.execute(insert(schema.study).values(**row, created_at=1.0))
        connection.execute(insert(schema.stimulus), [{**vars(s), "study_id": "s"} for s in stimuli])
    links = store.invite("s", case.listeners, simulated=case.simulated)
    rated = case.conditions if case.rated is None else case.rated
    with store.writing() as connection:
        people = connection.execute(select(schema.participant).order_by("id")).all()
        for i, person in enumerate(people):
            tests = [(f"{n}-{j}", case.score(i, j, n)) for n, j in names if n in rated]
            tests = (tests * len(names))[: len(names)]
            trials: list[tuple[str, str, int, int | None]] = [
                (clip, "test", score, None) for clip, score in tests
            ]
            trials += [(trials[r][0], "repeat", trials[r][2], r) for r in range(case.repeats)]
            trials += [(f"k{r}", "catch", 1, None) for r in range(case.catch)]
            write(connection, person.id, trials, fast=i < case.straight)
    for link in links[: case.excluded]:
        store.exclude("s", link.code, True, "asleep", "ann")
    return store


def write(connection: Any, person: int, trials: Sequence[Any], *, fast: bool) -> None:
    rows = [
        {"participant_id": person, "position": at, "role": role, "stimulus_id": clip,
         "repeat_of": first, "served_at": 10.0 * at}
        for at, (clip, role, _, first) in enumerate(trials)
    ]  # fmt: skip
    connection.execute(insert(schema.assignment), rows)
    ratings = [
        {"participant_id": person, "position": at, "score": score, "plays": 1, "seconds_played": 5.0,
         "response_seconds": 0.1 if fast else 1.0, "rated_at": 10.0 * at + 6}
        for at, (_, _, score, _) in enumerate(trials)
    ]  # fmt: skip
    connection.execute(insert(schema.rating), ratings)
    table = schema.participant
    done = {"status": "done", "consented_at": 0.0, "assigned_at": 0.0, "finished_at": 999.0}
    connection.execute(table.update().where(table.c.id == person).values(**done))


NOT_A_NUMBER = re.compile(r"(?<![a-z])(nan|inf|infinity|none)(?![a-z])", re.IGNORECASE)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


def refuse(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_form_of_the_report_has_numbers_or_words(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make(case, tmp_path / "s")
    out = tmp_path / "report"
    analysis = write_report(store, "s", out)
    result = analysis.to_dict()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert all(math.isfinite(v) for v in numbers(result))
    assert {c["name"] for c in result["conditions"]} >= set(case.conditions)
    for path in out.iterdir():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            json.loads(text, parse_constant=refuse)
        plain = text.replace("default-src 'none'", "").replace("pointer-events:none", "")
        plain = plain.replace("Anchors none", "").replace("None.", "")
        if path.suffix != ".csv":
            assert not NOT_A_NUMBER.search(plain), (path.name, NOT_A_NUMBER.search(plain))
        else:
            assert not re.search(r"(^|,)-?(nan|inf)(,|$)", text, re.IGNORECASE | re.MULTILINE), path
    missing = any(c["mos"]["low"] is None for c in result["conditions"])
    for suffix in (".md", ".html"):
        text = next(out.glob(f"*report{suffix}")).read_text(encoding="utf-8")
        assert NOT_ENOUGH in text if missing else True
    store.close()
    describe_folder(tmp_path / "s", "s")
    parser = report_command.argparse.ArgumentParser()
    report_command.add_arguments(parser)
    args = parser.parse_args([str(tmp_path / "s"), "--out", str(tmp_path / "again")])
    assert report_command.run(args) == 0
    assert not NOT_A_NUMBER.search(capsys.readouterr().out.replace(str(tmp_path), ""))


def test_the_studio_shows_numbers_or_words(case: Case, tmp_path: Path) -> None:
    store = make(case, tmp_path / "s")
    write_report(store, "s", tmp_path / "report")
    store.close()
    findings = StudyResults(Reports([tmp_path / "report"]), tmp_path / "store")
    head, mos, differences, clips, more = findings.report("0", False)
    boards = json.dumps([head, more], allow_nan=False)
    assert not re.search(r"\b(nan|inf|NaN|None|Infinity)\b", boards)
    rows = {row[0]: row for row in head["tables"][0]["rows"]}
    assert set(rows) >= set(case.conditions)
    for name in set(case.conditions) - set(case.rated or case.conditions):
        assert rows[name][1:4] == [NOT_ENOUGH] * 3
    for figure in (mos, differences, clips):
        if "value" in figure:
            json.loads(figure["value"].to_json(), parse_constant=refuse)
            assert "NaN" not in figure["value"].to_json()
    for path in (tmp_path / "store").rglob("*.csv"):
        cells = [cell for row in csv.reader(path.open(encoding="utf-8")) for cell in row]
        assert not {c.lower().lstrip("-") for c in cells} & {"nan", "inf", "none", ""}, path
    for path in (tmp_path / "store").rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_when_all_are_excluded_one_sentence_says_so(tmp_path: Path) -> None:
    store = make(Case(3, excluded=3), tmp_path / "s")
    with pytest.raises(SavgError, match="all are excluded"):
        write_report(store, "s", tmp_path / "report")
    assert not (tmp_path / "report").exists() or not any((tmp_path / "report").iterdir())
    store.close()
