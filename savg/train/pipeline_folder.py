"""A training as a whole pipeline: its network in place of the one of that kind in another pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from savg.errors import CheckpointError, SavgError
from savg.hub import CONFIG_FILE, PIPELINE_FILE, component_card, read_config, resolve, write_json
from savg.paths import atomic_folder
from savg.pipelines.description import STAGES, Description, descriptions
from savg.pipelines.publish import copy_weights
from savg.pipelines.registry import AUDIO, CLIPS
from savg.train.bundle import RUN_FILE, export

MANY_STEPS = {
    "name": "dpmpp_multistep",
    "steps": 24,
    "order": 2,
    "spacing": "logSNR",
    "snap": True,
}
"""Sampler of a network that was not distilled where that of the base was, as its teacher has it."""


def export_pipeline(run: Path, out: Path, dtype: str = "float16", base: str = "demo") -> str:
    """Write the pipelines of `base` that have a network of the run's kind, with the run's; a summary.

    The folder is loaded before it appears, so that its parts fit each other. Where the run's card
    describes its codec, that replaces the one of `base`; a distilled network's sampler does too, and
    there is no guidance then. In place of a distilled network another one is sampled in many steps
    again, with the guidance of its own training.

    Args:
        run: folder of a run with a checkpoint.
        out: folder to write, whole or not at all.
        dtype: as of `export`.
        base: "demo", a folder, or a Hugging Face repo id.

    Raises:
        CheckpointError: as of `export`; `base` has no network of the kind; the parts do not fit.

    Example:
        export_pipeline(Path("runs/joint"), Path("mine"))
    """
    told = read_config(run / RUN_FILE)
    kind, settings = told.get("kind"), told.get("settings")
    guidance = settings.get("guidance") if isinstance(settings, Mapping) else None
    source = resolve(base)
    chosen = [
        (one, names)
        for one in descriptions(source)
        if one.name and one.is_complete and (names := _of_kind(one, kind))
    ]
    if not chosen:
        raise CheckpointError(f"{base} has no pipeline with a network of the kind {kind}.")
    with atomic_folder(out) as part:
        kept = part / "base"
        copy_weights(source, kept)
        summary = export(run, part / "new", dtype)
        facts = component_card(part / "new").facts
        for number, (one, names) in enumerate(chosen):
            file = PIPELINE_FILE if not number else one.file
            fitted = _fitted(one.values, names, facts)
            write_json(part / file, _undistilled(fitted, one, names, facts, guidance))
            for folder in {path.name for path in one.components.values()}:
                origin = part / "new" if folder in names else kept / folder
                if not (part / folder).exists():
                    shutil.copytree(origin, part / folder)
        shutil.rmtree(kept)
        shutil.rmtree(part / "new")
        names_of = [_loaded(part, one) for one, _ in chosen]
    return f"{out}: {' and '.join(names_of)} with {summary.partition(': ')[2]}"


def has_pipeline(run: Path, base: str = "demo") -> bool:
    """Whether `base` has a pipeline with a network of the run's kind."""
    kind = read_config(run / RUN_FILE).get("kind")
    return any(one.is_complete and _of_kind(one, kind) for one in descriptions(resolve(base)))


def _of_kind(description: Description, kind: object) -> set[str]:
    """Names of the folders of a pipeline's components of a kind."""
    return {
        folder.name
        for folder in description.components.values()
        if read_config(folder / CONFIG_FILE).get("kind") == kind
    }


def _fitted(values: Mapping[str, Any], names: set[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A description whose network, in one of the folders `names`, is the one that `facts` tells of.

    The description, or the stage of it that samples the network, loses a codec of its own where the
    network's card has one. Of a network that was distilled it takes the sampler, and loses guidance.
    """
    own = dict(values)
    for stage, part in values.items():
        if stage in STAGES and isinstance(part, Mapping):
            own[stage] = _fitted(part, names, facts)
    if not any(isinstance(folder, str) and folder in names for folder in values.values()):
        return own
    if facts.get("codec") is not None:
        own.pop("codec", None)
    if facts.get("sampler") is not None:
        own["sampler"] = facts["sampler"]
        own.pop("guidance", None)
    return own


def _undistilled(
    values: dict[str, Any],
    base: Description,
    names: set[str],
    facts: Mapping[str, Any],
    guidance: object,
) -> dict[str, Any]:
    """A description whose base samples a distilled network in few steps, for one that is not.

    guidance: of the run's settings, if any.
    """
    if facts.get("sampler") is not None or base.learnt_steps is None:
        return values
    for stage, part in values.items():
        if stage in STAGES and isinstance(part, dict):
            values[stage] = _undistilled(part, base, names, facts, guidance)
    if any(isinstance(folder, str) and folder in names for folder in values.values()):
        limit = (values.get("sampler") or {}).get("limit")
        values["sampler"] = MANY_STEPS | ({"limit": limit} if limit is not None else {})
        values.pop("guidance", None)
        if isinstance(guidance, Mapping):
            values["guidance"] = dict(guidance)
    return values


def _loaded(folder: Path, description: Description) -> str:
    """The name of a pipeline that was loaded from a folder; CheckpointError if its parts do not fit."""
    name = description.name
    registry: Any = CLIPS if name in CLIPS else AUDIO
    try:
        registry[name].from_pretrained(folder, "cpu", "float32")
    except SavgError as error:
        problem = str(error).replace(f"{folder}/", "")
        raise CheckpointError(f"The parts do not fit each other: {problem}") from error
    return name
