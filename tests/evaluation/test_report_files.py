"""Reports of a run: what stands in them, that names stay text, that the page needs nothing else."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import evaluation_runs
import numpy as np
import pytest
from evaluation_runs import EVIL, SHA, WARNING

from savg.errors import SavgError
from savg.evaluation.nearest import strip
from savg.evaluation.report_files import write_reports
from savg.evaluation.report_latex import escape
from savg.evaluation.report_plots import figures_of
from savg.evaluation.report_values import Network, content_of, decimals, figure, group_of, metric_of
from savg.evaluation.result_files import SetResult
from savg.evaluation.results_file import Run, read_run
from savg.metrics.base import MetricResult
from savg.metrics.registry import METRICS


class Page(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture
def evil() -> Run:
    clips = [f"clip{i}" for i in range(11)] + [EVIL]
    run = evaluation_runs.run(EVIL, clips)
    failed = ({"clip": EVIL, "set": EVIL, "reason": EVIL},)
    sets = dict(run.sets) | {
        EVIL: SetResult(EVIL, 3, {EVIL: MetricResult(EVIL, 1.0, nulls={EVIL: 2.0})})
    }
    about = dict(run.about) | {"left_out": {EVIL: EVIL}}
    return replace(run, about=about, sets=sets, failed=failed, warnings=(EVIL,))


def written(folder: Path, run: Run) -> dict[str, str]:
    return {path.suffix: path.read_text(encoding="utf-8") for path in write_reports(folder, run)}


def test_every_report_has_the_same_numbers(tmp_path: Path) -> None:
    run = evaluation_runs.run()
    texts = written(tmp_path, run)
    assert set(texts) == {".md", ".tex", ".html"}
    page = " ".join(Page(texts[".html"]).words)
    for text in (texts[".md"], texts[".tex"], page):
        flat = " ".join(text.replace("\\", "").split())
        for value in ("0.550", "0.490", "0.600", "0.310", "1234.5", "1111.0", "308.6", "0.900"):
            assert value in flat, value
        assert WARNING in flat and "No clip has two audible channels." in flat
        assert "always in the centre" in flat
    for text in (texts[".md"], page):
        assert SHA in text and "224 × 224, bilinear" in text and "bfloat16" in text
        assert "12, reference 40" in text
        assert "58 of the 96 clips are mono." in text and "broken.mp4 has no video." in text
        assert "Nothing is compared across modes" in text
        assert "1218.85" in text and "not reproduce" in text
    assert SHA[:12] in texts[".tex"]


def test_every_registered_metric_has_a_group() -> None:
    groups = {name: group_of(metric_of(name)) for name in METRICS}
    assert groups["temporal_av_align"] == groups["spatial_av_align"] != groups["fvd"]
    assert groups["e_l1"] != groups["fvd"] and "Other" not in groups.values()
    assert group_of(metric_of("not registered")) == "Other"


def test_notes_stand_beside_their_numbers(tmp_path: Path) -> None:
    content = content_of(evaluation_runs.run())
    cells = {row.name: row.cells["generated"] for row in content.rows}
    assert [content.notes[n - 1] for n in cells["fvd"].notes] == [WARNING]
    assert content.notes[cells["pan_spread"].notes[0] - 1].startswith("No clip has two")
    assert cells["spatial_av_align"].notes == ()
    page = written(tmp_path, evaluation_runs.run())[".html"]
    (number,) = cells["fvd"].notes
    assert re.search(rf'1234\.5</b><sup><a href="#note-{number}">{number}</a>', page)
    assert f'id="note-{number}">{html.escape(WARNING)}' in page


def test_metrics_that_were_not_computed_stand_at_the_end(tmp_path: Path) -> None:
    run = evaluation_runs.run()
    reason = "The network i3d is not here: bring i3d_pretrained_400.pt."
    run = replace(run, about=dict(run.about) | {"left_out": {"kvd": reason}})
    texts = written(tmp_path, run)
    page = " ".join(Page(texts[".html"]).words)
    for text in (texts[".md"].replace("\\", ""), page):
        assert text.index(reason) > text.index("Where each number comes from")
        assert "Metrics that were not computed" in text
    plain = written(tmp_path / "all", evaluation_runs.run())
    assert "not computed" not in plain[".md"] + plain[".html"]


def test_the_page_is_complete_and_needs_nothing(tmp_path: Path, evil: Run) -> None:
    image = tmp_path / "nearest" / "01.jpg"
    image.parent.mkdir()
    image.write_bytes(b"\xff\xd8 a picture")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "nearest" / "02.jpg").symlink_to(tmp_path / "secret")
    text = written(tmp_path, evil)[".html"]
    page = Page(text)
    assert page.open == [], "every element is closed"
    assert {"script", "link", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.tags)
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), value
    images = [a for tag, a in page.tags if tag == "img"]
    assert len(images) == 1, "links to other files are not followed"
    assert "url(" not in text and "@import" not in text and "http://" not in text
    assert all("default-src 'none'" in str(a["content"]) for _, a in page.tags if "http-equiv" in a)
    targets = {a["id"] for _, a in page.tags if "id" in a}
    links = {str(a["href"])[1:] for _, a in page.tags if "href" in a}
    assert links <= targets
    assert "prefers-color-scheme: dark" in text


def test_names_stay_text(tmp_path: Path, evil: Run) -> None:
    texts = written(tmp_path, evil)
    page = Page(texts[".html"])
    assert any(EVIL in word for word in page.words)
    assert "<img src=x" not in texts[".html"] and "<img" not in texts[".md"]
    assert "](//evil" not in texts[".md"].replace("\\]", "")
    columns = {
        line.replace("\\|", "").count("|") for line in texts[".md"].splitlines() if "| " in line
    }
    assert columns <= {3, 4, 5, 6, 7, 8, 9}, columns
    table = texts[".tex"].split(r"\toprule")[1].split(r"\bottomrule")[0]
    ends = [table.count(rf"\{word}{{tabular}}") for word in ("begin", "end")]
    assert ends[0] == ends[1], "names end no table"
    assert r"\textbackslash{}end\{tabular\}" in table
    amounts = {line.replace(r"\&", "").count("&") for line in table.splitlines() if " & " in line}
    assert amounts == {len(evil.sets)}


SYSTEM_LATEX = shutil.which("pdflatex")


@pytest.mark.skipif(SYSTEM_LATEX is None, reason="pdflatex is not installed")
def test_the_table_compiles(tmp_path: Path, evil: Run) -> None:
    write_reports(
        tmp_path,
        replace(evil, about=dict(evil.about) | {"name": "é ß ñ ∞ 音 😀 “q” −1 ° ..\u200b"}),
    )
    head = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}"
    (tmp_path / "main.tex").write_text(head + "\\input{report}\\end{document}\n")
    command = [str(SYSTEM_LATEX), "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & c%", r"a\_b \& c\%"),
        ("\\x{y}$#^~", r"\textbackslash{}x\{y\}\$\#\textasciicircum{}\textasciitilde{}"),
        ("−0.5 ↑", r"$-$0.5 $\uparrow$"),
        ("Fréchet", r"Fr\'{e}chet"),
        ("音\x00\x07", "{[}U+97F3{]}"),
        ("a\nb", "a b"),
    ],
)
def test_latex_escapes(text: str, latex: str) -> None:
    assert escape(text) == latex


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.56, "1234.6"), (12.345, "12.35"), (0.5066, "0.507"), (-0.5, "−0.500"), (0.0, "0.000"),
     (0.00234, "0.0023"), (0.000012, "0.000012"), (None, "–"), (-0.0001, "−0.00010")],
)  # fmt: skip
def test_numbers_have_digits_that_suit_them(value: float | None, text: str) -> None:
    result = MetricResult("x", value, notes={"reason": "none"})
    assert figure(value, decimals(result)) == text


def test_figures_show_what_the_run_has() -> None:
    groups = {group.title: group for group in figures_of(evaluation_runs.run())}
    assert len(groups) == 6
    forest = groups["Values with 95 % intervals and chance baselines"].figures[0].svg
    assert forest.count('class="arm') == 3 and "chance: centre" in forest
    assert "chance: shuffled" not in forest, "a baseline without a value is not drawn"
    (scatter, _) = groups["Clip by clip"].figures
    assert scatter.svg.count("<circle") == 11, "the clip without a score has no dot"
    ild = next(f for f in groups["Distributions over clips"].figures if f.title == "ild (dB)")
    assert ild.caption == "Clips: generated: 12, reference: 40."
    views = groups["Distances by channel"].figures[0].svg
    assert [name for name in ("left", "right", "mid", "side") if f">{name}<" in views] == [
        "left", "right", "mid", "side",
    ]  # fmt: skip
    assert "Extrapolated: 864.1" in groups["Distances and the number of clips"].figures[0].caption


def test_a_bare_run_has_reports_too(tmp_path: Path) -> None:
    metrics = {"x": MetricResult("x", None, notes={"reason": "There is no clip."})}
    bare = Run({}, {"generated": SetResult("generated", 0, metrics)})
    assert figures_of(bare) == []
    texts = written(tmp_path, bare)
    assert "There is no clip." in texts[".html"] and "evaluation" in texts[".md"]
    odd = {
        "views": 3,
        "infinite": {"points": 4},
        "by_position": [3, {"label": "a"}],
        "networks": ["i3d"],
    }
    strange = {"y": MetricResult("y", 1.0, notes=odd | {"warnings": "none", "mode": 3})}
    run = Run({"networks": 3, "reading": [1]}, {"generated": SetResult("g", 1, strange)})
    assert "i3d" in written(tmp_path, run)[".html"]


def test_values_beyond_the_page_are_drawn_within_it() -> None:
    huge = {"x": MetricResult("x", 1e300, -1e300, 1e300, 3), "y": MetricResult("y", 1e-300)}
    run = Run({}, {"generated": SetResult("g", 3, huge)}, evaluation_runs.rows("abc"))
    for group in figures_of(run):
        for one in group.figures:
            places = [float(x) for x in re.findall(r' (?:cx|x1|x2)="([^"]+)"', one.svg)]
            assert np.isfinite(places).all() and -1 <= min(places) <= max(places) <= 400


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = evaluation_runs.run(EVIL)
    path = evaluation_runs.write(tmp_path, run)
    assert read_run(tmp_path).to_json() == read_run(path).to_json() == run.to_json()


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "sets": {}}',
                                  '{"version": 1, "sets": {"generated": 3}}'])  # fmt: skip
def test_what_is_no_run_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(SavgError, match=r"results\.json"):
        read_run(path)


def test_strips_are_small() -> None:
    frames = np.zeros((4, 144, 256, 3), np.uint8)
    assert strip(frames, frames).nbytes < 300_000


def test_tables_in_place_of_a_network_are_called_tables() -> None:
    run = evaluation_runs.run("a", ["x", "y", "z"])
    told = replace(run, about={**run.about, "networks": {"persons": {"tables": "found/boxes"}}})
    network = next(one for one in content_of(told).networks if one.name == "persons")
    assert network == Network("persons", "tables", "–", "found/boxes", "–")


def test_a_network_that_tells_no_precision_has_a_dash() -> None:
    run = evaluation_runs.run("a", ["x", "y", "z"])
    facts = {"detector": "mine", "sha256": SHA, "input": "frames"}
    told = replace(run, about={**run.about, "networks": {"persons": facts}})
    network = next(one for one in content_of(told).networks if one.name == "persons")
    assert network == Network("persons", "mine", SHA, "frames", "–")
