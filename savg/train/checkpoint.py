"""Checkpoints of a run: folders of safetensors shards and one JSON file, written atomically.

`RUN/checkpoints/00001000/` holds `state.json` (step, seconds, configuration, shards) and
`shard-000.safetensors` … of at most 15 MiB each, unless one tensor is larger. The tensors are those
of the network (`model.`), of its average (`average.`) and of the optimiser (`optimizer.`).
Everything random is a pure function of seed and step, so no generator state is stored.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from savg.errors import CheckpointError
from savg.paths import atomic_folder

SHARD_BYTES = 15 * 2**20
STATE_FILE = "state.json"
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


def folders(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    candidates = (run / "checkpoints").glob("[0-9]*")
    return sorted(path for path in candidates if (path / STATE_FILE).is_file())


def save(run: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write a checkpoint atomically, then remove all but the newest `keep`; returns its folder."""
    from safetensors.torch import save_file

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
            save_file(shard, folder / names[-1])
        state = {
            "step": checkpoint.step,
            "seconds": round(checkpoint.seconds, 3),
            "shards": names,
            "recipe": dict(checkpoint.recipe),
        }
        (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    for old in folders(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint; CheckpointError when it is incomplete or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        parts: dict[str, Tensors] = {"model": {}, "average": {}, "optimizer": {}}
        for name in state["shards"]:
            for key, value in load_file(folder / Path(name).name).items():
                part, own = key.split(".", 1)
                parts[part][own] = value
        return Checkpoint(state["step"], state["seconds"], state["recipe"], **parts)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} is not a complete training checkpoint: {error}; remove it to resume from an "
            "older one."
        ) from error


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
