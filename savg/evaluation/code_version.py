"""Versions of functions: what a stored result depends on beside its input.

A function's result changes with its own code and with that of the functions that it calls by name, so
the version covers the modules of both, as far as they are of this package or of the function's own.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

from savg.evaluation.cache import digest

PACKAGE = "savg"

_PLAIN = int, float, str, bytes


def version_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The name of a function with the version of its code: its module's `VERSION`, or else a hash of
    its own code, the texts of its module and those of what it calls, and the numbers it takes there."""
    if isinstance(function, partial):
        bound = [repr(value) for value in (function.args, sorted(function.keywords.items()))]
        return {**version_of(function.func), "bound": bound}
    owner = function if hasattr(function, "__qualname__") else type(function)
    version = getattr(sys.modules.get(owner.__module__), "VERSION", None)
    if version is None:
        own = _code(getattr(function, "__code__", None))
        version = digest([own, *sorted(_behind(owner))])[:16]
    return {"function": f"{owner.__module__}.{owner.__qualname__}", "version": version}


def _behind(owner: Any) -> Iterator[tuple[str, str]]:
    """Names and texts of all modules of which a function or class calls something, and the constants
    that it takes from them."""
    packages = {PACKAGE, owner.__module__.partition(".")[0]}
    texts: set[str] = set()
    seen: set[int] = set()
    whole = owner.__mro__ if isinstance(owner, type) else (owner,)
    waiting = list(whole)
    while waiting:
        value = waiting.pop()
        module = getattr(value, "__module__", None)
        if id(value) in seen or not isinstance(module, str):
            continue
        seen.add(id(value))
        if module.partition(".")[0] not in packages:
            continue
        if module not in texts:
            texts.add(module)
            yield module, _text(sys.modules.get(module))
        for function in _functions(value, value in whole):
            for name, used in _used(function, packages):
                if _is_plain(used):
                    yield name, repr(used)
                else:
                    waiting.append(used)


def _is_plain(value: Any) -> bool:
    """Whether a value has no address in its text."""
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_plain, value)))


def _functions(value: Any, whole: bool) -> Iterator[FunctionType]:
    """A function itself, or those of a class: all, or those that run where one is made or called."""
    members = {"__call__": value}
    if isinstance(value, type):
        members = {n: v for n, v in vars(value).items() if whole or n.startswith("__")}
    for member in members.values():
        plain = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        if isinstance(plain, FunctionType):
            yield plain


def _used(function: FunctionType, packages: set[str]) -> Iterator[tuple[str, Any]]:
    """What a function takes from outside, by name: globals, members of modules, local imports."""
    names = set(_names(function.__code__))
    modules = [v for n in names if isinstance(v := function.__globals__.get(n), ModuleType)]
    modules += [importlib.import_module(n) for n in names if n.partition(".")[0] in packages - {n}]
    places = [function.__globals__]
    places += [vars(m) for m in modules if m.__name__.partition(".")[0] in packages]
    for name in sorted(names):
        yield from ((name, place[name]) for place in places if name in place)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _names(value)


def _text(module: ModuleType | None) -> str:
    try:
        return "" if module is None else inspect.getsource(module)
    except (OSError, TypeError):
        return ""


def _code(code: object) -> object:
    """A function's code as plain values, without addresses."""
    if not isinstance(code, CodeType):
        return repr(code)
    return [code.co_code.hex(), code.co_names, [_code(value) for value in code.co_consts]]
