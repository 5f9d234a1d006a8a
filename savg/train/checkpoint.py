"""Checkpoints of a run: folders of safetensors shards and one JSON file, written atomically.

`RUN/checkpoints/00001000/` holds `state.json` (step, seconds, configuration, shards),
`shard-000.safetensors` … of at most 15 MiB each, unless one tensor is larger, and `SHA256SUMS` of them
all. The tensors are those of the network (`model.`), of its average (`average.`) and of the optimiser
(`optimizer.`).
Everything random is a pure function of seed and step, so no generator state is stored.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from savg.checksums import check_sums, write_sums
from savg.errors import CheckpointError, SavgError, first_line, whole_number
from savg.json_files import read_object
from savg.paths import atomic_folder
from savg.tensor_files import load_tensors, save_tensors

SHARD_BYTES = 15 * 2**20
STATE_FILE = "state.json"

_FOLDER = re.compile(r"[0-9]{8,12}", re.ASCII)
_SHARD = re.compile(r"shard-[0-9]{3,6}\.safetensors", re.ASCII)
_LAST_STEP = 10**12 - 1

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A run after `step` steps and `seconds` of training; `recipe` describes its configuration."""

    step: int
    seconds: float
    recipe: Mapping[str, Any]
    model: Tensors
    average: Tensors
    optimizer: Tensors
    parts: int = 0
    """Into how many parts, over all processes, each batch was divided; 0 if that is not known."""


def folders(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    candidates = (run / "checkpoints").glob("[0-9]*")
    return sorted(
        path
        for path in candidates
        if _FOLDER.fullmatch(path.name) and (path / STATE_FILE).is_file()
    )


def save(run: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write a checkpoint atomically, then remove all but the newest `keep`; returns its folder."""
    parts = ("model", "average", "optimizer")
    tensors = {
        f"{part}.{key}": value.detach().cpu().contiguous()
        for part in parts
        for key, value in getattr(checkpoint, part).items()
    }
    target = run / "checkpoints" / f"{checkpoint.step:08d}"
    with atomic_folder(target) as folder:
        names = []
        for number, shard in enumerate(_shards(tensors)):
            names.append(f"shard-{number:03d}.safetensors")
            save_tensors(shard, folder / names[-1])
        state = {
            "step": checkpoint.step,
            "seconds": round(checkpoint.seconds, 3),
            "shards": names,
            "recipe": dict(checkpoint.recipe),
            "parts": checkpoint.parts,
        }
        (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        write_sums(folder, [STATE_FILE, *names])
    for old in folders(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint; CheckpointError when it is incomplete or damaged.

    Its checksums say so, where it has them; those of earlier versions have none.
    """
    try:
        check_sums(folder, [STATE_FILE])
        state = read_object(folder / STATE_FILE, error=CheckpointError)
        step = whole_number("step", state["step"], 0, _LAST_STEP)
        seconds, shards, recipe = float(state["seconds"]), list(state["shards"]), state["recipe"]
        if not isinstance(recipe, dict) or not all(_is_shard(name) for name in shards):
            raise ValueError("state.json must hold a recipe and names of shards")
        check_sums(folder, shards)
        parts: dict[str, Tensors] = {"model": {}, "average": {}, "optimizer": {}}
        for name in shards:
            for key, value in load_tensors(folder / name).items():
                part, own = key.split(".", 1)
                parts[part][own] = value
        divided = whole_number("parts", state.get("parts", 0), 0, _LAST_STEP)
        return Checkpoint(step, seconds, recipe, **parts, parts=divided)
    except (OSError, ValueError, KeyError, TypeError, SavgError) as error:
        raise CheckpointError(
            f"{folder} is not a complete training checkpoint: {_reason(error)}; remove it to resume "
            "from an older one."
        ) from error


def newest(
    run: Path, report: Callable[[str], object], set_aside: bool = False
) -> Checkpoint | None:
    """The newest checkpoint of a run that is not damaged; None for a run without any.

    report: called with a sentence about each one that is damaged. set_aside: rename those, so that they
    no longer count as checkpoints of the run. CheckpointError where all are damaged.
    """
    damaged: list[Path] = []
    first: CheckpointError | None = None
    for folder in reversed(folders(run)):
        try:
            checkpoint = load(folder)
        except CheckpointError as error:
            first = first or error
            damaged.append(folder)
            continue
        for other in damaged:
            report(f"{other} is damaged: the run goes on from step {checkpoint.step}.")
            if set_aside:
                _set_aside(other)
        return checkpoint
    if first is not None:
        raise first
    return None


def _set_aside(folder: Path) -> None:
    """Rename a damaged checkpoint, so that it can still be looked at."""
    place = folder.with_name(f"damaged-{folder.name}")
    shutil.rmtree(place, ignore_errors=True)
    os.replace(folder, place)


def _is_shard(name: object) -> bool:
    return isinstance(name, str) and _SHARD.fullmatch(name) is not None


def _reason(error: Exception) -> str:
    text = f"{error} is missing" if isinstance(error, KeyError) else first_line(error)
    return text.removesuffix(".")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimiser's state as flat tensors; learning rates are functions of the step."""
    return {
        f"{index}.{key}": value if isinstance(value, torch.Tensor) else torch.tensor(value)
        for index, entry in optimizer.state_dict()["state"].items()
        for key, value in entry.items()
        if value is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restore the state that `optimizer_tensors` returned."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _shards(tensors: Tensors) -> list[Tensors]:
    shards: list[Tensors] = [{}]
    size = 0
    for key, value in tensors.items():
        if shards[-1] and size + value.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][key] = value
        size += value.nbytes
    return shards
