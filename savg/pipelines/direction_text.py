"""Directions as text: options of a command line, values of a link or a call, words for people.

Options are named as `Direction.to_options` names them; x, one place, stands for an x_path of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError, brief
from savg.numerals import number
from savg.pipelines.strengths import strength

if TYPE_CHECKING:
    from savg.pipelines.direction import Direction

OPTIONS = ("say", "x", "x_path", "people", "strength")

MAX_PATH = 3000
"""Characters of a path."""

FRAMES_ONLY = (
    "Only the frames follow what is asked: the network that makes the audio was not trained with "
    "directions and follows the frames."
)
"""What is to be told of a second stage that takes no direction."""

MOST_PLACES = 4
"""Places of a path that words name."""


def read_direction(
    options: Mapping[str, Any], called: Callable[[str], str] = str
) -> Direction | None:
    """The direction that options ask for, None where none is given.

    Args:
        options: x a number, x_path and strength text; what is absent or None is left open.
        called: what the caller calls an option, for messages.

    Raises:
        SavgError: a value out of range, or strengths of nothing.
    """
    from savg.pipelines.direction import Direction

    given = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    if not given:
        return None
    path: tuple[float, ...] | None = None
    if "x" in given and "x_path" in given:
        raise SavgError(f"Either {called('x')} or {called('x_path')} must be given, got both.")
    if "x" in given:
        path = (given["x"],)
    elif "x_path" in given:
        path = _path(given["x_path"], called("x_path"))
    texts = str(given["strength"]).split(",") if "strength" in given else []
    weights = dict(strength(text, called("strength")) for text in texts)
    direction = Direction(given.get("say"), path, given.get("people"), weights)
    if direction.is_open:
        *names, last = (called(name) for name in OPTIONS if name != "strength")
        raise SavgError(f"{called('strength')} must come with {', '.join(names)} or {last}.")
    return direction


def direction_words(options: Mapping[str, Any]) -> str:
    """What options ask for in a few words: "speech, x 40→200, 2 people"; empty for nothing."""
    words = [str(options["say"])] if "say" in options else []
    if "x_path" in options:
        places = str(options["x_path"]).split(",")
        if len(places) > MOST_PLACES:
            places = [places[0], "…", places[-1]]
        words.append(f"x {'→'.join(place.strip() for place in places)}")
    if "people" in options:
        people = options["people"]
        words.append(f"{people} {'person' if people == 1 else 'people'}")
    if "strength" in options:
        words.append(f"strength {str(options['strength']).replace('=', ' ').replace(',', ', ')}")
    return ", ".join(words)


def _path(text: Any, called: str) -> tuple[float, ...]:
    if not isinstance(text, str) or len(text) > MAX_PATH:
        raise _wrong_path(called, text)
    return tuple(_place(place.strip(), called) for place in text.split(","))


def _place(text: str, called: str) -> float:
    try:
        return number(text)
    except ValueError as error:
        raise _wrong_path(called, text) from error


def _wrong_path(called: str, text: Any) -> SavgError:
    return SavgError(f"{called} must be places in pixels such as 40,120,200, got {brief(text)}.")
