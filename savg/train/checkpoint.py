"""Checkpoints of a run: folders of safetensors shards and one JSON file, written atomically.

`RUN/checkpoints/00001000/` holds `state.json` (step, seconds, configuration, shards),
`shard-000.safetensors` … of at most 15 MiB each, unless one tensor is larger, and `SHA256SUMS` of them
all. The processes of a run that share its disk write the shards together. The tensors are those of the
network (`model.`), of its average (`average.`) and of the optimiser (`optimizer.`).
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
from savg.paths import atomic_folder, file_sha256, flush
from savg.tensor_files import load_tensors, save_tensors
from savg.train.placement import Together

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


def save(
    run: Path, checkpoint: Checkpoint, keep: int = 2, together: Together | None = None
) -> Path:
    """Write a checkpoint atomically, then remove all but the newest `keep`; returns its folder.

    together: all processes of a run, each of which calls this with the same tensors: those that see
    the folder of the first one share the shards. SavgError in each where one cannot write.
    """
    together = together or Together()
    target = run / "checkpoints" / f"{checkpoint.step:08d}"
    if together.index:
        _join(target, checkpoint, together)
        return target
    told = False
    try:
        with atomic_folder(target) as folder:
            told = bool(together.tell(folder.name))
            sums = _write_own(folder, checkpoint, together)
            state = {
                "step": checkpoint.step,
                "seconds": round(checkpoint.seconds, 3),
                "shards": list(sums),
                "recipe": dict(checkpoint.recipe),
                "parts": checkpoint.parts,
            }
            (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
            write_sums(folder, [STATE_FILE], sums)
    except SavgError:
        if not told:
            together.tell("")  # the others wait for the name
        raise
    for old in folders(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def _join(target: Path, checkpoint: Checkpoint, together: Together) -> None:
    """Take part in the writing of the first process."""
    name: str = together.tell(None)
    problem = "the first process could not make its folder"
    try:
        if name:
            _write_own(target.with_name(name), checkpoint, together)
            return
    except OSError as error:
        problem = error.strerror or str(error)
    raise SavgError(f"{target} could not be written: {problem}.")


def _write_own(folder: Path, checkpoint: Checkpoint, together: Together) -> dict[str, str]:
    """Write this process's shards; the names and checksums of all, in their order.

    OSError in every process where one could not write.
    """
    shards = {f"shard-{number:03d}.safetensors": s for number, s in enumerate(_shards(checkpoint))}
    seeing = together.gather(folder.is_dir())
    writers = [index for index, sees in enumerate(seeing) if sees or index == 0]
    own: dict[str, str] = {}
    problem = ""
    if together.index in writers:
        names = list(shards)[writers.index(together.index) :: len(writers)]
        try:
            for name in names:
                tensors = {k: v.detach().cpu().contiguous() for k, v in shards[name].items()}
                save_tensors(tensors, folder / name)
                flush(folder / name)
                own[name] = file_sha256(folder / name)
        except OSError as error:
            problem = error.strerror or str(error)
    written = together.gather((own, problem))
    problems = [reason for _, reason in written if reason]
    if problems:
        raise OSError(0, problems[0])
    sums = {name: value for part, _ in written for name, value in part.items()}
    return {name: sums[name] for name in shards}


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


def _shards(checkpoint: Checkpoint) -> list[Tensors]:
    """All tensors by their names, in groups of at most `SHARD_BYTES` unless one alone is larger."""
    shards: list[Tensors] = [{}]
    size = 0
    for part in ("model", "average", "optimizer"):
        for key, value in getattr(checkpoint, part).items():
            if shards[-1] and size + value.nbytes > SHARD_BYTES:
                shards.append({})
                size = 0
            shards[-1][f"{part}.{key}"] = value
            size += value.nbytes
    return shards
