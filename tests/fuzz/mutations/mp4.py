"""Damage to the boxes of MP4 and QuickTime files."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field

from tests.fuzz.mutations.blind import WILD

CONTAINERS = frozenset(b"moov trak mdia minf stbl edts dinf udta mvex moof traf".split())
TABLES = frozenset(b"mvhd tkhd mdhd elst stts ctts stsc stsz stco stss stsd hdlr dref".split())
_DEPTHS = (2, 10, 300, 5000)


@dataclass
class Box:
    """size: what its header says, None for the truth; wide: a header of 64 bits."""

    kind: bytes
    payload: bytes = b""
    children: list[Box] = field(default_factory=list)
    size: int | None = None
    wide: bool = False

    def data(self) -> bytes:
        """The box as it stands in a file."""
        body = self.payload + b"".join(child.data() for child in self.children)
        size = len(body) + (16 if self.wide else 8) if self.size is None else self.size
        if self.wide:
            return b"\0\0\0\1" + self.kind + (size % 2**64).to_bytes(8, "big") + body
        return (size % 2**32).to_bytes(4, "big") + self.kind + body


def parse(data: bytes) -> list[Box]:
    """The boxes of an undamaged file."""
    boxes, at = [], 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size < 8 or at + size > len(data):
            break
        body = data[at + 8 : at + size]
        inner = kind in CONTAINERS
        boxes.append(Box(kind, b"" if inner else body, parse(body) if inner else []))
        at += size
    return boxes


def _lists(boxes: list[Box]) -> list[list[Box]]:
    """Every list of boxes in a tree that is not empty."""
    inner = [found for box in boxes for found in _lists(box.children)]
    return [boxes, *inner] if boxes else inner


def boxes(data: bytes, rng: random.Random) -> bytes:
    """Boxes twice, gone, shuffled, moved, in themselves, or of another size than they say."""
    root = Box(b"root", children=parse(data))
    for _ in range(rng.randrange(1, 4)):
        lists = _lists(root.children)
        if not lists:
            break
        siblings = rng.choice(lists)
        _change(siblings, rng.choice(lists), rng)
    return b"".join(box.data() for box in root.children)


def _change(siblings: list[Box], others: list[Box], rng: random.Random) -> None:
    at = rng.randrange(len(siblings))
    box, kind = siblings[at], rng.randrange(8)
    if kind == 0:
        siblings.insert(rng.randrange(len(siblings) + 1), deepcopy(box))
    elif kind == 1:
        del siblings[at]
    elif kind == 2:
        rng.shuffle(siblings)
    elif kind == 3:
        box.size = rng.choice((*WILD, *range(12), len(box.payload) + rng.randrange(-9, 99)))
    elif kind == 4:
        box.wide, box.size = True, rng.choice((None, *WILD, len(box.payload) + 7))
    elif kind == 5:
        inner = box.data()
        for _ in range(rng.choice(_DEPTHS)):
            inner = (len(inner) + 8).to_bytes(4, "big") + box.kind + inner
        siblings[at] = Box(box.kind, inner)
    elif kind == 6:
        box.kind = rng.choice((*CONTAINERS, *TABLES, b"free", b"\0\0\0\0", rng.randbytes(4)))
    else:
        others.append(deepcopy(box))


def sample_tables(data: bytes, rng: random.Random) -> bytes:
    """Wild numbers in the tables of times, sizes and places, in rates, edits and matrices."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        kind = rng.choice(sorted(TABLES))
        places = [i for i in range(len(data) - 8) if data[i : i + 4] == kind]
        if not places:
            continue
        start = rng.choice(places) + 4
        fields = range(start + 4, min(start + 100, len(out) - 4), 4)
        if fields:
            at = rng.choice((fields[0], rng.choice(fields)))
            value = rng.choice((*WILD, rng.randrange(2**32), rng.randrange(100)))
            out[at : at + 4] = (value % 2**32).to_bytes(4, "big")
    return bytes(out)
