"""The one reader of JSON files: bounded in size, depth and numbers, strict about their form.

Files may come from strangers. What is read is what any other reader would read: no key twice, no NaN,
no number beyond 64 bits, UTF-8 (a byte order mark is skipped).
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

from savg.errors import SavgError, brief
from savg.input_file import TEXT_BYTES, read_text

MAX_CONFIG_BYTES = 2**20
"""Of a configuration."""

MAX_DEPTH = 64
"""Objects and lists within each other."""


class _Refused(ValueError):
    """What is wrong with a JSON text, as the end of a sentence."""


def read_json(
    path: str | os.PathLike[str],
    *,
    error: type[SavgError] = SavgError,
    most: int = TEXT_BYTES,
    lenient: bool = False,
) -> Any:
    """The content of a JSON file.

    Args:
        path: of a regular file, or a link to one, in UTF-8.
        error: raised in one sentence that names the file.
        most: bytes that it may have.
        lenient: numbers that are not finite (NaN, 1e400) or of more than 64 bits are None, else an
            error.
    """
    if not os.path.exists(path):
        raise error(f"{path} could not be read: no such file.")
    text = read_text(path, "JSON file", error, most)
    try:
        return parse_json(text, lenient=lenient)
    except _Refused as problem:
        raise error(f"{path} {problem}.") from problem


def read_object(
    path: str | os.PathLike[str],
    *,
    error: type[SavgError] = SavgError,
    most: int = TEXT_BYTES,
) -> dict[str, Any]:
    """The content of a file that holds a JSON object; as `read_json`."""
    data = read_json(path, error=error, most=most)
    if not isinstance(data, dict):
        raise error(f"{path} must hold a JSON object, got {brief(data)}.")
    return data


def parse_json(text: str, *, lenient: bool = False) -> Any:
    """The value of a JSON text; ValueError where it is not valid, as the end of a sentence."""
    numbers = _lenient if lenient else _strict
    try:
        value = json.loads(
            text,
            parse_int=_integer_or_none if lenient else _integer,
            parse_float=numbers,
            parse_constant=numbers,
            object_pairs_hook=_object,
        )
    except RecursionError as problem:
        raise _Refused(_DEEP) from problem
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise _Refused(f"is not valid JSON ({problem.msg} in {place})") from problem
    _check(value)
    return value


_DEEP = f"must nest at most {MAX_DEPTH} lists and objects, got more"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"is not valid JSON: it has the key {brief(twice)} twice")
    return result


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else 2**64
    if not -(2**63) <= value < 2**64:
        raise _Refused(f"is not valid JSON: numbers must have at most 64 bits, got {digits[:20]}…")
    return value


def _integer_or_none(digits: str) -> int | None:
    try:
        return _integer(digits)
    except _Refused:
        return None


def _strict(digits: str) -> float:
    value = _lenient(digits)
    if value is None:
        raise _Refused(f"is not valid JSON: numbers must be finite, got {digits[:20]}")
    return value


def _lenient(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _check(value: Any) -> None:
    """_Refused for a value that is nested too deep, or has text that is no Unicode."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inside: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                _check_text(item.keys())
                inside.extend(item.values())
            elif isinstance(item, list):
                inside.extend(item)
            elif isinstance(item, str):
                _check_text((item,))
        if not inside:
            return
        level = inside
    raise _Refused(_DEEP)


def _check_text(texts: Any) -> None:
    for text in texts:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as problem:
                raise _Refused("is not valid JSON: it has half of a character") from problem
