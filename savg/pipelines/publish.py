"""A folder of weights as a repository of the Hub: its pipelines and their components, and a card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from savg.errors import CheckpointError, SavgError
from savg.hub import CONFIG_FILE, REPO, WEIGHTS_FILE, component_card, resolve
from savg.hub.remote import hub_errors
from savg.json_files import read_object
from savg.pipelines.card import CARD_FILE, model_card
from savg.pipelines.description import descriptions
from savg.pipelines.registry import AUDIO

TEXTS = (CARD_FILE, "LICENSE", "LICENSE-MIT.txt", "LICENSE-Apache-2.0.txt")
"""Files beside weights that go with them."""


def copy_weights(source: Path, target: Path) -> list[Path]:
    """Copy the pipelines of a folder and the components that they name, and nothing else.

    Returns the folders of the components. CheckpointError where the folder describes no pipeline or a
    component is missing.
    """
    whole = [one for one in descriptions(source) if one.name]
    if not whole:
        raise CheckpointError(f"{source} holds no pipeline.json that names a pipeline.")
    folders = dict.fromkeys(folder for one in whole for folder in one.components.values())
    for folder in folders:
        component_card(folder)
    target.mkdir(parents=True, exist_ok=True)
    for one in whole:
        shutil.copyfile(source / one.file, target / one.file)
    for folder in folders:
        (target / folder.name).mkdir(exist_ok=True)
        for name in (CONFIG_FILE, WEIGHTS_FILE, *TEXTS):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, target / folder.name / name)
    for name in TEXTS:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    return list(folders)


def publish(
    source: str, repo: str, private: bool = False, figures: Mapping[str, str] | None = None
) -> str:
    """Push a folder of weights to USER/NAME, created if missing; returns the commit's address.

    Files are pushed as they are stored. A card of the folder's own is kept.

    Args:
        source: "demo" or a folder.
        private: of a new repository.
        figures: for the card, by name.

    Raises:
        CheckpointError: the folder holds no whole pipeline.
        SavgError: the Hub refuses or cannot be reached.

    Example:
        publish("demo", "lab/savg-demo", private=True)
    """
    from huggingface_hub import HfApi

    if not REPO.fullmatch(repo):
        raise SavgError(f"A repository must be named USER/NAME, got {repo[:100]!r}.")
    folder = resolve(source)
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch) / "weights"
        copy_weights(folder, part)
        if not (part / CARD_FILE).is_file():
            first = next(one for one in descriptions(folder) if one.name)
            cards = {role: component_card(path) for role, path in first.components.items()}
            registry = "AUDIO" if first.name in AUDIO else "CLIPS"
            text = model_card(first.name, cards, figures, registry).replace("USER/NAME", repo)
            (part / CARD_FILE).write_text(text, encoding="utf-8")
        with hub_errors(f"{repo} could not be written"):
            api = HfApi()
            api.create_repo(repo, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo, folder_path=part, commit_message="Weights of SAVG Studio"
            )
    return str(commit.commit_url)


def figures_of(results: Path) -> dict[str, str]:
    """The figures of an evaluation's results.json, with their 95 % intervals.

    SavgError for another file.
    """
    try:
        metrics = read_object(results)["sets"]["generated"]["metrics"]
        values = metrics.values() if isinstance(metrics, dict) else metrics
        return {str(one["name"]): _interval(one) for one in values if one.get("value") is not None}
    except (KeyError, TypeError, AttributeError) as error:
        raise SavgError(f"{results} must be the results.json of an evaluation.") from error


def _interval(metric: Mapping[str, object]) -> str:
    low, high = metric.get("low"), metric.get("high")
    between = "" if low is None else f" ({low:.4g}…{high:.4g})"
    return f"{metric['value']:.4g}{between}, n = {json.dumps(metric.get('n'))}"
