"""Names under which programs choose pipelines: they say nothing of the operator's folders."""

from __future__ import annotations

import re
from collections.abc import Iterable

from savg.pipelines.registry import CLIPS

PLAIN = re.compile(r"[^a-z0-9_-]+")

FIRST = next(iter(CLIPS))
"""Of the bundled weights' first pipeline, whose key is that of the weights."""


def plain_names(keys: Iterable[str]) -> dict[str, str]:
    """Keys of pipelines by plain names: "joint", "two_stage", "mine", each one once.

    A key is that of `Services`: "demo", "demo/two_stage", or of further weights, by itself or with a
    pipeline; hosts with services of their own may have paths as keys.
    """
    names: dict[str, str] = {}
    for key in keys:
        *before, last = re.split(r"[/\\]", key)
        name = FIRST if key == "demo" else _plain(last)
        if name in names and before:
            name = f"{_plain(before[-1])}-{name}"
        number = 2
        while name in names:
            name, number = f"{name.rstrip('0123456789')}{number}", number + 1
        names[name] = key
    return names


def _plain(text: str) -> str:
    return PLAIN.sub("-", text.lower()).strip("-")[:40] or "pipeline"
