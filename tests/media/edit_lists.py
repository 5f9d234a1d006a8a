"""Edit lists of mp4 and mov files, patched into their track headers (ISO/IEC 14496-12, 8.6.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path


def with_edits(path: Path, edits: list[tuple[float, float]]) -> Path:
    """The file, shown as these parts of it one after the other: (second from which, for how long)."""
    data = path.read_bytes()
    (_, start, end) = _find(data, 0, len(data), b"moov")
    assert end == len(data), "the header must come last, as offsets into the media stay"
    _, header, _ = _find(data, start + 8, end, b"mvhd")
    movie_scale = int.from_bytes(data[header + 20 : header + 24])
    children = b""
    for kind, first, last in _boxes(data, start + 8, end):
        track = data[first:last]
        children += _edited(track, edits, movie_scale) if kind == b"trak" else track
    path.write_bytes(data[:start] + _box(b"moov", children))
    return path


def _edited(track: bytes, edits: list[tuple[float, float]], movie_scale: int) -> bytes:
    _, media, media_end = _find(track, 8, len(track), b"mdia")
    _, header, _ = _find(track, media + 8, media_end, b"mdhd")
    scale = int.from_bytes(track[header + 20 : header + 24])
    offset, children = 0, b""
    for kind, first, _ in _boxes(track, 8, len(track)):
        if kind == b"edts":  # what it skips, such as an encoder's delay, stays skipped
            offset = int.from_bytes(track[first + 28 : first + 32], signed=True)
    rows = b"".join(
        struct.pack(">iiI", round(length * movie_scale), round(second * scale) + offset, 1 << 16)
        for second, length in edits
    )
    new = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(edits)) + rows))
    for kind, first, last in _boxes(track, 8, len(track)):
        if kind != b"edts":
            children += track[first:last] + (new if kind == b"tkhd" else b"")
    return _box(b"trak", children)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start < end:
        size = int.from_bytes(data[start : start + 4])
        yield data[start + 4 : start + 8], start, start + size
        start += size


def _find(data: bytes, start: int, end: int, kind: bytes) -> tuple[bytes, int, int]:
    return next(box for box in _boxes(data, start, end) if box[0] == kind)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
