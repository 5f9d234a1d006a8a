"""Damage to CSV tables."""

from __future__ import annotations

import random

WILD = (
    "", " ", "-", "x", "-1", "1.5", "1e3", "1e18", "1e400", "9" * 400, "nan", "-inf", "infinity",
    "0x10", "1_000", "１２", "٣", "1,5", "1;2", "true", "None", '"', '"a\nb"', "'1", "=1+1", "\ufeff1",
    "+1", " 1 ",
    "1" * 140_000, "\x00", "a\x1b[31m", "\u202e", "9007199254740993", "1e-400", "-0.0", "4294967296",
)  # fmt: skip
"""Cells that a number may be replaced by."""


def cells(data: bytes, rng: random.Random) -> bytes:
    """Wild cells; rows and columns twice, gone, shuffled."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(rng.randrange(1, 4)):
        if not rows:
            break
        at = rng.randrange(len(rows))
        row, kind = rows[at], rng.randrange(10)
        if kind == 0:
            del rows[at]
        elif kind == 1:
            rows[at:at] = [row] * rng.choice((1, 2, 500))
        elif kind == 2:
            rng.shuffle(rows)
        elif kind == 3:
            row.append(rng.choice(WILD))
        elif kind == 4:
            del row[rng.randrange(len(row)) :]
        elif row:
            row[rng.randrange(len(row))] = rng.choice(WILD)
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def text(data: bytes, rng: random.Random) -> bytes:
    """Other line ends, encodings, separators and quotes."""
    table = data.decode()
    place = rng.randrange(len(data) + 1)
    return rng.choice(
        (
            b"\xef\xbb\xbf" + data,
            table.encode("utf-16"),
            data.replace(b"\n", b"\r"),
            data.replace(b"\n", b"\r\n\r\n"),
            data.replace(b",", b";"),
            data.replace(b",", b"\t"),
            data[:place] + b'"' + data[place:],
            data[:place] + b"\xff" + data[place:],
            data[:place] + b"\0" + data[place:],
            data * 50,
            b"frame,class,x,y\n" + data,
            b"\n" * 1000 + data,
            b"," * 1000,
            b'"' + b"x" * 200_000,
        )
    )
