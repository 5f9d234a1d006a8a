"""Damage to JSON: other values in it, and text that is hardly JSON."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

DEEP = 100_000

WILD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 10**6, 10**9, 2**31, 2**63, 10**30, -(10**18), 0.5, -0.0,
    1e-300, 1e300, float("inf"), float("nan"), "", "x", "1", "nan", "../../etc/x", "/", ".", "a\nb",
    "\x1b[31m", "\u202e", "\ud800", "x" * 70_000, [], [[]], {}, {"a": 1}, [1, 2, 3], [None], ["x"],
    [0] * 1000, [1e9, 1e9], {"": {}}, "float16", "demo",
)  # fmt: skip
"""Values that a field may be given."""

_DIGITS = "9" * 5000


def _nested(rng: random.Random) -> Any:
    value: Any = rng.choice((1, None, "x"))
    for _ in range(rng.choice((5, 200))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def _homes(value: Any) -> list[Any]:
    """Every object and list in a value that is not empty."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict | list) and value else []
    return own + [home for item in inner for home in _homes(item)]


def mutated(value: Any, rng: random.Random) -> Any:
    """The value with one to three changes somewhere in it."""
    root = [value]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        homes = _homes(root)
        home = rng.choice(homes[1:] or homes)
        _change(home, rng)
    return root[0] if root else None


def _change(home: Any, rng: random.Random) -> None:
    keys: list[Any] = list(home) if isinstance(home, dict) else list(range(len(home)))
    key, kind = rng.choice(keys), rng.randrange(10)
    if kind == 0:
        del home[key]
    elif kind == 1:
        home[key] = _nested(rng)
    elif kind == 2 and isinstance(home, dict):
        home[rng.choice(("x", "", "__class__", "a\nb", "\ud800", f"{key}s"))] = home[key]
    elif kind == 2:
        home.extend(home[:100])
    elif kind == 3:
        home[key] = deepcopy(home[rng.choice(keys)])
    elif kind == 4 and isinstance(home[key], int | float):
        home[key] = home[key] * rng.choice((-1, 1.5, 1000, 10**9))
    elif kind == 4:
        home[key] = str(home[key])
    else:
        home[key] = deepcopy(rng.choice(WILD))


def values(data: bytes, rng: random.Random) -> bytes:
    """Other values, keys and types in the file's own structure."""
    text = json.dumps(mutated(json.loads(data), rng))
    if rng.random() < 0.1:
        text = text.replace("Infinity", rng.choice(("1e999", _DIGITS, "-1e999")))
    return text.encode("utf-8", "surrogatepass")


def text(data: bytes, rng: random.Random) -> bytes:
    """Text that is no JSON, or JSON that breaks readers."""
    deep = rng.choice((b"[", b'{"a":'))
    number = rng.choice((b"1e999999999", _DIGITS.encode(), b"-", b"0x10", b"NaN", b"-Infinity"))
    place = rng.randrange(len(data) + 1)
    return rng.choice(
        (
            deep * DEEP,
            b"[" * DEEP + b"]" * DEEP,
            data.replace(b":", b":" + b"[" * DEEP + b"]" * DEEP + b",", 1),
            data.replace(b"1", number, 1),
            number,
            b"\xef\xbb\xbf" + data,
            data.decode("utf-8", "replace").encode("utf-16"),
            data[:place] + bytes([rng.randrange(128, 256)]) + data[place:],
            data[:place] + b"\0" + data[place:],
            data + data,
            data.replace(b'"', b"'"),
            b'{"a": 1, ' + data.lstrip()[1:],
            rng.choice((b"null", b"[]", b"{}", b"0", b'""', b"true", b"[[]]", b" ")),
        )
    )
