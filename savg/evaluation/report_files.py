"""The reports of a run as files: Markdown, LaTeX, HTML."""

from __future__ import annotations

from pathlib import Path

from savg.evaluation.report_html import as_html
from savg.evaluation.report_latex import as_latex
from savg.evaluation.report_markdown import as_markdown
from savg.evaluation.report_values import content_of
from savg.evaluation.results_file import Run
from savg.paths import atomic_file


def write_reports(folder: Path, run: Run) -> list[Path]:
    """Write report.md, report.tex and report.html into a folder, each atomically; returns their paths.

    Images of nearest clips are expected in the folder already, as `nearest_strips` writes them.

    Raises:
        SavgError: the folder cannot be written to.

    Example:
        >>> write_reports(Path("results"), read_run(Path("results")))
    """
    content = content_of(run)
    texts = {
        "report.md": as_markdown(run, content),
        "report.tex": as_latex(run, content),
        "report.html": as_html(run, content, folder),
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as part:
            part.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
