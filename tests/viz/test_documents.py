"""Documents of sections: Markdown and HTML hold the same, and missing numbers are named."""

from __future__ import annotations

from savg.viz.documents import (
    NOT_ENOUGH,
    Estimate,
    Figure,
    Section,
    Table,
    as_html,
    as_markdown,
    as_svg,
    interval,
    number,
    percent,
)


def test_figures_put_estimates_in_their_place() -> None:
    svg = as_svg(Figure((Estimate("a<b", 3.0, 2.0, 4.0),), 1.0, 5.0, ""))
    assert "a&lt;b" in svg and 'cx="450.0"' in svg
    assert 'x1="345.0" x2="555.0"' in svg
    assert "circle" in as_svg(Figure((Estimate("x", 9.0),), 1.0, 5.0, ""))


def test_a_missing_estimate_reads_not_enough_data() -> None:
    svg = as_svg(Figure((Estimate("a", None),), 1.0, 5.0, ""))
    assert NOT_ENOUGH in svg and "circle" not in svg
    for value in (None, float("nan"), float("inf"), "x", True):
        assert number(value) == percent(value) == interval(value, 1.0) == NOT_ENOUGH
    assert number(-1.234) == "−1.23" and percent(0.5) == "50 %"
    assert interval(1, 2.5, 1) == "1.0 … 2.5"


def test_markdown_and_html_hold_every_text_and_escape_it() -> None:
    table = Table(("a|b", "<i>"), (("x\ny", "1"),))
    section = Section("k", "Head <1>", ("**strong** & *weak*", table))
    page, text = as_html("T<", "note", [section], "MARK"), as_markdown("T<", "note", [section])
    assert "<strong>strong</strong> &amp; <em>weak</em>" in page and "Head &lt;1&gt;" in page
    assert "<th>&lt;i&gt;</th>" in page and page.count("MARK") == 3
    assert "| a\\|b | &lt;i> |" in text and "| x y | 1 |" in text
    assert section.tables == [table] and section.figures == [] and len(section.texts) == 1
