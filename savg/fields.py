"""Configurations whose fields are checked by their own annotations: type, bounds, number of items.

    @dataclass(frozen=True)
    class Sizes:
        depth: Annotated[int, Between(1, 64)] = 2

        def __post_init__(self) -> None:
            check(self)

Files hold such values too, and a stranger may have written them: bounds say what is still a
configuration, before anything of its size is built.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from savg.errors import SavgError, brief

T = TypeVar("T")

MakeError = Callable[[str], Exception]


@dataclass(frozen=True)
class Between:
    """Smallest and largest value of a number, both allowed."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.least}..{self.most}"


@dataclass(frozen=True)
class Items:
    """Smallest and largest number of items of a tuple."""

    least: int
    most: int


@dataclass(frozen=True)
class Text:
    """Largest number of characters of a text; 80 without it."""

    most: int


Channels = Annotated[int, Between(1, 16_384)]
Depth = Annotated[int, Between(1, 128)]
"""Layers or blocks one after another."""
Heads = Annotated[int, Between(1, 512)]
Bands = Annotated[int, Between(1, 4096)]
"""Of a spectrogram."""
Kernel = Annotated[int, Between(1, 255)]
"""Width of a kernel."""
Factor = Annotated[int, Between(1, 64)]
"""By which a length or a number of channels changes, and dilations."""
Patch = Annotated[int, Between(1, 64)]
"""Side or length of a patch."""
Side = Annotated[int, Between(1, 8192)]
"""Of an image, in pixels."""
Samples = Annotated[int, Between(1, 65_536)]
"""Of a hop or a window."""
Rate = Annotated[int, Between(1, 768_000)]
"""In Hz."""
Share = Annotated[float, Between(0, 1)]
Scale = Annotated[float, Between(0.001, 64)]
"""Factor on a number of channels or blocks."""

Checker = Callable[[str, Any], "str | None"]
"""checker(name, value) → what the value must be and is, or None where it fits."""


def check(config: Any, names: str = "{}", error: type[Exception] = ValueError) -> None:
    """Raise `error` in one sentence for a field that does not fit.

    config: a dataclass; names: how a message calls a field, for instance "weight of {}".
    """
    for name, checker in _plan(type(config)):  # type: ignore[arg-type]
        problem = checker(names.format(name), getattr(config, name))
        if problem:
            raise error(f"{problem}." if issubclass(error, SavgError) else problem)


def from_json(cls: type[T], values: Any, where: str, error: MakeError = SavgError) -> T:
    """The dataclass that a JSON object describes, lists as tuples, objects as dataclasses.

    Args:
        cls: a dataclass that checks itself.
        values: an object as JSON gives it.
        where: file and place of the object, for the message.
        error: of a sentence, raised for no object, unknown or missing settings, and values that do
            not fit.
    """
    if not isinstance(values, Mapping):
        raise error(f"{where}: settings must be a JSON object, got {brief(values)}.")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise error(f"{where}: it has no setting {brief(key)}.")
    missing = [
        name
        for name, f in fields.items()
        if name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise error(f"{where}: {missing[0]!r} is missing.")
    hints = _hints(cls)  # type: ignore[arg-type]
    ready = {
        key: _ready(hints.get(key), value, f"{where}: {key}", error)
        for key, value in values.items()
    }
    try:
        return cls(**ready)
    except (ValueError, TypeError, ArithmeticError, SavgError) as problem:
        raise error(f"{where}: {str(problem).removesuffix('.')}.") from problem


def _ready(hint: Any, value: Any, where: str, error: MakeError) -> Any:
    """A JSON value as a field of this annotation takes it."""
    if isinstance(value, Mapping):
        for option in _options(hint):
            if dataclasses.is_dataclass(option) and isinstance(option, type):
                return from_json(option, value, where, error)
    kept = any(option is Any or get_origin(option) in (dict, Mapping) for option in _options(hint))
    return value if kept else _tuples(value)


def _tuples(value: Any) -> Any:
    """JSON with every list as a tuple, as frozen configurations hold them."""
    if isinstance(value, (list, tuple)):  # thousands of numbers, from strangers
        return tuple([_tuples(x) if isinstance(x, (list, tuple, dict)) else x for x in value])
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=256)
def _hints(cls: Any) -> dict[str, Any]:
    try:
        return get_type_hints(cls, include_extras=True)
    except NameError:  # of a class within a function; its own checks remain
        return {}


@lru_cache(maxsize=256)
def _plan(cls: Any) -> tuple[tuple[str, Checker], ...]:
    hints = _hints(cls)
    return tuple(
        (f.name, _checker(hints[f.name]))
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if f.name in hints
    )


def _options(hint: Any) -> tuple[Any, ...]:
    """The alternatives of an annotation."""
    if get_origin(hint) is Annotated:
        return _options(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return get_args(hint)
    return (hint,)


def _checker(hint: Any, bounds: tuple[Any, ...] = ()) -> Checker:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _checker(arguments[0], (*arguments[1:], *bounds))
    if origin in (Union, types.UnionType):
        return _either([_checker(option, bounds) for option in arguments])
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _sequence(arguments, bounds)
    if hint in (int, float):
        return _number(hint, next((b for b in bounds if isinstance(b, Between)), None))
    if hint is str:
        return _text(next((b.most for b in bounds if isinstance(b, Text)), 80))
    kinds = {bool: "true or false", type(None): "null"}
    if hint in kinds:
        return _of_type(hint, kinds[hint])
    if isinstance(hint, type):
        return _of_type(hint, f"a {hint.__name__}")
    return _of_type(Mapping, "an object") if origin in (dict, Mapping) else _anything


def _anything(name: str, value: Any) -> str | None:
    return None


def _of_type(kind: Any, words: str) -> Checker:
    def checker(name: str, value: Any) -> str | None:
        if isinstance(value, kind):
            return None
        return f"{name} must be {words}, got {brief(value)}"

    return checker


def _text(most: int) -> Checker:
    def checker(name: str, value: Any) -> str | None:
        if isinstance(value, str) and len(value) <= most:
            return None
        return f"{name} must be text of at most {most} characters, got {brief(value)}"

    return checker


def _one_of(choices: tuple[Any, ...]) -> Checker:
    def checker(name: str, value: Any) -> str | None:
        if any(type(value) is type(choice) and value == choice for choice in choices):
            return None
        return f"{name} must be one of {', '.join(map(str, choices))}, got {brief(value)}"

    return checker


def _number(kind: type, bound: Between | None) -> Checker:
    words = "a whole number" if kind is int else "a number"
    if bound is not None:
        words += f" in {bound}"
    least, most = (bound.least, bound.most) if bound else (-float("inf"), float("inf"))
    abstract: type = Integral if kind is int else Real

    def checker(name: str, value: Any) -> str | None:
        if not isinstance(value, abstract) or isinstance(value, bool) or not math.isfinite(value):  # type: ignore[arg-type]
            return f"{name} must be {words}, got {brief(value)}"
        if value < least:  # type: ignore[operator]
            return f"{name} must be ≥ {least}, got {brief(value)}"
        if value > most:  # type: ignore[operator]
            return f"{name} must be ≤ {most}, got {brief(value)}"
        return None

    return checker


def _either(checkers: list[Checker]) -> Checker:
    def checker(name: str, value: Any) -> str | None:
        problems = [option(name, value) for option in checkers]
        if None in problems:
            return None
        return next((p for p in problems if p and "must be null" not in p), problems[0])

    return checker


def _sequence(arguments: tuple[Any, ...], bounds: tuple[Any, ...]) -> Checker:
    """Of tuple[X, ...] with its `Items`, or of tuple[X, Y]."""
    open_ended = len(arguments) == 2 and arguments[1] is Ellipsis
    if open_ended:
        items = next((b for b in bounds if isinstance(b, Items)), Items(0, 64))
        each = [_checker(arguments[0], tuple(b for b in bounds if not isinstance(b, Items)))]
    else:
        items = Items(len(arguments), len(arguments))
        each = [_checker(argument, bounds) for argument in arguments]
    span = f"{items.least}..{items.most}" if items.least != items.most else str(items.most)

    def checker(name: str, value: Any) -> str | None:
        if not isinstance(value, tuple | list) or not items.least <= len(value) <= items.most:
            return f"{name} must be a list of {span} values, got {brief(value)}"
        for place, item in enumerate(value):
            problem = each[0 if open_ended else place](f"{name}[{place}]", item)
            if problem:
                return problem
        return None

    return checker
