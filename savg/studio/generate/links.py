"""Links that last: a clip is a seed and settings, and an address of the studio has them.

?pipeline=joint&seed=42&steps=20          opens the studio and makes the clip
…&clips=3                                 the third clip of the seed, with those before it
…&boxes=0                                 no person boxes for the audio model
…&weights=FOLDER                          of further weights that this studio offers
…&say=speech&x_path=40,200&people=1       who sounds, where (x=40: one place), how many are seen
…&strength=x=2,people=1.5                 how closely that is followed
?pipeline=both&seed=42                    both pipelines side by side
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError, whole_number
from savg.numerals import integer, number
from savg.pipelines.direction_text import OPTIONS, read_direction
from savg.studio.generate.requests import MAX_CLIPS, TOGETHER, GenerateChoice
from savg.studio.shared.context import Context
from savg.studio.shared.inputs import MAX_SEED

if TYPE_CHECKING:
    from savg.pipelines.direction import Direction

BOTH = "both"
"""What a link calls pipelines side by side."""

NAMES = ("pipeline", "seed", "steps", "clips", "boxes", "weights", *OPTIONS)


@dataclass(frozen=True)
class Link:
    """What a link asks for: a key of the choices, and values of the settings."""

    choice: str
    seed: int
    steps: int
    count: int
    boxes: bool
    direction: Direction | None = None


def read_link(query: Mapping[str, Any], choices: Mapping[str, GenerateChoice]) -> Link | None:
    """What an address asks for, by its query; None if it names no pipeline and no seed.

    Raises:
        SavgError: a pipeline that is not offered, or a value that is not possible.
    """
    given = {name: str(query[name]) for name in NAMES if name in query}
    if not given.keys() & {"pipeline", "seed"}:
        return None
    key = _choice(given, choices)
    choice = choices[key]
    least, default, most = choice.steps
    return Link(
        key,
        _number("seed", given, 0, 0, MAX_SEED),
        _number("steps", given, default, least, most) if choice.takes_steps else default,
        _number("clips", given, 1, 1, MAX_CLIPS),
        bool(_number("boxes", given, 1, 0, 1)),
        _direction(given, choice),
    )


def made_before(
    context: Context, link: Link, choices: Mapping[str, GenerateChoice], own: list[str]
) -> str | None:
    """The key of a visitor's clip that a link asks for, if it is made already."""
    choice = choices[link.choice]
    if len(choice.names) > 1:
        return None
    wanted = choice.settings(0, link.seed, link.count - 1, link.steps, link.boxes, link.direction)
    for stored in context.library.get(own):
        if stored.settings == wanted:
            return stored.key
    return None


def _choice(given: Mapping[str, str], choices: Mapping[str, GenerateChoice]) -> str:
    name, weights = given.get("pipeline"), given.get("weights", "demo")
    if name is None:
        return next(iter(choices))
    if name == BOTH and TOGETHER in choices:
        return TOGETHER
    for key, choice in choices.items():
        if len(choice.names) == 1 and (choice.registered, choice.weights) == (name, weights):
            return key
    known = [c.registered for c in choices.values() if len(c.names) == 1]
    raise SavgError(f"The link's pipeline must be one of {', '.join(known)}, got {name[:40]!r}.")


def _direction(given: Mapping[str, str], choice: GenerateChoice) -> Direction | None:
    """The direction of an address; SavgError where its weights take none."""
    options: dict[str, Any] = {name: given[name] for name in OPTIONS if name in given}
    for name, read in (("x", number), ("people", integer)):
        if name in given:
            options[name] = _read(name, given[name], read)
    direction = read_direction(options, lambda name: f"{name} of the link")
    if direction and choice.refusal:
        raise SavgError(choice.refusal)
    return direction


def _read(name: str, text: str, read: Callable[[str], float]) -> float:
    try:
        return read(text[:40])
    except ValueError:
        raise SavgError(f"{name} of the link must be a number, got {text[:40]!r}.") from None


def _number(name: str, given: Mapping[str, str], default: int, least: int, most: int) -> int:
    if name not in given:
        return default
    try:
        value = integer(given[name][:40])
    except ValueError:
        value = -1
    try:
        return whole_number(f"The link's {name}", value, least, most)
    except SavgError:
        raise SavgError(
            f"The link's {name} must be a whole number in {least}..{most}, got {given[name][:40]!r}."
        ) from None
