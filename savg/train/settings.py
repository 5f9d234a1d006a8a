"""The settings of a recipe, as `--list-settings` shows them and `--set` takes them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_type_hints

from savg.train.recipe import Recipe


class Setting(NamedTuple):
    """A setting: its full name, the type and the value it has, and what it means, if that is told."""

    name: str
    kind: str
    value: str
    meaning: str


def settings(config: Recipe) -> list[Setting]:
    """All settings of a recipe's configuration, in the order of its fields."""
    return list(_settings(config, ""))


def listing(config: Recipe) -> str:
    """A line for each setting: name, type, value and meaning, in columns."""
    rows = settings(config)
    widths = [min(max(len(row[i]) for row in rows), 40) for i in range(3)]
    lines = (
        "  ".join([*(cell.ljust(w) for cell, w in zip(row[:3], widths, strict=True)), row.meaning])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def meanings(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and its bases say of its fields.

    They say it as "steps: optimiser steps; log_every, save_every are in steps."
    """
    names = [field.name for field in dataclasses.fields(kind)]
    one = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    entry = re.compile(rf"(?:^|[.;] )((?:{one})(?:(?:, | and | · )(?:{one}))*)(?:: | is | are )")
    found: dict[str, str] = {}
    for base in kind.__mro__:
        if not dataclasses.is_dataclass(base) or base.__doc__ is None:
            continue
        text = " ".join(inspect.cleandoc(base.__doc__).split())
        entries = list(entry.finditer(text))
        for place, match in enumerate(entries):
            last = place + 1 == len(entries)
            end = len(text) if last else entries[place + 1].start()
            told = text[match.end() : end]
            told = re.split(r"\.(?: (?=[A-Z])|$)", told)[0].strip(" ;.")
            for name in re.split(r", | and | · ", match[1]):
                found.setdefault(name, told)
    return found


def _settings(config: Any, prefix: str) -> Iterator[Setting]:
    told, hints = meanings(type(config)), get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            yield from _settings(value, f"{name}.")
        else:
            kind = type(value).__name__
            if value is None:  # what else it may be
                kind = re.sub(r"(?:\w+\.)+", "", str(hints[field.name]))
            text = value if isinstance(value, str) and value else repr(value)
            yield Setting(name, kind, text, told.get(field.name, ""))
