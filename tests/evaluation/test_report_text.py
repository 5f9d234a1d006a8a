"""What `evaluate` prints: sets beside each other, and what must be known of the values."""

from __future__ import annotations

from savg.evaluation.report import beside, markdown_table, notes_text
from savg.evaluation.result_files import SetResult
from savg.evaluation.score import Evaluation
from savg.metrics.base import MetricResult


def result(name: str, value: float | None, **notes: object) -> MetricResult:
    return MetricResult(name, value, None, None, 3, {}, notes)


def test_warnings_and_reasons_are_printed_once_with_their_metrics() -> None:
    metrics = {
        "ild": result("ild", 1.0, warnings=["Only 3 clips."], reason="not for values"),
        "itd": result("itd", None, warnings=["Only 3 clips."], reason="No clip has sound."),
        "width": result("width", 0.5),
    }
    lines = notes_text(Evaluation(metrics, ())).splitlines()
    assert lines == ["notes", "ild, itd: Only 3 clips.", "itd: No clip has sound."]
    assert notes_text(Evaluation({"width": metrics["width"]}, ())) == ""


def test_a_set_without_values_has_no_column() -> None:
    one = {"width": result("width", 0.5)}
    own, none = SetResult("generated", 3, one), SetResult("reference set", 3, {})
    other = SetResult("centre", 3, {"width": result("width", 0.25)})
    assert beside({"generated": own, "reference": none}) == ""
    lines = beside({"generated": own, "reference": none, "centre": other}).splitlines()
    assert lines[0].split() == ["generated", "centre"] and lines[1].split()[-2:] == [
        "0.500",
        "0.250",
    ]


def test_bars_within_a_label_do_not_end_its_cell() -> None:
    row = markdown_table({"one": {"ild": result("ild", 1.0)}}).splitlines()[-1]
    assert row.startswith(r"| **ILD, mean of \|left − right\|** | 1.000")
    assert row.replace(r"\|", "").count("|") == 3
