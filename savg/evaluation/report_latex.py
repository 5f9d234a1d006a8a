"""A run's results as a LaTeX table that a paper takes in by \\input; it needs booktabs and graphicx."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

from savg.evaluation.report_values import NOTHING, Cell, Content
from savg.evaluation.results_file import Run

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "−": r"$-$", "–": "--", "—": "---", "…": r"\dots{}", "±": r"$\pm$", "×": r"$\times$",
    "°": r"$^\circ$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "∞": r"$\infty$", "≤": r"$\le$",
    "≥": r"$\ge$", "≈": r"$\approx$", "·": r"$\cdot$", "→": r"$\rightarrow$", "²": r"$^2$",
    "[": "{[}", "]": "{]}", "*": "{*}",  # none is an argument of the end of the line before
    "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~", "μ": r"$\mu$", "µ": r"$\mu$",
}  # fmt: skip
"""Characters that LaTeX gives a meaning, or does not know in every font encoding."""

SPECIAL['"'] = "''"


LONG = 14
"""Metrics beyond which the table is set small, so that it fits a page."""


HEAD, LABEL = 16, 38
"""Letters in a line of a column's head, and of a metric's name."""

SHORT = 6
"""Letters of units that stand in the table; others are words."""


def escape(text: object) -> str:
    """Text for LaTeX, in one line, that compiles in pdfLaTeX: letters that it does not know are named
    by their code."""
    parts = []
    for char in " ".join(str(text).split()):
        if char in SPECIAL:
            parts.append(SPECIAL[char])
        elif char.isascii():
            parts.append(char if char.isprintable() else "")
        else:
            parts.append(_letter(char))
    return "".join(parts)


def _letter(char: str) -> str:
    """A letter with an accent as its letter with that accent; others by their code."""
    accents = {
        "\u0300": "`",
        "\u0301": "'",
        "\u0302": "^",
        "\u0303": "~",
        "\u0308": '"',
        "\u0327": "c",
    }
    parts = unicodedata.normalize("NFD", char)
    base, accent = parts[0], parts[1:]
    if base.isascii() and base.isalpha() and accent in accents:
        mark = accents[accent]
        return f"\\{mark}{{{base}}}"
    if char == "ß":
        return r"{\ss}"
    return f"{{[}}U+{ord(char):04X}{{]}}"


def as_latex(run: Run, content: Content) -> str:
    """The table: metrics as rows, sets as columns, nulls below their metric, notes below the table."""
    kind = "table" if len(content.columns) <= 2 else "table*"
    size = r"\footnotesize" if len(content.rows) <= LONG else r"\scriptsize"
    heads = [_stacked(label, HEAD, "c") for label, _ in content.columns.values()]
    counts = [f"$n = {clips}$" for _, clips in content.columns.values()]
    lines = [
        r"% \usepackage{booktabs,graphicx} in the preamble, then \input{report} where it belongs.",
        rf"\begin{{{kind}}}[t]",
        rf"\centering{size}",
        rf"\caption{{{_caption(run, content)}}}",
        r"\label{tab:savg}",
        rf"\sbox{{0}}{{\begin{{tabular}}{{l{'c' * len(heads)}}}",
        r"\toprule",
        " & ".join(["Metric", *heads]) + r" \\",
        " & ".join(["", *counts]) + r" \\",
    ]
    for group in dict.fromkeys(row.group for row in content.rows):
        lines += [
            r"\midrule",
            rf"\multicolumn{{{len(heads) + 1}}}{{l}}{{\textit{{{escape(group)}}}}} \\",
        ]
        lines += _rows(content, group)
    # a table that is too wide for the page becomes smaller as a whole
    lines += [r"\bottomrule", r"\end{tabular}}%", r"\ifdim\wd0>\linewidth"]
    lines += [r"\resizebox{\linewidth}{!}{\usebox{0}}\else\usebox{0}\fi"]
    notes = [rf"\textsuperscript{{{i}}}\,{escape(text)}" for i, text in enumerate(content.notes, 1)]
    if notes:
        lines += [rf"\par\smallskip\raggedright{size}", " ".join(notes)]
    return "\n".join([*lines, rf"\end{{{kind}}}"]) + "\n"


def _caption(run: Run, content: Content) -> str:
    facts = [escape(content.title), f"mode {escape(run.mode)}", r"95\,\% intervals over clips"]
    networks = ", ".join(f"{escape(n.name)} ({escape(n.sha256[:12])})" for n in content.networks)
    more = f" Networks (SHA-256 of their weights): {networks}." if networks else ""
    return f"{'; '.join(facts)}.{more}"


def _rows(content: Content, group: str) -> list[str]:
    lines = []
    for row in (r for r in content.rows if r.group == group):
        cells = [_cell(row.cells.get(key)) for key in content.columns]
        unit = f" ({row.unit})" if 0 < len(row.unit) <= SHORT else ""
        name = _stacked(f"{row.label}{unit} {row.arrow}".rstrip(), LABEL, "l")
        lines.append(" & ".join([name, *cells]) + r" \\")
        nulls = list(dict.fromkeys(n for cell in row.cells.values() for n, _ in cell.nulls))
        if nulls:
            values = [_nulls(row.cells.get(key), nulls) for key in content.columns]
            lines.append(
                " & ".join([rf"\quad chance: {escape(' / '.join(nulls))}", *values]) + r" \\"
            )
    return lines


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    interval = cell.interval.replace(" … ", ", ")
    after = rf" {{\scriptsize [{_number(interval)}]}}" if interval else ""
    notes = ",".join(map(str, cell.notes))
    raised = rf"\textsuperscript{{{notes}}}" if notes else ""
    return f"{_number(cell.value)}{raised}{after}"


def _stacked(text: str, letters: int, side: str) -> str:
    """Text in lines of so many letters, one above the other."""
    lines = [escape(line) for line in textwrap.wrap(text, letters)] or [""]
    if len(lines) == 1:
        return lines[0]
    return rf"\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}" + r" \\ ".join(lines) + r"\end{tabular}"


def _nulls(cell: Cell | None, names: Sequence[str]) -> str:
    """Nulls of a cell in the order of their names."""
    known = dict(cell.nulls) if cell else {}
    return " / ".join(_number(known.get(name, NOTHING)) for name in names)


def _number(text: str) -> str:
    return escape(text)
