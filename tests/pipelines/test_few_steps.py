"""The benchmark of steps and samplers runs through on random networks, and its rows differ."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from benchmarks import few_steps
from benchmarks.few_steps import SAMPLERS, Row
from savg.pipelines.sampling import SamplerConfig
from tests.pipelines.test_generation_quality import weights

ROWS = ["joint:default", "joint:ddim:2", "two_stage:default", "two_stage:dpmpp1:2"]


def test_rows_are_read_and_written() -> None:
    own = SamplerConfig("dpmpp_multistep", steps=24, order=2, snap=True, limit="clamp_first")
    row = Row.of("two_stage:dpmpp3:8")
    assert str(row) == "two_stage:dpmpp3:8"
    config = row.config(own)
    assert (config.order, config.steps, config.snap, config.limit) == (3, 8, True, "clamp_first")
    assert Row.of("joint:default").config(own) == own
    assert [str(Row.of(text)) for text in few_steps.ROWS] == few_steps.ROWS
    assert {Row.of(f"joint:{n}:4").config(own).steps for n in SAMPLERS if n != "default"} == {4}
    for wrong in ("joint", "joint:ddim", "joint:default:3", "one:ddim:3", "joint:other:3"):
        with pytest.raises(argparse.ArgumentTypeError, match="a row must be PIPELINE:default or"):
            Row.of(wrong)


def test_rows_are_measured_beside_the_default_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = weights(tmp_path / "w", directed=False)
    command = ["few_steps", "--weights", str(folder), "--clips", "2", "--batch", "2"]
    command += ["--keep", str(tmp_path / "kept"), "--out", str(tmp_path / "out"), "--rows", *ROWS]
    monkeypatch.setattr(sys, "argv", command)
    few_steps.main()
    result = json.loads((tmp_path / "out" / "few_steps.json").read_text())
    assert list(result["sets"]) == ["ground_truth", *ROWS]
    evaluations = {name: result["sets"][name]["facts"]["evaluations"] for name in ROWS}
    assert evaluations == dict(zip(ROWS, (3, 2, 3, 2), strict=True))
    assert result["differences"]["joint:default"] is None
    shown = (tmp_path / "out" / "few_steps.md").read_text()
    assert shown in capsys.readouterr().out
    assert "| joint | DDIM, even in time | 2 | 2 | " in shown
    assert (
        "| joint | as described: dpmpp_multistep | 3 | 3 | 1.000 | " in shown or "| 1.00 |" in shown
    )
    sums = {name: result["sets"][name]["metrics"]["pan_spread"]["value"] for name in ROWS[:2]}
    assert sums[ROWS[0]] != sums[ROWS[1]], "a row's clips are its own"

    def made_again(*_: object) -> None:
        raise AssertionError("cached clips are not made again")

    monkeypatch.setattr("benchmarks.generated_sets.Sets._generate", made_again)
    few_steps.main()
    again = json.loads((tmp_path / "out" / "few_steps.json").read_text())
    assert again["sets"][ROWS[1]]["metrics"] == result["sets"][ROWS[1]]["metrics"]
