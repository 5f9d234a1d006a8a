"""Damage to the elements of Matroska and WebM files."""

from __future__ import annotations

import random
import struct
from copy import deepcopy
from dataclasses import dataclass, field

MASTERS = {0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB}
"""Segment, Info, Tracks, TrackEntry, Video, Audio, Cluster, BlockGroup, Cues, CuePoint."""

_DEPTHS = (2, 30, 3000)


@dataclass
class Element:
    """size: the bytes of its size field, None for the truth."""

    name: bytes
    payload: bytes = b""
    children: list[Element] = field(default_factory=list)
    size: bytes | None = None

    def data(self) -> bytes:
        """The element as it stands in a file."""
        body = self.payload + b"".join(child.data() for child in self.children)
        return self.name + (self.size or _vint(len(body))) + body


def _vint(value: int) -> bytes:
    return (value | 1 << 56).to_bytes(8, "big")


def _width(first: int) -> int:
    return 9 - first.bit_length() if first else 9


def parse(data: bytes) -> list[Element]:
    """The elements of an undamaged file; what has no known size is left out."""
    elements, at = [], 0
    while at < len(data) - 1:
        width = _width(data[at])
        name = data[at : at + width]
        size_width = _width(data[at + width]) if at + width < len(data) else 9
        if width > 4 or size_width > 8:
            break
        begin = at + width + size_width
        size = int.from_bytes(data[at + width : begin], "big") & ((1 << 7 * size_width) - 1)
        body = data[begin : begin + size]
        inner = int.from_bytes(name, "big") in MASTERS
        elements.append(Element(name, b"" if inner else body, parse(body) if inner else []))
        at = begin + size
    return elements


def _lists(elements: list[Element]) -> list[list[Element]]:
    inner = [found for element in elements for found in _lists(element.children)]
    return [elements, *inner] if elements else inner


def elements(data: bytes, rng: random.Random) -> bytes:
    """Elements twice, gone, shuffled, in themselves, of wild sizes, or with wild numbers in them."""
    root = parse(data)
    for _ in range(rng.randrange(1, 4)):
        lists = _lists(root)
        if lists:
            _change(rng.choice(lists), rng)
    return b"".join(element.data() for element in root)


def _change(siblings: list[Element], rng: random.Random) -> None:
    at = rng.randrange(len(siblings))
    element, kind = siblings[at], rng.randrange(8)
    if kind == 0:
        siblings.insert(rng.randrange(len(siblings) + 1), deepcopy(element))
    elif kind == 1:
        del siblings[at]
    elif kind == 2:
        rng.shuffle(siblings)
    elif kind == 3:
        wild = (
            b"\xff",
            b"\x01" + b"\xff" * 7,
            b"\x80",
            b"\x81",
            _vint(2**40),
            b"\0",
            b"\x10\0\0\1",
        )
        element.size = rng.choice(wild)
    elif kind == 4:
        for _ in range(rng.choice(_DEPTHS)):
            element.payload, element.children = element.data(), []
            if len(element.payload) > 200_000:
                break
    elif kind == 5:
        element.name = rng.choice(
            (b"\xae", b"\xa3", b"\x1f\x43\xb6\x75", b"\xe7", rng.randbytes(2))
        )
    elif element.payload and len(element.payload) <= 8:
        element.payload = _number(len(element.payload), rng)


def _number(width: int, rng: random.Random) -> bytes:
    """Other bytes for a number: whole or floating-point."""
    if width in (4, 8) and rng.random() < 0.5:
        value = rng.choice((0.0, -1.0, 1e-30, 1e30, float("inf"), float("nan"), 44_100.0, 1.0))
        return struct.pack(">f" if width == 4 else ">d", value)
    return rng.choice((bytes(width), b"\xff" * width, b"\x7f" + b"\xff" * (width - 1), b"\x01"))
