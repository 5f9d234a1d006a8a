"""Features as the published evaluator computes them, for FVD, KVD and FAD in official mode [code].

It does not see whole clips: all pieces of all files (`savg.data.published_loader`) are shuffled with
seed 42, those of the generated set first and those of the reference set by the same generator, and the
first 96 of each are taken, in batches of 8. Where a set has fewer pieces its list is gone through
again. AudioCLIP stays in training mode, so that its features depend on the batch; I3D does not.
Frames pass through −1…1 in float32 and back by cutting off, which lowers some levels by one.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.data.published_loader import (
    EVALUATOR_SEED,
    Piece,
    evaluator_items,
    evaluator_order,
    evaluator_pieces,
    stored_frames,
)
from savg.errors import SavgError
from savg.evaluation.files import result_names
from savg.metrics.base import Metric

PIECES = 96
"""Pieces of each set that are taken."""

BATCH = 8
"""Pieces that go through the networks together."""

OFFICIAL_BACKBONES = ("i3d", "audioclip")
"""Backbones that the published evaluator uses."""

Features = dict[str, dict[str, NDArray[np.float32]]]
"""Clip's name → backbone → features of its pieces, [k, 400] or [1, k, 1024]; k may be 0."""

_NETWORK_LEVELS = np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1)
_EVALUATED = ((_NETWORK_LEVELS + np.float32(1)) * np.float32(127.5)).clip(0, 255).astype(np.uint8)
"""Level of a frame → level that the evaluator hands to I3D."""


def official_problems(metrics: Iterable[type[Metric]]) -> dict[str, str]:
    """Why metrics have no official number, a sentence by their names: they join features of the
    evaluator's pieces with those of whole clips."""
    return {
        metric.name: f"The metric {metric.name} has no official form: the published evaluator does not "
        f"have {' and '.join(others)}."
        for metric in metrics
        if (others := [b for b in metric.backbones if b not in OFFICIAL_BACKBONES])
        and len(others) < len(metric.backbones)
    }


@dataclass(frozen=True)
class Networks:
    """The evaluator's networks: frames uint8 [B, F, H, W, 3] → [B, 400], and audio [B, 2, T] at
    44.1 kHz → [B, 1024] with the batch's statistics; None where one is not wanted."""

    i3d: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None
    audioclip: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None


def load_networks(
    wanted: Collection[str] = OFFICIAL_BACKBONES,
    source: str | None = None,
    device: str | None = None,
) -> Networks:
    """The networks in float32.

    Args:
        wanted: of `OFFICIAL_BACKBONES`.
        source: folder of their components (None: where `savg weights import` has put them).
        device: of torch (None: the CPU).

    Raises:
        BackboneError: weights are missing.
        CheckpointError: weights do not fit.
    """
    import torch

    from savg.features.networks import load_network

    where = torch.device(device or "cpu")
    video = audio = None
    if "i3d" in wanted:
        from savg.features.i3d import official_logits

        i3d, _ = load_network("i3d", source, device)

        def video(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode():
                seen: torch.Tensor = official_logits(i3d, torch.from_numpy(frames).to(where))
                return seen.float().cpu().numpy()

    if "audioclip" in wanted:
        from savg.features.audioclip import official_embeddings

        audioclip, _ = load_network("audioclip", source, device)

        def audio(samples: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                heard: torch.Tensor = official_embeddings(
                    audioclip, torch.from_numpy(samples).to(where)
                )
                return heard.float().cpu().numpy()

    return Networks(video, audio)


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


def official_features(
    generated: Sequence[str | os.PathLike[str]],
    reference: Sequence[str | os.PathLike[str]],
    wanted: Collection[str] = OFFICIAL_BACKBONES,
    networks: str | Networks | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Features, Features]:
    """Features of the pieces of both sets, by the result names of their files.

    Args:
        generated: files of the generated clips, in the order of their sorted names.
        reference: files of the reference clips, likewise.
        wanted: of `OFFICIAL_BACKBONES`.
        networks: folder of their weights (None: the usual one), or the networks.
        device: of torch.
        progress: called with files done and files to do.

    Raises:
        SavgError: a set has no piece of 2 s, or weights are missing.
        MediaError: a file cannot be read (the published evaluator takes the next piece, silently).

    Example:
        >>> ours, theirs = official_features(videos_in(generated), videos_in(reference))
    """
    unknown = set(wanted) - set(OFFICIAL_BACKBONES)
    if unknown:
        names = ", ".join(OFFICIAL_BACKBONES)
        raise SavgError(f"An official backbone must be one of {names}, got {min(unknown)!r}.")
    if not isinstance(networks, Networks):
        networks = load_networks(wanted, networks, device)
    generator = random.Random(EVALUATOR_SEED)
    plans = [_Plan.of(files, generator) for files in (generated, reference)]
    total, done = sum(len(plan.used) for plan in plans), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    ours, theirs = (plan.features(networks, step) for plan in plans)
    return ours, theirs


@dataclass(frozen=True)
class _Plan:
    """Which pieces of a set's files are taken, in batches."""

    files: list[Path]
    batches: list[list[Piece]]

    @classmethod
    def of(cls, files: Sequence[str | os.PathLike[str]], generator: random.Random) -> _Plan:
        paths = [Path(file) for file in files]
        facts = [stored_frames(path) for path in paths]
        pieces = evaluator_pieces([count for count, _ in facts], [fps for _, fps in facts])
        if not pieces:
            raise SavgError(
                f"Official mode needs a clip of at least 2 s in each set, got {len(paths)} clips "
                f"without one{f', such as {paths[0]}' if paths else ''}."
            )
        return cls(paths, picked_batches(pieces, generator))

    @property
    def picked(self) -> list[Piece]:
        return [piece for batch in self.batches for piece in batch]

    @property
    def used(self) -> list[int]:
        """Numbers of the files that have a picked piece."""
        return sorted({piece.file for piece in self.picked})

    def features(self, networks: Networks, step: Callable[[], None]) -> Features:
        video: dict[Piece, NDArray[np.float32]] = {}
        audio: dict[Piece, NDArray[np.float32]] = {}
        of_file: dict[int, list[Piece]] = defaultdict(list)
        for piece in dict.fromkeys(self.picked):
            of_file[piece.file].append(piece)
        for number in self.used:
            pieces = of_file[number]
            items = evaluator_items(self.files[number], pieces)
            if networks.i3d:
                for first in range(0, len(pieces), BATCH):
                    part = slice(first, first + BATCH)
                    seen = networks.i3d(_EVALUATED[np.stack([video for video, _ in items[part]])])
                    video |= dict(zip(pieces[part], seen, strict=True))
            audio |= {piece: heard for piece, (_, heard) in zip(pieces, items, strict=True)}
            step()
        rows: dict[str, dict[int, list[NDArray[np.float32]]]] = {}
        if networks.i3d:
            rows["i3d"] = _by_file((piece, video[piece]) for piece in self.picked[:PIECES])
        if networks.audioclip:
            rows["audioclip"] = _by_file(self._heard(networks.audioclip, audio))
        return self._named(rows)

    def _heard(
        self, network: Callable[[NDArray[np.float32]], Any], audio: dict[Piece, Any]
    ) -> Iterator[tuple[Piece, NDArray[np.float32]]]:
        """The audio features of the taken pieces; a batch is heard whole, also where it is cut."""
        if any(len(batch) == 1 for batch in self.batches):
            raise SavgError(
                f"Official FAD needs batches of two pieces or more, got one of {self.files[0].parent} "
                "by itself: the published network takes none alone. Add or take away a clip."
            )
        left = PIECES
        for batch in self.batches:
            heard = network(np.stack([audio[piece] for piece in batch]))
            yield from list(zip(batch, heard, strict=True))[:left]
            left -= len(batch)

    def _named(self, rows: dict[str, dict[int, list[NDArray[np.float32]]]]) -> Features:
        widths = {name: len(next(iter(values.values()))[0]) for name, values in rows.items()}
        features: Features = {}
        for number, name in enumerate(result_names(self.files)):
            features[name] = {}
            for backbone, values in rows.items():
                own = values.get(number) or np.zeros((0, widths[backbone]), np.float32)
                stacked = np.asarray(own, np.float32)
                features[name][backbone] = stacked[None] if backbone == "audioclip" else stacked
        return features


def _by_file(
    values: Iterable[tuple[Piece, NDArray[np.float32]]],
) -> dict[int, list[NDArray[np.float32]]]:
    rows: dict[int, list[NDArray[np.float32]]] = defaultdict(list)
    for piece, value in values:
        rows[piece.file].append(value)
    return rows


def official_provenance(name: str, source: str | None = None) -> dict[str, Any]:
    """What stands beside official numbers that rest on a backbone, ready for JSON.

    Args:
        name: of `OFFICIAL_BACKBONES`.
        source: folder of the networks (None: the usual one).

    Raises:
        BackboneError: weights are missing.
        CheckpointError: their folder is not a component of that kind.
    """
    from savg.features.networks import network_sha256

    sha256 = network_sha256(name, source)
    pieces = {"number": PIECES, "batch": BATCH, "seed": EVALUATOR_SEED, "seconds": "about 2"}
    inputs = {
        "i3d": "20 frames of 256×256 read at 10 fps, resized to 224×224",
        "audioclip": "80,000 samples at 44.1 kHz, both channels, statistics of the batch",
    }
    return {
        "backbone": name,
        "sha256": sha256,
        "input": inputs[name],
        "pieces": pieces,
        "precision": "float32",
    }
