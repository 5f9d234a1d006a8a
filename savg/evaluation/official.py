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
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.data.published_loader import EVALUATOR_SEED
from savg.errors import SavgError
from savg.evaluation.cache import Cache, digest
from savg.evaluation.code_version import version_of
from savg.evaluation.official_pieces import (
    BATCH,
    PIECES,
    Features,
    Networks,
    PiecePlan,
    UnreadableFileError,
)
from savg.metrics.base import Metric

OFFICIAL_BACKBONES = ("i3d", "audioclip")
"""Backbones that the published evaluator uses."""


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
    versions: dict[str, str] = {}
    if "i3d" in wanted:
        from savg.features.i3d import official_logits

        i3d, sha256 = load_network("i3d", source, device)
        versions["i3d"] = _version(sha256, official_logits)

        def video(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode():
                seen: torch.Tensor = official_logits(i3d, torch.from_numpy(frames).to(where))
                return seen.float().cpu().numpy()

    if "audioclip" in wanted:
        from savg.features.audioclip import official_embeddings

        audioclip, sha256 = load_network("audioclip", source, device)
        versions["audioclip"] = _version(sha256, official_embeddings)

        def audio(samples: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                heard: torch.Tensor = official_embeddings(
                    audioclip, torch.from_numpy(samples).to(where)
                )
                return heard.float().cpu().numpy()

    return Networks(video, audio, versions)


def _version(sha256: str, function: Callable[..., Any]) -> str:
    """Of features: weights, and the code of the network and of the reader."""
    return digest([sha256, version_of(function), version_of(PiecePlan.of)])[:16]


@dataclass(frozen=True)
class OfficialSet:
    """What the published evaluator has of a set: features of its clips by their names, and the names of
    clips that cannot be read, each with its sentence."""

    features: Features
    failures: dict[str, str]


def official_features(
    generated: Sequence[str | os.PathLike[str]],
    reference: Sequence[str | os.PathLike[str]],
    wanted: Collection[str] = OFFICIAL_BACKBONES,
    networks: str | Networks | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: Cache | None = None,
) -> tuple[OfficialSet, OfficialSet]:
    """Features of the pieces of both sets, by the result names of their files.

    A file that cannot be read is told, and the pieces are those of the other files (the published
    evaluator takes the next piece, silently).

    Args:
        generated: files of the generated clips, in the order of their sorted names.
        reference: files of the reference clips, likewise.
        wanted: of `OFFICIAL_BACKBONES`.
        networks: folder of their weights (None: the usual one), or the networks.
        device: of torch.
        progress: called with files done and files to do.
        cache: of features, by the content of the files.

    Raises:
        SavgError: a set has no piece of 2 s, or weights are missing.

    Example:
        >>> ours, theirs = official_features(videos_in(generated), videos_in(reference))
    """
    unknown = set(wanted) - set(OFFICIAL_BACKBONES)
    if unknown:
        names = ", ".join(OFFICIAL_BACKBONES)
        raise SavgError(f"An official backbone must be one of {names}, got {min(unknown)!r}.")
    if not isinstance(networks, Networks):
        networks = load_networks(wanted, networks, device)
    sets = [[Path(file) for file in files] for files in (generated, reference)]
    unreadable: dict[Path, str] = {}
    while True:
        generator = random.Random(EVALUATOR_SEED)
        plans = [PiecePlan.of(files, generator, unreadable, cache) for files in sets]
        try:
            ours, theirs = _features(plans, networks, progress)
        except UnreadableFileError as error:
            unreadable[error.path] = str(error)
        else:
            return ours, theirs


def _features(
    plans: Sequence[PiecePlan], networks: Networks, progress: Callable[[int, int], None] | None
) -> list[OfficialSet]:
    total, done = sum(len(plan.used) for plan in plans), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    return [OfficialSet(plan.features(networks, step), plan.failures) for plan in plans]


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
