"""A finished or running training as a component folder: averaged weights, config, card, log."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.data.credits import Credit, of_worlds
from savg.errors import CheckpointError, SavgError, clause, is_whole
from savg.fields import from_json
from savg.hub import Card, component_config, network_of, read_config, save_component
from savg.input_file import read_text
from savg.paths import atomic_file, existing
from savg.tables import read_csv
from savg.train import checkpoint as checkpoints
from savg.train.recipe import Recipe, plain

if TYPE_CHECKING:
    import torch

RUN_FILE = "run.json"

SILENT, SIGHTLESS = ("video", "superres", "yolox"), ("seld", "mel_vae", "vocoder")
"""Recipes that learn from pictures alone, and from sound alone."""


def describe(
    run: Path,
    name: str,
    config: str,
    data: str,
    recipe: Recipe,
    changes: Sequence[str] = (),
    init: str | None = None,
) -> None:
    """Write what is being trained to RUN/run.json, which `export` reads.

    changes: settings overridden on the command line, in the form of `--set`; init: weights that a new
    run starts from (a resumed run keeps those it started from).
    """
    import torch

    if init is None and (run / RUN_FILE).is_file() and checkpoints.folders(run):
        init = read_config(run / RUN_FILE).get("init")
    facts = {
        "recipe": name,
        "config": config,
        "changes": list(changes),
        "init": init,
        "data": data if data == "synthetic" else Path(data).name,
        "kind": recipe.kind,
        "network": recipe.network,
        "card": dataclasses.asdict(recipe.card(data)),
        "settings": dataclasses.asdict(recipe),
        "torch": torch.__version__,
    }
    with atomic_file(run / RUN_FILE) as part:
        part.write_text(json.dumps(plain(facts), indent=2) + "\n", encoding="utf-8")


def earlier_steps(run: Path) -> int | None:
    """The last step that a run was told before, None where its description does not say."""
    if not (run / RUN_FILE).is_file():
        return None
    settings = read_config(run / RUN_FILE).get("settings")
    optim = settings.get("optim") if isinstance(settings, dict) else None
    steps: Any = optim.get("steps") if isinstance(optim, dict) else None
    return int(steps) if is_whole(steps) and steps > 0 else None


def export(run: Path, out: Path, dtype: str = "float16") -> str:
    """Write the newest averaged weights of `run` as component folder `out`; returns a summary.

    The folder also holds README.md (a model card), log.csv and scores.csv.

    Args:
        run: folder of a run with a checkpoint.
        out: folder to write, atomically.
        dtype: of the weights in the file: "float16", "bfloat16", "float32", or "int8" with a scale for
            each output channel.

    Raises:
        CheckpointError: the run has no checkpoint, or one that does not fit its description.
        SavgError: weights exceed the range of float16.

    Example:
        >>> summary = export(Path("run"), Path("component"), "bfloat16")
    """
    import torch

    facts = read_config(existing(run, "folder of a run") / RUN_FILE)
    saved = checkpoints.newest(run, lambda sentence: print(sentence, file=sys.stderr))
    if saved is None:
        raise CheckpointError(f"{run} has no checkpoint to export.")
    try:
        model, card = _averaged(run, facts, saved)
        card_text = model_card(facts, saved, card, dtype, _last_scores(run))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = clause(error)
        raise CheckpointError(
            f"{run / RUN_FILE} does not fit its checkpoints: {reason}."
        ) from error
    formats = {"float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.int8}
    torch_dtype = formats.get(dtype)
    if torch_dtype is torch.float16:
        _check_range(model, run)
    texts = {"README.md": card_text}
    for name in ("log.csv", "scores.csv"):
        if (run / name).is_file():
            texts[name] = read_text(run / name, error=CheckpointError)
    save_component(model, out, facts["kind"], card, torch_dtype, texts)
    return f"{out}: {facts['kind']} after {saved.step} steps, {dtype}."


def _averaged(
    run: Path, facts: dict[str, Any], saved: checkpoints.Checkpoint
) -> tuple[torch.nn.Module, Card]:
    """The network with the averaged weights of a checkpoint, and its card."""
    prefix = facts.get("network", "")
    average = {
        key.removeprefix(prefix): value
        for key, value in saved.average.items()
        if key.startswith(prefix)
    }
    config = component_config(facts["kind"], saved.recipe["model"], run)
    model = network_of(facts["kind"], config, average, run)
    card = from_json(Card, facts["card"], f"{run / RUN_FILE}: card", CheckpointError)
    training = {"step": saved.step, "samples": saved.step * facts["settings"]["optim"]["batch"]}
    return model, dataclasses.replace(card, facts={**card.facts, **training})


def public(setting: str) -> str:
    """A setting without the folders of this machine: of an absolute path the last part alone."""
    name, equals, value = setting.rpartition("=")
    place = Path(value)
    return f"{name}{equals}{place.name if place.is_absolute() else value}"


def model_card(
    facts: dict[str, Any],
    saved: checkpoints.Checkpoint,
    card: Card,
    dtype: str,
    scores: dict[str, str],
) -> str:
    """The model card of exported weights, in Markdown."""
    optim = facts["settings"]["optim"]
    changes = "".join(f" --set {public(change)}" for change in facts.get("changes", ()))
    if facts.get("init"):
        changes += f" --init {public(facts['init'])}"
    prefix = facts.get("network", "")
    size = sum(v.numel() for key, v in saved.average.items() if key.startswith(prefix))
    lines = [
        "---",
        f"license: {card.licence.lower()}",
        "---",
        f"# {facts['kind']} ({facts['config']})",
        "",
        f"Weights {card.origin}; {size / 1e6:.2f} M values in {dtype}, averaged over training.",
        "",
        f"- Command: `python -m savg.train {facts['recipe']} --config {facts['config']} "
        f"--data {facts['data']} --out RUN{changes}`",
        f"- {saved.step} steps of batch {optim['batch']}, learning rate {optim['lr']:g} "
        f"({optim['schedule']}), average {optim['average']}; {saved.seconds / 60:.0f} minutes",
        f"- torch {facts['torch']}; curves in log.csv, all scores in scores.csv",
        f"- Licence of the weights: {card.licence}",
        *(f"- Trained on works of others: {credit.line()}" for credit in _credits(facts)),
        "",
        "## Scores while training (averaged weights, clips not trained on where the recipe keeps some)",
        "",
    ]
    lines += [f"- {key}: {value}" for key, value in scores.items()] or ["none measured"]
    lines += [
        "",
        "## Configuration",
        "",
        "```json",
        json.dumps(facts["settings"]["model"], indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def _credits(facts: dict[str, Any]) -> tuple[Credit, ...]:
    """The works of others in the synthetic clips of a run; none where it took other clips."""
    if facts["data"] != "synthetic":
        return ()
    drawn = [value for value in facts["settings"].values() if isinstance(value, dict)]
    worlds = [world for value in drawn for world in value.get("worlds", ())]
    if not worlds:
        return ()
    silent = facts["recipe"] in SILENT or facts["kind"] == "video_unet"
    return of_worlds(worlds, facts["recipe"] not in SIGHTLESS, not silent)


def _last_scores(run: Path) -> dict[str, str]:
    path = run / "scores.csv"
    if not path.is_file():
        return {}
    rows = read_csv(path)
    return {key: value for key, value in rows[-1].items() if value} if rows else {}


def _check_range(model: Any, run: Path) -> None:
    for key, value in model.state_dict().items():
        if value.is_floating_point() and not bool((value.abs() < 65_504).all()):
            raise SavgError(f"{run}: {key} does not fit float16; use --dtype bfloat16.")
