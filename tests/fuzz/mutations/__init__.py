"""Ways to damage a file: blind ones for any, and others that know its format.

A mutation takes the path of a file and a generator, and changes what lies there. All it does is a
function of the two, so that a case can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.fuzz.mutations import (
    blind,
    jsons,
    matroska,
    mp4,
    mpegts,
    npy,
    places,
    riff,
    sqlite,
    tables,
    tensors,
    zips,
)

Edit = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Mutation:
    """apply(path, rng) changes the file; suffixes: of the files it suits, empty for all."""

    apply: Callable[[Path, random.Random], None]
    suffixes: tuple[str, ...] = ()

    def suits(self, path: str) -> bool:
        """Whether it knows files of this name."""
        return not self.suffixes or path.lower().endswith(self.suffixes)


def _rewrite(edit: Edit, path: Path, rng: random.Random) -> None:
    path.write_bytes(edit(path.read_bytes(), rng))


def _bytes(edit: Edit, *suffixes: str) -> Mutation:
    return Mutation(partial(_rewrite, edit), suffixes)


MUTATIONS: dict[str, Mutation] = {
    "none": Mutation(lambda path, rng: None),
    "bits": _bytes(blind.bits),
    "splice": _bytes(blind.splice),
    "cut": _bytes(blind.cut),
    "integers": _bytes(blind.integers),
    "place": Mutation(places.replace),
    "boxes": _bytes(mp4.boxes, ".mp4", ".mov"),
    "sample_tables": _bytes(mp4.sample_tables, ".mp4", ".mov"),
    "elements": _bytes(matroska.elements, ".mkv", ".webm"),
    "packets": _bytes(mpegts.packets, ".ts"),
    "chunks": _bytes(riff.chunks, ".wav", ".avi"),
    "stream_info": _bytes(riff.stream_info, ".flac"),
    "json": _bytes(jsons.values, ".json"),
    "json_text": _bytes(jsons.text, ".json"),
    "cells": _bytes(tables.cells, ".csv"),
    "csv_text": _bytes(tables.text, ".csv"),
    "header": _bytes(tensors.header, ".safetensors"),
    "weights": _bytes(tensors.weights, ".safetensors"),
    "directory": _bytes(zips.directory, ".zip", ".pt", ".npz"),
    "members": _bytes(zips.members, ".zip", ".pt", ".npz"),
    "array": _bytes(npy.header, ".npy"),
    "rows": Mutation(sqlite.rows, (".sqlite",)),
    "schema": Mutation(sqlite.schema, (".sqlite",)),
}
"""Name → mutation."""
