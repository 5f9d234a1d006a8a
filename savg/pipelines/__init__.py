"""Networks put together into something a user calls.

A pipeline of weights is a folder with `pipeline.json`, whose "pipeline" names one of PIPELINES. It is
called as `pipeline(num_clips, seed=…, steps=…, on_step=…) -> list[Clip]`.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from savg.errors import CheckpointError, SavgError

PIPELINES = {
    "joint": "savg.pipelines.joint:JointPipeline",
    "two_stage": "savg.pipelines.two_stage:TwoStagePipeline",
}
"""Name → its class, which has `from_pretrained(source, device=None, dtype=None)`."""


def pipeline_class(name: str) -> Any:
    """The class of a registered pipeline; SavgError lists those there are."""
    if name not in PIPELINES:
        raise SavgError(f"Unknown pipeline {name!r}: expected one of {', '.join(PIPELINES)}.")
    module, attribute = PIPELINES[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def described(
    source: str | os.PathLike[str], name: str, part: str | None = None
) -> tuple[Path, dict[str, Any]]:
    """The folder of "demo", a folder or a Hub repo id, and its description of a pipeline `name`.

    A folder may describe further pipelines of its components in two_stage.json and the like. part: the
    key under which the description of a two-stage pipeline holds such a pipeline's own.
    CheckpointError for a folder with other pipelines.
    """
    from savg.hub import PIPELINE_FILE, read_json, resolve

    folder = resolve(source)
    others = (folder / f"{other}.json" for other in dict.fromkeys((name, "two_stage")))
    files = [folder / PIPELINE_FILE, *(file for file in others if file.is_file())]
    held = []
    for file in files:
        description = read_json(file)
        held.append(description.get("pipeline"))
        if held[-1] == name:
            return folder, description
        if part is not None and held[-1] == "two_stage":
            own = description.get(part)
            if isinstance(own, dict):
                return folder, own
    raise CheckpointError(
        f"{folder / PIPELINE_FILE}: expected a {name!r} pipeline, found "
        f"{' and '.join(map(repr, held))}."
    )


def load_pipeline(
    source: str | os.PathLike[str], name: str | None = None, device: str | None = None
) -> Any:
    """The pipeline in `source` ("demo", a folder or a Hub repo id); `name`: what it must be."""
    from savg.hub import PIPELINE_FILE, read_json, resolve

    folder = resolve(source)
    found = str(read_json(folder / PIPELINE_FILE).get("pipeline"))
    if name is not None and found != name:
        raise SavgError(f"{folder} holds a {found!r} pipeline, not a {name!r} one.")
    return pipeline_class(found).from_pretrained(folder, device=device)
