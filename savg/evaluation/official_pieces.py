"""The pieces of files that the published evaluator takes, and their features, cached by content.

I3D's features of a piece depend on its file alone; AudioCLIP's on all pieces of its batch, whose
statistics it takes. So the first are kept by file, the second by batch, and a file is decoded only
where something of it is missing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.data.published_loader import (
    Piece,
    evaluator_items,
    evaluator_order,
    evaluator_pieces,
    stored_frames,
)
from savg.errors import SavgError
from savg.evaluation.cache import Cache, content_hash, derived_key
from savg.evaluation.files import result_names

PIECES = 96
"""Pieces of each set that are taken."""

BATCH = 8
"""Pieces that go through the networks together."""

Array = NDArray[np.float32]

Features = dict[str, dict[str, Array]]
"""Clip's name → backbone → features of its pieces, [k, 400] or [1, k, 1024]; k may be 0."""

_NETWORK_LEVELS = np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1)
_EVALUATED = ((_NETWORK_LEVELS + np.float32(1)) * np.float32(127.5)).clip(0, 255).astype(np.uint8)
"""Level of a frame → level that the evaluator hands to I3D."""


class UnreadableFileError(SavgError):
    """A file of which a piece is taken cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(frozen=True)
class Networks:
    """The evaluator's networks: frames uint8 [B, F, H, W, 3] → [B, 400], and audio [B, 2, T] at
    44.1 kHz → [B, 1024] with the batch's statistics; None where one is not wanted.

    versions: of weights and code by backbone; features of one without are not cached.
    """

    i3d: Callable[[NDArray[np.uint8]], Array] | None = None
    audioclip: Callable[[Array], Array] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


def picked_batches(
    pieces: Sequence[Piece], generator: random.Random, total: int = PIECES, batch: int = BATCH
) -> list[list[Piece]]:
    """The pieces that are taken, in batches: the shuffled list, again from its beginning where it has
    fewer than `total`; its last batch may be smaller, and the last one taken is cut at `total`."""
    order = evaluator_order(len(pieces), generator)
    batches: list[list[Piece]] = []
    while (taken := sum(map(len, batches))) < total:
        first = taken % len(order)
        numbers = order[first : first + batch]
        batches.append([pieces[number] for number in numbers])
    return batches


@dataclass(frozen=True)
class PiecePlan:
    """Which pieces of a set's files are taken, in batches.

    unreadable: sentences of files that cannot be read; they have no pieces.
    """

    files: list[Path]
    batches: list[list[Piece]]
    unreadable: dict[Path, str]
    cache: Cache | None = None

    @classmethod
    def of(
        cls,
        files: Sequence[Path],
        generator: random.Random,
        unreadable: Mapping[Path, str],
        cache: Cache | None = None,
    ) -> PiecePlan:
        """The plan of a set's files; SavgError where they have no piece."""
        failed = dict(unreadable)
        facts = []
        for path in files:
            try:
                facts.append((0, 1.0) if path in failed else stored_frames(path))
            except SavgError as error:
                failed[path] = str(error)
                facts.append((0, 1.0))
        pieces = evaluator_pieces([count for count, _ in facts], [fps for _, fps in facts])
        if not pieces:
            such = f", such as {files[0]}" if files else ""
            why = f" ({next(iter(failed.values()))})" if failed else ""
            raise SavgError(
                f"Official mode needs a clip of at least 2 s in each set, got {len(files)} clips "
                f"without one{such}{why}."
            )
        batches = picked_batches(pieces, generator, PIECES, BATCH)
        return cls(list(files), batches, failed, cache)

    @property
    def failures(self) -> dict[str, str]:
        """Names of clips that cannot be read, each with its sentence."""
        names = zip(self.files, result_names(self.files), strict=True)
        return {name: self.unreadable[path] for path, name in names if path in self.unreadable}

    @property
    def picked(self) -> list[Piece]:
        """All pieces in the order in which they are taken."""
        return [piece for batch in self.batches for piece in batch]

    @property
    def used(self) -> list[int]:
        """Numbers of the files that have a picked piece."""
        return sorted({piece.file for piece in self.picked})

    def features(self, networks: Networks, step: Callable[[], None]) -> Features:
        """Features of the taken pieces; UnreadableFileError names a file that cannot be read."""
        if networks.audioclip and any(len(batch) == 1 for batch in self.batches):
            raise SavgError(
                f"Official FAD needs batches of two pieces or more, got one of {self.files[0].parent} "
                "by itself: the published network takes none alone. Add or take away a clip."
            )
        heard = self._cached_batches(networks)
        unheard = {
            piece
            for number, batch in enumerate(self.batches)
            if networks.audioclip and number not in heard
            for piece in batch
        }
        of_file: dict[int, list[Piece]] = defaultdict(list)
        for piece in dict.fromkeys(self.picked):
            of_file[piece.file].append(piece)
        video: dict[Piece, Array] = {}
        audio: dict[Piece, Array] = {}
        for number in self.used:
            self._read(number, of_file[number], networks, unheard, video, audio)
            step()
        rows: dict[str, dict[int, list[Array]]] = {}
        if networks.i3d:
            rows["i3d"] = _by_file((piece, video[piece]) for piece in self.picked[:PIECES])
        if networks.audioclip:
            rows["audioclip"] = _by_file(self._heard(networks, heard, audio))
        return self._named(rows)

    def _read(
        self,
        number: int,
        pieces: list[Piece],
        networks: Networks,
        unheard: set[Piece],
        video: dict[Piece, Array],
        audio: dict[Piece, Array],
    ) -> None:
        """Add the video features of a file's pieces, and the audio of those that were not heard."""
        seen = self._cached_video(number, pieces, networks)
        unseen = [piece for piece in pieces if networks.i3d and piece not in seen]
        needed = [piece for piece in pieces if piece in unheard or piece in unseen]
        path = self.files[number]
        if needed:
            try:
                items = dict(zip(needed, evaluator_items(path, needed), strict=True))
            except SavgError as error:
                raise UnreadableFileError(path, str(error)) from error
            for first in range(0, len(unseen), BATCH):
                part = unseen[first : first + BATCH]
                assert networks.i3d is not None
                rows = networks.i3d(_EVALUATED[np.stack([items[piece][0] for piece in part])])
                seen |= dict(zip(part, rows, strict=True))
            audio |= {piece: items[piece][1] for piece in needed if piece in unheard}
            if unseen:
                self._keep_video(number, seen, networks)
        video |= seen

    def _heard(
        self, networks: Networks, cached: Mapping[int, Array], audio: Mapping[Piece, Array]
    ) -> Iterator[tuple[Piece, Array]]:
        """The audio features of the taken pieces; a batch is heard whole, also where it is cut."""
        assert networks.audioclip is not None
        left = PIECES
        for number, batch in enumerate(self.batches):
            heard = cached.get(number)
            if heard is None:
                heard = networks.audioclip(np.stack([audio[piece] for piece in batch]))
                place = self._batch_place(batch, networks)
                if self.cache and place:
                    self.cache.write(*place, {"values": np.asarray(heard)})
            yield from list(zip(batch, heard, strict=True))[:left]
            left -= len(batch)

    @cached_property
    def _hashes(self) -> dict[int, str]:
        """Hashes of the contents of the used files."""
        hashes = {}
        for number in self.used:
            try:
                hashes[number] = content_hash(self.files[number])
            except SavgError as error:
                raise UnreadableFileError(self.files[number], str(error)) from error
        return hashes

    def _video_place(self, number: int, networks: Networks) -> tuple[str, str] | None:
        """Key and part of a file's video features in the cache."""
        version = networks.versions.get("i3d")
        if self.cache is None or version is None:
            return None
        return derived_key(self._hashes[number], reader="published evaluator"), f"i3d-{version}"

    def _batch_place(self, batch: Sequence[Piece], networks: Networks) -> tuple[str, str] | None:
        """Key and part of a batch's audio features in the cache."""
        version = networks.versions.get("audioclip")
        if self.cache is None or version is None:
            return None
        pieces = [[self._hashes[p.file], list(p.frames), p.start, p.end] for p in batch]
        key = derived_key("pieces", reader="published evaluator", pieces=pieces)
        return key, f"audioclip-{version}"

    def _cached_video(
        self, number: int, pieces: Sequence[Piece], networks: Networks
    ) -> dict[Piece, Array]:
        place = self._video_place(number, networks) if networks.i3d else None
        arrays = self.cache.read(*place) if self.cache and place else None
        try:
            frames, values = (arrays or {})["frames"], (arrays or {})["values"]
            known = {tuple(row.tolist()): value for row, value in zip(frames, values, strict=True)}
        except (LookupError, ValueError, TypeError):
            return {}
        return {piece: known[piece.frames] for piece in pieces if piece.frames in known}

    def _keep_video(self, number: int, seen: Mapping[Piece, Array], networks: Networks) -> None:
        place = self._video_place(number, networks)
        if self.cache and place:
            frames = np.array([piece.frames for piece in seen], np.int64)
            values = np.stack(list(seen.values())).astype(np.float32)
            self.cache.write(*place, {"frames": frames, "values": values})

    def _cached_batches(self, networks: Networks) -> dict[int, Array]:
        """Audio features of batches that the cache has, by the numbers of the batches."""
        found: dict[int, Array] = {}
        for number, batch in enumerate(self.batches if networks.audioclip else []):
            place = self._batch_place(batch, networks)
            arrays = self.cache.read(*place) if self.cache and place else None
            values = None if arrays is None else arrays.get("values")
            if values is not None and values.ndim == 2 and len(values) == len(batch):
                found[number] = values
        return found

    def _named(self, rows: dict[str, dict[int, list[Array]]]) -> Features:
        widths = {name: len(next(iter(values.values()))[0]) for name, values in rows.items()}
        features: Features = {}
        for number, name in enumerate(result_names(self.files)):
            if self.files[number] in self.unreadable:
                continue
            features[name] = {}
            for backbone, values in rows.items():
                own: Any = values.get(number) or np.zeros((0, widths[backbone]), np.float32)
                stacked = np.asarray(own, np.float32)
                features[name][backbone] = stacked[None] if backbone == "audioclip" else stacked
        return features


def _by_file(values: Iterable[tuple[Piece, Array]]) -> dict[int, list[Array]]:
    rows: dict[int, list[Array]] = defaultdict(list)
    for piece, value in values:
        rows[piece.file].append(value)
    return rows
