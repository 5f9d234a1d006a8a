"""Damage to the packets of MPEG transport streams."""

from __future__ import annotations

import random

SIZE = 188


def packets(data: bytes, rng: random.Random) -> bytes:
    """Packets lost, twice, shuffled or of other streams; clocks and time stamps that jump."""
    stream = [bytearray(data[i : i + SIZE]) for i in range(0, len(data) - SIZE + 1, SIZE)]
    for _ in range(rng.randrange(1, 4)):
        if stream:
            _change(stream, rng)
    return b"".join(stream)


def _change(stream: list[bytearray], rng: random.Random) -> None:
    first = rng.randrange(len(stream))
    last = min(len(stream), first + 2 ** rng.randrange(8))
    kind = rng.randrange(8)
    if kind == 0:
        del stream[first:last]
    elif kind == 1:
        stream[first:first] = [bytearray(p) for p in stream[first:last]] * rng.randrange(1, 4)
    elif kind == 2:
        part = stream[first:last]
        rng.shuffle(part)
        stream[first:last] = part
    elif kind == 3:
        stream[:] = stream[first:] + stream[:first]
    elif kind == 4:
        for packet in stream[first:last]:
            packet[3] ^= rng.randrange(256)
    elif kind == 5:
        other = rng.choice(stream)
        for packet in stream[first:last]:
            packet[1:3] = other[1:3]
    elif kind == 6:
        _clock(stream[first:], rng)
    else:
        _stamps(stream[first:], rng)


def _clock(stream: list[bytearray], rng: random.Random) -> None:
    jump = rng.choice((0, 2**32, rng.randrange(2**33), 90_000 * rng.choice((1, 20, 20_000))))
    for packet in stream:
        if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
            clock = (int.from_bytes(packet[6:11], "big") >> 7) + jump
            rest = int.from_bytes(packet[6:11], "big") & 127
            packet[6:11] = ((clock % 2**33) << 7 | rest).to_bytes(5, "big")


def _stamps(stream: list[bytearray], rng: random.Random) -> None:
    """The 33-bit time stamps of elementary packets, all moved or each anew."""
    jump = rng.choice((2**32, rng.randrange(2**33), 90_000 * rng.choice((1, 5, 60, 20_000))))
    each = rng.random() < 0.3
    for packet in stream:
        at = packet.find(b"\0\0\1", 4)
        if not packet[1] & 0x40 or at < 0 or at + 14 > SIZE or not packet[at + 7] & 0x80:
            continue
        p = packet[at + 9 : at + 14]
        value = (p[0] >> 1 & 7) << 30 | p[1] << 22 | (p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1
        value = (rng.randrange(2**33) if each else value + jump) % 2**33
        packet[at + 9] = p[0] & 0xF1 | (value >> 30) << 1
        packet[at + 10] = value >> 22 & 255
        packet[at + 11] = (value >> 15 & 127) << 1 | 1
        packet[at + 12] = value >> 7 & 255
        packet[at + 13] = (value & 127) << 1 | 1
