"""A run's results as a LaTeX table that a paper takes in by \\input; it needs the package booktabs."""

from __future__ import annotations

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
    "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~", "μ": r"$\mu$", "µ": r"$\mu$",
}  # fmt: skip
"""Characters that LaTeX gives a meaning, or does not know in every font encoding."""

SPECIAL['"'] = "''"


LONG = 14
"""Metrics beyond which the table is set small, so that it fits a page."""


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
    return f"[U+{ord(char):04X}]"


def as_latex(run: Run, content: Content) -> str:
    """The table: metrics as rows, sets as columns, nulls below their metric, notes below the table."""
    kind = "table" if len(content.columns) <= 2 else "table*"
    size = r"\small" if len(content.rows) <= LONG else r"\scriptsize"
    heads = [escape(label) for label, _ in content.columns.values()]
    counts = [f"$n = {clips}$" for _, clips in content.columns.values()]
    lines = [
        r"% \usepackage{booktabs} in the preamble, then \input{report} where the table belongs.",
        rf"\begin{{{kind}}}[t]",
        rf"\centering{size}",
        rf"\caption{{{_caption(run, content)}}}",
        r"\label{tab:savg}",
        rf"\begin{{tabular}}{{l{'c' * len(heads)}}}",
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
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = [rf"\textsuperscript{{{i}}}\,{escape(text)}" for i, text in enumerate(content.notes, 1)]
    if notes:
        lines += [r"\par\smallskip\raggedright\footnotesize", " ".join(notes)]
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
        unit = rf" {{\footnotesize ({escape(row.unit)})}}" if row.unit else ""
        name = f"{escape(row.label)}{unit} {escape(row.arrow)}".rstrip()
        lines.append(" & ".join([name, *cells]) + r" \\")
        nulls = list(dict.fromkeys(n for cell in row.cells.values() for n, _ in cell.nulls))
        if nulls:
            values = [_nulls(row.cells.get(key), nulls) for key in content.columns]
            lines.append(
                " & ".join([rf"\quad null: {escape(' / '.join(nulls))}", *values]) + r" \\"
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


def _nulls(cell: Cell | None, names: Sequence[str]) -> str:
    """Nulls of a cell in the order of their names."""
    known = dict(cell.nulls) if cell else {}
    return " / ".join(_number(known.get(name, NOTHING)) for name in names)


def _number(text: str) -> str:
    return escape(text)
