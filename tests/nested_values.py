"""Values in nested objects and lists, as JSON gives them, changed one at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values in nested objects and lists."""
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of `values` with another value at a path."""
    result = copy.deepcopy(values)
    part = result
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return result
