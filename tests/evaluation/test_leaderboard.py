"""The leaderboard: entries come back, writers wait for each other, other files are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.evaluation import leaderboard
from savg.evaluation.leaderboard import Entry, append_run, read_leaderboard
from savg.evaluation.result_files import SetResult
from savg.evaluation.results_file import Run
from savg.metrics.base import MetricResult

ROOT = Path(__file__).resolve().parents[2]


def run(name: str = "a") -> Run:
    metrics = {
        "fvd": MetricResult("fvd", 12.5, 10.0, 15.0, 8, {"permuted": 3.0}, {"warnings": ["Few."]}),
        "kvd": MetricResult("kvd", None, notes={"reason": "There is no clip."}),
    }
    about = {
        "name": name,
        "created": "2026-11-29T00:00:00Z",
        "mode": "official",
        "networks": {"i3d": {"sha256": "0"}},
        "reading": {"fps": 4},
    }
    sets = {
        "generated": SetResult("generated", 8, metrics),
        "reference": SetResult("reference", 9, {}),
    }
    return Run(about, sets, warnings=("Unequal.",))


def test_entries_have_the_documented_form_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "leaderboard.json"
    assert read_leaderboard(path) == []
    append_run(path, run("a"))
    entries = append_run(path, run("b"))
    assert [entry.name for entry in entries] == ["a", "b"]
    assert [e.to_json() for e in read_leaderboard(path)] == [e.to_json() for e in entries]
    assert json.loads(path.read_text())[0] == {
        "name": "a",
        "created": "2026-11-29T00:00:00Z",
        "mode": "official",
        "n": 8,
        "reference_n": 9,
        "metrics": {
            "fvd": {"value": 12.5, "low": 10.0, "high": 15.0, "nulls": {"permuted": 3.0}},
            "kvd": {"value": None, "low": None, "high": None, "nulls": {}},
        },
        "networks": {"i3d": {"sha256": "0"}},
        "reading": {"fps": 4},
        "warnings": ["Unequal.", "Few."],
    }


TEXT_FOR_A_NUMBER = json.dumps([{**Entry.of(run()).to_json(), "n": "8"}])


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"name": "a"}]', "x", TEXT_FOR_A_NUMBER])
def test_another_file_is_refused_and_stays(tmp_path: Path, content: str) -> None:
    path = tmp_path / "l.json"
    path.write_text(content)
    with pytest.raises(SavgError, match=r"l\.json"):
        append_run(path, run())
    assert path.read_text() == content


def test_several_writers_lose_no_entry(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.evaluation.test_leaderboard import run\n"
        "from savg.evaluation.leaderboard import append_run\n"
        "for i in range(6): append_run(Path(sys.argv[1]), run(f'{sys.argv[2]} {i}'))\n"
    )
    path = tmp_path / "l.json"
    command = [sys.executable, "-c", script, str(path)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    names = [entry.name for entry in read_leaderboard(path)]
    assert sorted(names) == sorted(f"{name} {i}" for name in "ab" for i in range(6))


def test_a_writer_that_does_not_end_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboard, "PATIENCE", 0.1)
    path = tmp_path / "l.json"
    with (
        leaderboard._locked(path),
        pytest.raises(SavgError, match="is being written by another run"),
    ):
        append_run(path, run())
