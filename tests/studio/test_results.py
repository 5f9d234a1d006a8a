"""The Results tab behind the page: the files it shows, names as text, and what stays private."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studio_fakes

from benchmarks.mos_kills import leaping_clock, pass_screening, sample_study
from savg.evaluation.published import published
from savg.evaluation.result_files import RESULTS
from savg.mos import session
from savg.mos.results.analysis import analyse
from savg.mos.results.report import write_report
from savg.mos.storage.store import Store, sqlite_url
from savg.studio import build
from savg.studio.results import result_files
from savg.studio.results.benchmark_board import (
    document,
    methods_board,
    methods_figure,
    published_board,
)
from savg.studio.results.result_files import Reports, benchmarks, read_report
from savg.studio.results.study_results import StudyResults
from savg.viz.documents import NOT_ENOUGH, Estimate
from savg.viz.result_plots import intervals, ratings_against_score

EVIL = '<img src=x onerror="alert(1)"><a href="//evil.example">'


def sit(store: Store, seed: int, simulated: bool) -> None:
    """One listener's whole session."""
    rng = np.random.default_rng(seed)
    row = store.study("s")
    clips = {s.media: s for s in row.stimuli}
    token = store.invite("s", simulated=simulated)[0].token
    now = pass_screening(store, token, row)
    while now.trial is not None:
        clip = clips[now.trial.media]
        middle = {"joint": 3.2, "ground_truth": 4.4, "swapped": 1.5}.get(clip.condition, 2.5)
        score = clip.expected or int(np.clip(round(rng.normal(middle, 0.6)), 1, 5))
        session.serve(store, token, now.trial.position)
        now = session.rate(
            store, token, now.trial.position, score,
            plays=1, seconds_played=5.0, response_seconds=1.5,
        )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of a real and of a simulated study, and a file that is none."""
    root = tmp_path_factory.mktemp("reports")
    for name, simulated in (("spring", False), ("rehearsal", True)):
        store = Store(sqlite_url(root / f"{name}.sqlite"), leaping_clock())
        sample_study(store, "s", clips=22)
        for seed in range(3):
            sit(store, seed, simulated)
        stimuli = store.study("s").stimuli
        scores = {(s.condition, Path(s.clip).stem): (i % 10) / 10 for i, s in enumerate(stimuli)}
        write_report(store, "s", root / name, scores)
        store.close()
    (root / "broken").mkdir()
    (root / "broken" / "report.json").write_text('{"study": {}}')
    return root


@pytest.fixture
def results(folder: Path, tmp_path: Path) -> StudyResults:
    return StudyResults(Reports([folder]), tmp_path / "store")


def key_of(results: StudyResults, word: str) -> str:
    return next(key for title, key in results.reports.choices()[0] if word in title)


def test_reports_are_found_and_broken_ones_named(results: StudyResults) -> None:
    choices, problems = results.reports.choices()
    assert [title for title, _ in choices] == ["s", "s (simulated listeners)"]
    assert problems == ["broken/report.json is no report of a listening test."]
    assert results.start()["notes"] == problems
    for wrong in ("99", "-1", "../x", None, 3, "x" * 9):
        board, *rest = results.report(wrong, False)
        assert board["tables"] == [] and rest[-1] is None


def test_a_report_shows_the_numbers_of_the_analysis(folder: Path, results: StudyResults) -> None:
    store = Store(sqlite_url(folder / "spring.sqlite"))
    result = analyse(store, "s")
    head, mos, differences, clips, more = results.report(key_of(results, "s"), False)
    assert head["badge"] == "" and more["badge"] == ""
    rows = {row[0]: row for row in head["tables"][0]["rows"]}
    for condition in result.conditions:
        assert rows[condition.name][1] == f"{condition.mos.estimate:.2f}"
        assert rows[condition.name][2] == f"{condition.mos.low:.2f} … {condition.mos.high:.2f}"
    trace = mos["value"].data[-1]
    for condition, x, up, down in zip(
        result.conditions, trace.x, trace.error_x.array, trace.error_x.arrayminus, strict=True
    ):
        assert x == condition.mos.estimate
        assert (x + up, x - down) == (
            pytest.approx(condition.mos.high),
            pytest.approx(condition.mos.low),
        )
    assert len(differences["value"].data[-1].x) == len(result.differences)
    assert sum(len(trace.x) for trace in clips["value"].data) > 40
    captions = [table["caption"] for table in more["tables"]]
    assert captions[:3] == ["Differences", "Listeners", "Reliability"] and len(captions) == 4
    flow = {row[0]: row[1] for row in more["tables"][1]["rows"]}
    assert flow == {k: str(v) for k, v in result.flow.items()}
    store.close()


def test_simulated_listeners_are_marked_everywhere(results: StudyResults) -> None:
    head, *figures, more = results.report(key_of(results, "simulated"), True)
    assert "SIMULATED" in head["badge"] and "SIMULATED" in more["badge"]
    for figure in figures:
        assert any("SIMULATED" in (a.text or "") for a in figure["value"].layout.annotations)
    assert all(file["name"].startswith("simulated-") for file in more["downloads"])
    for path in results.store.rglob("*.csv"):
        rows = list(csv.DictReader(path.open(encoding="utf-8")))
        assert rows and all(row["simulated"] == "True" for row in rows)


def test_downloads_hold_nothing_of_single_listeners(folder: Path, results: StudyResults) -> None:
    store = Store(sqlite_url(folder / "spring.sqlite"))
    codes = [p.code for p in store.participants("s")]
    store.close()
    key = key_of(results, "s")
    first, again = results.report(key, False)[-1], results.report(key, True)[-1]
    assert first["downloads"] == again["downloads"], "written once"
    labels = [file["label"] for file in first["downloads"]]
    assert labels == ["Results JSON", "Mean opinion scores CSV", "Differences CSV", "Clips CSV"]
    files = [p for p in results.store.rglob("*") if p.is_file()]
    assert len(files) == 4
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not any(code in text for code in codes)
    stored = json.loads(next(p for p in files if p.suffix == ".json").read_text(encoding="utf-8"))
    assert "conditions" in stored and not {"listeners", "flags"} & set(stored)


def test_names_of_files_are_text(folder: Path, tmp_path: Path) -> None:
    data = json.loads((folder / "spring" / "report.json").read_text(encoding="utf-8"))
    data["study"]["name"] = EVIL
    data["study"]["labels"] = [EVIL, "b", "c", "d", "=1+1"]
    data["conditions"][0]["name"] = EVIL
    data["differences"][0]["first"] = "=cmd()"
    (tmp_path / "report.json").write_text(json.dumps(data))
    results = StudyResults(Reports([tmp_path]), tmp_path / "store")
    head, mos, *_, more = results.report("0", False)
    assert EVIL in head["title"] and head["tables"][0]["rows"][0][0] == EVIL, "text: set as text"
    plot = mos["value"].to_json()
    assert "<img" not in plot.replace("\\u003c", "<") and "<a " not in plot.replace("\\u003c", "<")
    name = next(f for f in more["downloads"] if "Differences" in f["label"])
    written = next((tmp_path / "store").rglob("differences.csv")).read_text()
    assert "'=cmd()" in written and name["name"] == "differences.csv"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("conditions"),
        lambda d: d["conditions"][0].update(mos=None),
        lambda d: d["conditions"][0]["mos"].update(estimate="x"),
        lambda d: d.update(flow={}),
        lambda d: d.update(study=[]),
        lambda d: d.update(spatial=3),
    ],
)
def test_what_is_no_report_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    data = json.loads((folder / "spring" / "report.json").read_text(encoding="utf-8"))
    change(data)
    (tmp_path / "report.json").write_text(json.dumps(data))
    results = StudyResults(Reports([tmp_path]), tmp_path / "store")
    (problem,) = results.reports.choices()[1]
    assert problem.endswith("is no report of a listening test.")
    assert results.report("0", False)[0]["notes"] == [problem]


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400])
def test_numbers_that_are_not_finite_are_not_enough_data(
    folder: Path, tmp_path: Path, value: float
) -> None:
    data = json.loads((folder / "spring" / "report.json").read_text(encoding="utf-8"))
    data["conditions"][0]["mos"]["high"] = data["repeats"]["rating_sd"] = value
    (tmp_path / "report.json").write_text(json.dumps(data))
    board, *_, more = StudyResults(Reports([tmp_path]), tmp_path / "store").report("0", False)
    assert NOT_ENOUGH in board["tables"][0]["rows"][0] and more["downloads"]


def test_benchmarks_are_read_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spatial = {"name": "spatial_av_align", "value": 0.625, "low": 0.5, "high": 0.75, "n": 64,
               "nulls": {"centre": 0.4, "swapped": 0.1}, "notes": {"tp": 5, "fn": 3}}  # fmt: skip
    bare = spatial | {"low": None, "high": None}
    result = {
        "setting": {"command": "python -m benchmarks.x --n 3", "cpu": "2 cores", "torch": "2.11"},
        "sets": {name: {"label": label, "clips": 64, "facts": {}, "metrics": {spatial["name"]: result}}
                 for name, label, result in (("a", "Two-stage", spatial), ("b", "Joint", bare))},
    }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(result))
    (tmp_path / "a.md").write_text("# Other\n\n| a |\n|---|\n| 1 |\n")
    (tmp_path / "bad.json").write_text("{")
    listed = benchmarks(tmp_path)
    assert [b.name for b in listed] == ["x", "a", "bad"]
    assert [m.label for m in listed[0].measures] == ["Two-stage", "Joint"]
    monkeypatch.setattr(
        "savg.studio.results.benchmark_board.benchmarks", lambda: benchmarks(tmp_path)
    )
    board = methods_board()
    row = dict(zip(board["tables"][0]["head"], board["tables"][0]["rows"][0], strict=True))
    assert row["Spatial AV-Align"] == "0.625" and row["95 %"] == "0.500 … 0.750"
    assert row["chance: centre"] == "0.400" and row["TP / FN"] == "5 / 3"
    assert (
        "benchmarks.x --n 3" in board["tables"][0]["how"] and "2 cores" in board["tables"][0]["how"]
    )
    assert methods_figure(False)["value"].data[-1].x == (0.625, 0.625)
    assert "Other" in document("a") and "not there" in document("../../etc")


def test_the_published_table_and_our_own_files() -> None:
    paper = published().table("savgbench")
    assert paper.row("Ground truth").values["Spatial AV-Align"] == 0.92
    assert paper.row("Joint").values["MOS"] == 2.90
    captions = [table["caption"] for table in published_board()["tables"]]
    assert "Published: StereoSync" in captions
    own = methods_board()
    assert not any("Published" in table["caption"] for table in own["tables"])
    assert any("synthetic" in line and "real recordings" in line for line in own["lines"])
    rows = methods_figure(False)["value"].data[-1].y
    assert rows and all("n = " in str(name) for name in rows)
    by_name = {b.name: b for b in benchmarks()}
    stored = json.loads((RESULTS / "demo_quality.json").read_text())
    scores = [m.score for m in by_name["demo_quality"].measures]
    assert stored["sets"]["generated"]["metrics"]["spatial_av_align"]["value"] in scores
    assert all("python -m" in b.command for b in by_name.values())


def test_figures_take_few_values_and_long_names() -> None:
    rows = [Estimate("a" * 300, 1.0), Estimate("b", 2.0, 1.5, 2.5, (("chance: x", 0.5),))]
    for dark in (False, True):
        figure = intervals(rows, "t", "x", (0, 3), dark=dark, zero=True, mark="SIMULATED")
        assert figure.data[-1].error_x.array == (0.0, 0.5)
    assert intervals([], "t", "x", (0, 1)).layout.height > 0
    assert len(ratings_against_score([("c", "clip", 0.5, 3.0, 4)], "t", (1, 5)).data) == 1


def test_the_tab_is_there_without_any_report() -> None:
    studio = build(studio_fakes.services(), datasets=())
    text = str(studio.blocks.get_config_file())
    assert "mos report STUDY" in text and "Spatial AV-Align" in text


def test_single_report_folders_and_studies_are_found_too(folder: Path) -> None:
    assert len(Reports([folder / "spring"]).files()) == 1
    environment = {result_files.VARIABLE: f"{folder / 'spring'}:{folder / 'rehearsal'}"}
    assert len(Reports.of_environment(environment).files()) == 2
    assert not Reports.of_environment({})
    gone = Reports([folder / "gone"])
    assert gone.choices()[1] == ["SAVG_REPORTS names no folder with a report.json in it."]
    assert read_report(folder / "spring" / "report.json").clips
