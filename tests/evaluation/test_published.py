"""The published tables: the numbers that are known, and files of another form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.evaluation.published import PUBLISHED, published, shown
from savg.metrics.spatial import SpatialAvAlign


def test_the_repositorys_own_run() -> None:
    (row,) = published().table("savgbench-code").rows
    assert row.clips == 96
    counts = row.values["TP"], row.values["FN"]
    assert counts == (2382, 2320)
    assert row.values["Spatial AV-Align"] == pytest.approx(2382 / (2382 + 2320), abs=5e-5)
    assert (row.values["FVD"], row.values["KVD"], row.values["FAD"]) == (1218.85, 55.60, 9.357)


def test_the_papers_tables() -> None:
    paper = published().table("savgbench")
    assert [row.values["FVD"] for row in paper.rows] == [689.35, 1265.91, 1386.53]
    assert any("not reproduce" in note for note in paper.notes)
    assert any("No intervals" in note for note in paper.notes)
    stereosync = published().table("stereosync")
    assert stereosync.row("With spatial conditions").values["Spatial AV-Align"] == 0.78
    assert stereosync.row("Ground truth").values["E-L1"] is None
    assert paper.metrics["Spatial AV-Align"] == SpatialAvAlign.name
    with pytest.raises(SavgError, match="Joint"):
        paper.row("joint")
    with pytest.raises(SavgError, match="stereosync"):
        published().table("x")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (2382, "2382"), (12.0, "12.00"), (0.6681, "0.6681"), (2.9, "2.90"), (0.047, "0.047")],
)  # fmt: skip
def test_values_have_their_published_digits(value: float | None, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "broken", [{"rows": 3}, {"rows": [{"name": "a", "values": ["x"]}]}, {"columns": []}]
)
def test_another_form_is_one_sentence(tmp_path: Path, broken: dict[str, object]) -> None:
    data = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    data["tables"][0] |= broken
    path = tmp_path / "p.json"
    path.write_text(json.dumps(data))
    with pytest.raises(SavgError, match="must hold published tables"):
        published(path)
