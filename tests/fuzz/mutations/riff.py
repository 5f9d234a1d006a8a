"""Damage to the headers of WAV, AVI and FLAC files."""

from __future__ import annotations

import random

from tests.fuzz.mutations.blind import WILD


def chunks(data: bytes, rng: random.Random) -> bytes:
    """Wild sizes of chunks, and wild numbers of channels, rates and bits."""
    out = bytearray(data)
    places = [i for i in range(0, min(len(out), 4096) - 12, 2) if out[i : i + 4].strip().isalpha()]
    for _ in range(rng.randrange(1, 4)):
        if not places:
            break
        at = rng.choice(places) + 4 + rng.choice((0, 0, 4, 6, 8, 12, 16, 18, 20))
        width = rng.choice((2, 4, 4))
        value = rng.choice((*WILD, rng.randrange(2**32), 3, 6, 8, 24, 44_100, 255))
        out[at : at + width] = (value % 256**width).to_bytes(width, "little")
    if rng.random() < 0.2 and len(places) > 1:
        first, last = sorted(rng.sample(places, 2))
        out[last:last] = out[first:last]
    return bytes(out)


def stream_info(data: bytes, rng: random.Random) -> bytes:
    """Wild block sizes, rates, channels and lengths in a FLAC file's first block."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        if len(out) > 42:
            out[rng.randrange(4, 42)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(out)
