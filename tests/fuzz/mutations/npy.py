"""Damage to the headers of NumPy's .npy files."""

from __future__ import annotations

import random
import re


def header(data: bytes, rng: random.Random) -> bytes:
    """Wild types, orders and shapes, or text that is no header."""
    length = int.from_bytes(data[8:10], "little")
    text, values = data[10 : 10 + length], data[10 + length :]
    dtypes = (
        b"'<f8'",
        b"'|O'",
        b"'<i2'",
        b"'|S9'",
        b"'<U100'",
        b"'x'",
        b"[('a', '<f4')]",
        b"'>f4'",
    )
    wild = (b"()", b"(0,)", b"(-1,)", b"(10**9,)", b"(1000000000,)", b"(9999999999999999999,)")
    wild += (b"(4, 4, 4)", b"(True,)", b"(1.5,)", b"(1, 1000000000000)")
    text = rng.choice(
        (
            re.sub(rb"'descr': '[^']*'", b"'descr': " + rng.choice(dtypes), text),
            re.sub(rb"\([^)]*\)", rng.choice(wild), text),
            text.replace(b"False", rng.choice((b"True", b"None", b"2"))),
            text.replace(b"descr", b"other"),
            b"(" * rng.choice((10, 3000)),
            b"[" * 5000 + b"]" * 5000,
            text[: rng.randrange(len(text))],
        )
    )
    version = rng.choice((data[6:8], data[6:8], data[6:8], b"\x02\x00", b"\x09\x00", b"\x03\x00"))
    return data[:6] + version + len(text).to_bytes(2, "little") + text + values
