"""The web components of the Results tab: a board of headings, lines, tables and downloads, and a plane
of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from savg.evaluation.report_values import NOTHING
from savg.studio.shared.components import DOM
from savg.studio.shared.web import component


def board(elem_id: str, value: dict[str, Any] | None = None) -> gr.HTML:
    """Headings, lines, tables and downloads; its value is `board_value(…)` or None.

    `.select` gets {"arrived": true, "dark": …} when it is first seen.
    """
    return component("results/board.html", [DOM, "results/board.js"], elem_id, value)


def pairs(elem_id: str) -> gr.HTML:
    """One dot for each pair of clips of two runs; its value is of `RunComparison.show`, or None.

    `.select` gets {"open": name of the first run's clip}.
    """
    return component("results/pairs.html", [DOM, "results/pairs.js"], elem_id)


def listed(what: str, items: Sequence[str]) -> str | dict[str, Any]:
    """A cell of a table of words with a list, which is folded where it is long; – for an empty one.

    what: name of the items in its heading, such as "networks".
    """
    return {"what": what, "items": list(items)} if items else NOTHING


def board_value(
    title: str,
    lines: list[str],
    tables: list[dict[str, Any]],
    *,
    badge: str = "",
    notes: list[str] | None = None,
    downloads: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """What a board shows: tables as {caption, how, notes, head, rows, words}, how: a paragraph below,
    notes: a list below, words: cells are sentences or of `listed`; downloads as {label, name, url}."""
    return {
        "title": title,
        "badge": badge,
        "lines": lines,
        "notes": notes or [],
        "tables": tables,
        "downloads": downloads or [],
    }
