"""Damage to zip files: the directory at their end, and their members."""

from __future__ import annotations

import io
import random
import warnings
import zipfile

from tests.fuzz.mutations.blind import WILD

NAMES = (
    "../../escape.wav", "/absolute.wav", "a\\b\\c.wav", "C:\\x.wav", "x" * 300 + ".wav", "", ".", "..",
    "a/\x1b[31m.wav", "nul\x00.wav", "\u202egnp.wav", "a/" * 300 + "b.wav", "model330011.pt",
)  # fmt: skip


def directory(data: bytes, rng: random.Random) -> bytes:
    """Wild versions, flags, methods, checksums, sizes and places in the records of a directory."""
    out = bytearray(data)
    records = {b"PK\1\2": 46, b"PK\3\4": 30, b"PK\5\6": 22, b"PK\6\6": 56, b"PK\6\7": 20}
    places = [(i, records[data[i : i + 4]]) for i in range(len(data)) if data[i : i + 4] in records]
    for _ in range(rng.randrange(1, 4)):
        if places:
            begin, length = rng.choice(places)
            width = rng.choice((2, 2, 4))
            at = begin + rng.randrange(4, length - 1, 2)
            value = rng.choice((*WILD, 8, 9, 12, 14, 99, rng.randrange(2**32)))
            out[at : at + width] = (value % 256**width).to_bytes(width, "little")[: len(out) - at]
    return bytes(out)


def members(data: bytes, rng: random.Random) -> bytes:
    """The same members with other names, methods or contents, twice, or fewer of them; or bombs."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = [(info.filename, archive.read(info)) for info in archive.infolist()]
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(contents)) if contents else 0
        kind = rng.randrange(6)
        if kind == 0 and contents:
            del contents[at]
        elif kind == 1 and contents:
            contents.append(rng.choice(contents))
        elif kind == 2 and contents:
            contents[at] = (rng.choice(NAMES) or "x", contents[at][1])
        elif kind == 3 and contents:
            content = contents[at][1]
            contents[at] = contents[at][0], rng.choice((b"", content[: len(content) // 2], b"\xff"))
        elif kind == 4 and contents:
            contents[at] = contents[at][0], contents[at][1] + bytes(rng.choice((10, 50_000_000)))
        else:
            rng.shuffle(contents)
    out = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w", method) as archive:
        for name, content in contents:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()
