"""Two runs side by side: pairs of clips, and what may not be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from savg.cli import main
from savg.errors import SavgError
from savg.evaluation.compare import SHARE, as_text, compare_runs, p_words
from savg.evaluation.result_files import SetResult
from savg.evaluation.results_file import Run, read_run
from savg.metrics.base import MetricResult

NETWORK = {"detector": "x", "sha256": "0" * 64, "precision": "float32 on cpu"}


def run(name: str, hits: list[int], prefix: str = "", **about: Any) -> Run:
    """A run of clips with so many of four sound events matched."""
    rows = tuple(
        {"clip": f"{prefix}{i:04d}", "tp": n, "fn": 4 - n, "score": n / 4, "note": "text"}
        for i, n in enumerate(hits)
    )
    notes = {"networks": {"sounds": NETWORK}, "tp": sum(hits)}
    value = sum(hits) / (4 * len(hits))
    metrics = {
        "spatial_av_align": MetricResult(
            "spatial_av_align", value, 0.1, 0.9, len(hits), notes=notes
        ),
        "nearest_clip": MetricResult("nearest_clip", 3.0, n=len(hits)),
    }
    facts = {"name": name, "mode": "standard", "reading": {"fps": 4}, "reference": "/r", **about}
    return Run(facts, {"generated": SetResult("generated", len(hits), metrics)}, rows)


def with_notes(changed: Run, **notes: Any) -> Run:
    result = changed.generated.metrics["spatial_av_align"]
    metrics = {"spatial_av_align": replace(result, notes={**result.notes, **notes})}
    return replace(changed, sets={"generated": replace(changed.generated, metrics=metrics)})


def test_pairs_have_differences_intervals_and_p() -> None:
    first, second = run("a", [4, 4, 3, 4, 4, 4]), run("b", [2, 4, 1, 2, 3, 2])
    comparison = compare_runs(first, second)
    assert comparison.pairs == 6 and not comparison.warnings
    a, b, share = comparison.columns[SHARE]
    assert (a, b) == (23 / 24, 14 / 24) and share.value == pytest.approx(9 / 24)
    # All of six differ in one direction but one: 4 of 64 exchanges are as far from 0.
    assert share.p == 4 / 64 and 0 < share.low < 9 / 24 < share.high
    assert comparison.columns["score"][2].value == share.value
    assert "note" not in comparison.columns
    data = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert [m["name"] for m in data["metrics"]] == ["spatial_av_align", "nearest_clip"]
    assert data["metrics"][0]["difference"] == pytest.approx(9 / 24)
    assert data["metrics"][1] == {
        "name": "nearest_clip",
        "first": {"value": 3.0, "low": None, "high": None, "n": 6},
        "second": {"value": 3.0, "low": None, "high": None, "n": 6},
        "difference": 0.0,
        "low": None,
        "high": None,
        "paired": False,
    }
    text = as_text(comparison)
    assert "6 clips in both runs" in text and "0.375 (" in text


def test_other_names_pair_by_their_seeds_and_others_are_counted() -> None:
    first = run("a", [1, 2, 3], "joint_seed0_")
    second = run("b", [1, 1], "two_stage_seed0_")
    comparison = compare_runs(first, second)
    assert comparison.pairs == 2
    assert comparison.warnings == ("2 clips are in both runs, of 3 and 2.",)
    with pytest.raises(SavgError, match="a and b have no clip in common: names must be equal"):
        compare_runs(first, run("b", [1, 1], "other"))


@pytest.mark.parametrize(
    "other, words",
    [
        (run("b", [1, 2], mode="official"), "the mode of one is standard, of the other official"),
        (run("b", [1, 2], reading={"fps": 25}), "clips were read with fps 4 and 25"),
        (
            with_notes(run("b", [1, 2]), networks={"sounds": {**NETWORK, "sha256": "1"}}),
            r"the sha256 of sounds \(for spatial_av_align\) differ",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(other: Run, words: str) -> None:
    with pytest.raises(SavgError, match=f"a and b cannot be compared: {words}"):
        compare_runs(run("a", [1, 2]), other)


def test_precision_is_warned_of_and_other_references_leave_metrics_out() -> None:
    bfloat16 = {"sounds": {**NETWORK, "precision": "bfloat16 on cuda"}}
    comparison = compare_runs(run("a", [1, 2]), with_notes(run("b", [1, 2]), networks=bfloat16))
    assert comparison.warnings == (
        "Numbers may differ by rounding: the precision of sounds (for spatial_av_align) differ.",
    )
    comparison = compare_runs(run("a", [1, 2]), run("b", [1, 2], reference="/other"))
    assert list(comparison.metrics) == ["spatial_av_align"]
    assert "nearest_clip are left out" in comparison.warnings[0]


def test_tables_in_other_folders_are_compared_and_with_networks_refused() -> None:
    first, second = run("a", [1, 2, 4]), run("b", [2, 3, 4])
    tables = [
        with_notes(one, networks={"sounds": {"tables": f"of {one.name}"}})
        for one in (first, second)
    ]
    assert compare_runs(*tables).pairs == 3
    with pytest.raises(SavgError, match="tables of sounds"):
        compare_runs(tables[0], second)


def test_a_metric_on_another_network_is_left_out_with_its_columns() -> None:
    columns = {"spatial_av_align": ["tp", "fn", "score"], "pan_spread": ["pan"]}
    runs = []
    for name, hits in (("a", [1, 2, 4]), ("b", [2, 3, 4])):
        one = run(name, hits, columns=columns)
        rows = tuple({**row, "pan": n / 10, "odd": n} for n, row in enumerate(one.each))
        runs.append(replace(one, each=rows))
    assert {SHARE, "score", "pan", "odd"} < set(compare_runs(*runs).columns)
    other = {"networks": {"sounds": {**NETWORK, "sha256": "1"}}}
    result = runs[1].generated.metrics["spatial_av_align"]
    metrics = dict(runs[1].generated.metrics) | {
        "spatial_av_align": replace(result, notes={**result.notes, **other}),
        "pan_spread": MetricResult("pan_spread", 0.5, n=3),
    }
    with_spread = dict(runs[0].generated.metrics) | {
        "pan_spread": MetricResult("pan_spread", 0.4, n=3)
    }
    first, second = (
        replace(one, sets={"generated": replace(one.generated, metrics=values)})
        for one, values in zip(runs, (with_spread, metrics), strict=True)
    )
    comparison = compare_runs(first, second)
    assert list(comparison.metrics) == ["nearest_clip", "pan_spread"]
    assert list(comparison.columns) == ["pan"], "what no compared metric gave is not compared"
    assert comparison.warnings == (
        "Left out with their columns of clips: the sha256 of sounds (for spatial_av_align) differ.",
    )
    silent = replace(second, about={k: v for k, v in second.about.items() if k != "columns"})
    comparison = compare_runs(first, silent)
    assert list(comparison.metrics) == ["nearest_clip", "pan_spread"] and not comparison.columns
    assert "a run does not tell its metrics' columns" in comparison.warnings[1]


def test_the_command_reads_folders_and_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (run("a", [4, 3]), run("b", [2, 3])):
        (tmp_path / one.name).mkdir()
        (tmp_path / one.name / "results.json").write_text(json.dumps(one.to_json()))
    paths = [str(tmp_path / "a"), str(tmp_path / "b" / "results.json")]
    assert main(["compare", *paths, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == compare_runs(*map(read_run, map(Path, paths))).to_json()
    assert main(["compare", *paths]) == 0 and "tp / (tp + fn)" in capsys.readouterr().out
    assert main(["compare", paths[0], str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_no_run_is_told_with_what_was_expected(tmp_path: Path, capsys) -> None:
    (tmp_path / "clips.csv").write_text("clip,score\na,1\n")
    (tmp_path / "other.json").write_text("{}")
    for name, problem in (
        ("clips.csv", "clips.csv is not valid JSON"),
        ("other.json", "other.json must be the results of `evaluate`, version 1"),
        ("", "results.json could not be read: no such file"),
        ("nope", "nope: no such file or folder"),
    ):
        assert main(["compare", str(tmp_path / name), str(tmp_path)]) == 1
        error = capsys.readouterr().err
        assert problem in error and error.count("\n") == 1, error
        assert error.endswith(
            "; expected a folder that `evaluate --out` wrote, or its results.json.\n"
        )


@pytest.mark.parametrize(
    ("p", "expected"), [(0.0, "< 0.001"), (0.0004, "< 0.001"), (0.0006, "0.001"), (1.0, "1.000")]
)
def test_no_p_value_is_zero(p: float, expected: str) -> None:
    assert p_words(p) == expected
