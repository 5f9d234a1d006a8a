"""Damage that knows no format."""

from __future__ import annotations

import random

WILD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WILD += (0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 1_000_000, 1_000_000_000)
"""Whole numbers at which counters and sizes break."""


def _place(size: int, rng: random.Random) -> int:
    """A place in a file; every second one in its first kilobyte or its last, where headers are."""
    near = rng.randrange(min(size, 1024))
    return rng.choice((near, size - 1 - near, rng.randrange(size), rng.randrange(size)))


def bits(data: bytes, rng: random.Random) -> bytes:
    """1 to 64 bits flipped."""
    out = bytearray(data)
    for _ in range(2 ** rng.randrange(7) if out else 0):
        out[_place(len(out), rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def splice(data: bytes, rng: random.Random) -> bytes:
    """A stretch removed, repeated, moved or overwritten."""
    if len(data) < 2:
        return data
    begin = _place(len(data) - 1, rng)
    length = min(len(data) - begin, 2 ** rng.randrange(13))
    before, part, after = data[:begin], data[begin : begin + length], data[begin + length :]
    to = rng.randrange(len(data))
    filler = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return rng.choice(
        (
            before + after,
            before + part * rng.randrange(2, 6) + after,
            (before + after)[:to] + part + (before + after)[to:],
            before + filler + after,
            before + filler + part + after,
        )
    )


def cut(data: bytes, rng: random.Random) -> bytes:
    """An end cut off, or something behind the end."""
    at = rng.choice((0, 1, rng.randrange(min(len(data), 64) + 1), rng.randrange(len(data) + 1)))
    return rng.choice(
        (data[:at], data[: len(data) - at], data[at:], data + data, data + rng.randbytes(at))
    )


def integers(data: bytes, rng: random.Random) -> bytes:
    """Wild whole numbers of 1 to 8 bytes, of either byte order."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        width = rng.choice((1, 2, 4, 4, 8))
        if len(out) > width:
            at = min(_place(len(out), rng), len(out) - width)
            value = rng.choice(WILD) & (256**width - 1)
            out[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))
    return bytes(out)
