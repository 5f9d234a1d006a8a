"""Damage to safetensors files: eight bytes of length, a JSON header, and the values."""

from __future__ import annotations

import json
import random
import struct

from tests.fuzz.mutations import jsons
from tests.fuzz.mutations.blind import WILD


def header(data: bytes, rng: random.Random) -> bytes:
    """Wild names, types, shapes and places in the header, or a wild length of it."""
    length = int.from_bytes(data[:8], "little")
    entries, values = json.loads(data[8 : 8 + length]), data[8 + length :]
    kind = rng.randrange(6)
    if kind == 0:
        size = rng.choice((*WILD, length - 1, length + 1, len(data), 2**63 - 1))
        return (size % 2**64).to_bytes(8, "little") + data[8:]
    names = [name for name in entries if name != "__metadata__"]
    entry = entries[rng.choice(names)]
    if kind == 1:
        entry["dtype"] = rng.choice(("F64", "F16", "BF16", "I8", "BOOL", "F8_E4M3", "X", "", "C64"))
    elif kind == 2:
        shape = entry["shape"]
        wild = (
            [],
            [0],
            [-1],
            [2**62],
            [2**32, 2**32],
            shape[::-1],
            [*shape, 1],
            [1, *shape],
            [0.5],
        )
        entry["shape"] = rng.choice(wild)
    elif kind == 3:
        begin, end = entry["data_offsets"]
        wild = (
            [end, begin],
            [0, 2**63],
            [begin, end + 8],
            [begin - 4, end],
            [0, 0],
            [-1, 4],
            [begin],
        )
        entry["data_offsets"] = rng.choice(wild)
    elif kind == 4:
        entries[rng.choice(("x", "", "a\nb", "model.x", "average.", "x" * 70_000))] = entry
    else:
        entries = jsons.mutated(entries, rng)
    text = json.dumps(entries).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + values


def weights(data: bytes, rng: random.Random) -> bytes:
    """Values that are not finite, or huge."""
    begin = 8 + int.from_bytes(data[:8], "little")
    out = bytearray(data)
    wild = (b"\0\0\xc0\x7f", b"\0\0\x80\xff", b"\xff\xff\x7f\x7f", b"\xff\xff\xff\xff")
    for _ in range(rng.choice((1, 100))):
        if len(out) - begin >= 4:
            at = begin + 4 * rng.randrange((len(out) - begin) // 4)
            out[at : at + 4] = rng.choice(wild)
    return bytes(out)
