"""Errors that a user can cause: one sentence that names the file or value and what was expected."""

from __future__ import annotations

import reprlib
from typing import Any


class SavgError(Exception):
    """A mistake in the input; the command line prints its sentence without a traceback.

    Its text is one line: what a terminal would not show as it is (control characters, marks that
    reverse the reading direction, bytes of a file's name that are no text) appears escaped.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class MediaError(SavgError):
    """A video or audio file that cannot be read, or cannot become a clip."""


class CheckpointError(SavgError):
    """Weights that do not fit the network they were given for."""


class Cancelled(Exception):
    """Raised where a progress callback stops the work: it raised this itself, or returned False."""


def printable(text: str, most: int | None = None) -> str:
    """`text` with escapes for characters that do not print, cut after `most` characters with "…"."""
    if most is not None and len(text) > most:
        text = f"{text[:most]}…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def clause(error: BaseException) -> str:
    """As `first_line`, for within a sentence: without the full stop."""
    return first_line(error).removesuffix(".")


def is_whole(value: object) -> bool:
    """Whether a value is an int, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole_number(
    name: str,
    value: Any,
    least: int,
    most: int | None = None,
    error: type[Exception] = SavgError,
) -> int:
    """The value, an int in least..most (None: without an end); else `error` in one sentence."""
    if is_whole(value) and least <= value and (most is None or value <= most):
        return int(value)
    span = f"a whole number in {least}..{most}"
    if most is None:
        span = f"a whole number ≥ {least}"
    elif least == most:
        span = str(least)
    raise error(f"{name} must be {span}, got {brief(value)}.")


class _Brief(reprlib.Repr):
    """Representations of a few dozen characters."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 2, 60, 60
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 3

    def repr_int(self, x: int, level: int) -> str:
        return (
            repr(x) if abs(x) < 10**20 else f"a number of about {x.bit_length() * 3 // 10} digits"
        )


_BRIEF = _Brief()


def brief(value: object) -> str:
    """A value as messages quote it: its representation in one line, shortened where it is long."""
    text = " ".join(_BRIEF.repr(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
