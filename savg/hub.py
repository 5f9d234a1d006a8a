"""Where weights come from: component folders, the Hub, and checkpoints as their authors publish them.

A component is a folder with `config.json` (kind, configuration, card) and `model.safetensors`.
Files from strangers are opened as data only: safetensors, or `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.errors import CheckpointError, SavgError
from savg.paths import assets_dir, atomic_folder, file_sha256

if TYPE_CHECKING:
    import torch

State = Mapping[str, "torch.Tensor"]

KINDS: dict[str, str] = {
    "joint_unet": "savg.models.joint_unet:FORMAT",
    "video_unet": "savg.models.video_unet:FORMAT",
    "superres_unet": "savg.models.superres_unet:FORMAT",
    "seld": "savg.models.seld:FORMAT",
    "yolox": "savg.models.yolox:FORMAT",
    "mmaudio": "savg.models.mmaudio:FORMAT",
    "mel_vae": "savg.models.mel_vae:FORMAT",
    "bigvgan": "savg.models.bigvgan:FORMAT",
    "synchformer": "savg.models.synchformer:FORMAT",
    "visual_flow": "savg.models.visual_flow:FORMAT",
    "istft_vocoder": "savg.models.istft_vocoder:FORMAT",
    "griffin_lim": "savg.models.griffin_lim:FORMAT",
}
"""kind → where its `ModelFormat` is; resolved on first use, so that this module imports no network."""

CONFIG_FILE, WEIGHTS_FILE, PIPELINE_FILE = "config.json", "model.safetensors", "pipeline.json"


def _same(state: State) -> State:
    return state


@dataclass(frozen=True)
class ModelFormat:
    """How one kind of network is configured, built, and read from its authors' files.

    from_published: the authors' constructor arguments by their names (None: the released ones) →
    our configuration. wrappers: entries of the authors' file that may hold the state dict.
    rename: their keys → ours. card: what is true of all published weights of this kind.
    """

    kind: str
    config: type
    build: Callable[[Any], torch.nn.Module]
    from_published: Callable[[Mapping[str, Any] | None], Any]
    wrappers: tuple[str, ...] = ()
    rename: Callable[[State], State] = _same
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """Provenance of weights: licence, origin, SHA-256 of the file, and facts that matter in use.

    facts: for instance `{"mirrored": True}` for joint weights whose video is reversed left to right
    against their audio.
    """

    licence: str
    origin: str
    sha256: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def model_format(kind: str) -> ModelFormat:
    """The format registered for `kind`; SavgError lists the registered kinds."""
    if kind not in KINDS:
        raise SavgError(f"The kind of weights must be one of {', '.join(KINDS)}, got {kind!r}.")
    module, attribute = KINDS[kind].split(":")
    return getattr(importlib.import_module(module), attribute)


def load_official(
    kind: str, path: str | os.PathLike[str], published: Mapping[str, Any] | None = None
) -> torch.nn.Module:
    """The network in a file exactly as its authors publish it, float32, in evaluation mode.

    Args:
        kind: of the weights, one of `KINDS`.
        path: of the file, opened as data only.
        published: the authors' constructor arguments by their own names (None: the released ones).

    Raises:
        CheckpointError: a file that does not fit; it names the kind, the path and the first wrong keys.
        SavgError: an unknown kind.

    Example:
        network = load_official("seld", "seld.pth")
    """
    spec = model_format(kind)
    state = spec.rename(_unwrap(_read_torch(kind, path), spec, path))
    try:
        config = spec.from_published(published)
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{kind}: the published constructor arguments do not describe a network: {error}."
        ) from error
    model = spec.build(config)
    _fill(model, state, kind, path)
    return model.eval()


def _read_torch(kind: str, path: str | os.PathLike[str]) -> Any:
    import torch

    if not Path(path).is_file():
        raise CheckpointError(f"{kind}: no such checkpoint file: {path}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{kind}: {path} is not a checkpoint that can be read as data only (weights_only)."
        ) from error


def _unwrap(loaded: Any, spec: ModelFormat, path: str | os.PathLike[str]) -> State:
    import torch

    for wrapper in spec.wrappers:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    tensors = isinstance(loaded, Mapping) and all(
        isinstance(value, torch.Tensor) for value in loaded.values()
    )
    if not tensors or not loaded:
        where = " or under ".join(["at its top level", *map(repr, spec.wrappers)])
        raise CheckpointError(f"{spec.kind}: {path} holds no state dict {where}.")
    prefix = "module."  # left by torch's data-parallel wrappers
    if all(key.startswith(prefix) for key in loaded):
        loaded = {key.removeprefix(prefix): value for key, value in loaded.items()}
    return loaded


def _fill(model: torch.nn.Module, state: State, kind: str, path: str | os.PathLike[str]) -> None:
    """Load `state` strictly, or raise CheckpointError with the first keys of each mismatch."""
    expected = model.state_dict()
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    problems = {
        "missing": [k for k in expected if k not in state and k not in counters],
        "unexpected": [k for k in state if k not in expected],
        "misshapen": [
            f"{k} {tuple(state[k].shape)} instead of {tuple(expected[k].shape)}"
            for k in expected
            if k in state and state[k].shape != expected[k].shape
        ],
    }
    mismatches = [
        f"{len(keys)} {name} (first: {', '.join(keys[:3])})"
        for name, keys in problems.items()
        if keys
    ]
    if mismatches:
        words = "; ".join(mismatches)
        raise CheckpointError(f"{kind}: {path} does not fit the network: {words}.")
    model.load_state_dict({**{k: expected[k] for k in counters}, **state})


def resolve(source: str | os.PathLike[str]) -> Path:
    """The folder of weights named by "demo" (bundled), a folder, or a Hugging Face repo id.

    SavgError where there is none of that name.
    """
    if source == "demo":
        folder = assets_dir() / "demo"
        if not folder.is_dir():
            raise SavgError("The bundled demo weights are missing: expected assets/demo.")
        return folder
    if Path(source).is_dir():
        return Path(source)
    if isinstance(source, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        return _download(source)
    raise SavgError(f"{source}: expected 'demo', a folder of weights, or a Hugging Face repo id.")


def _download(repo: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "*.md"]
        return Path(snapshot_download(repo, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SavgError(
            f"{repo}: no folder of that name, and it could not be fetched from the Hub."
        ) from error


def save_component(
    model: torch.nn.Module,
    folder: str | os.PathLike[str],
    kind: str,
    card: Card,
    dtype: torch.dtype | None = None,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write `model` (which has a dataclass `.config`) as a component folder, whole or not at all.

    dtype: the number format of floating-point weights in the file (default: as they are).
    extra: further text files of the folder, such as a model card, by name.
    """
    from safetensors.torch import save_file

    state = {
        key: (value.to(dtype) if dtype and value.is_floating_point() else value).cpu().contiguous()
        for key, value in model.state_dict().items()
    }
    with atomic_folder(folder) as part:
        save_file(state, part / WEIGHTS_FILE)
        (part / WEIGHTS_FILE).chmod(0o644)  # safetensors leaves it to its owner alone
        card = dataclasses.replace(card, sha256=file_sha256(part / WEIGHTS_FILE))
        config = {
            "kind": kind,
            "config": dataclasses.asdict(model.config),  # type: ignore[call-overload]
            "card": dataclasses.asdict(card),
        }
        write_json(part / CONFIG_FILE, config)
        for name, text in (extra or {}).items():
            (part / name).write_text(text, encoding="utf-8")


def load_component(
    folder: str | os.PathLike[str], kind: str | None = None
) -> tuple[torch.nn.Module, Card]:
    """The network of a component folder, float32, in evaluation mode, and its card.

    kind: the expected kind (None: any). CheckpointError for a folder that is incomplete, of another
    kind, or whose weights do not match their configuration or checksum.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    data = read_json(folder / CONFIG_FILE)
    stored = data.get("kind")
    if not isinstance(stored, str) or (kind is not None and stored != kind):
        raise CheckpointError(f"{folder}: expected weights of kind {kind!r}, found {stored!r}.")
    spec = model_format(stored)
    try:
        config = spec.config(**_tuples(data["config"]))
        card = Card(**data["card"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: not a {stored} component: {error}."
        ) from error
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(f"{stored}: no such weights file: {weights}.")
    if card.sha256 and card.sha256 != file_sha256(weights):
        raise CheckpointError(f"{weights} is not the file its card describes: SHA-256 differs.")
    model = spec.build(config)
    try:
        state = load_file(weights)
    except SafetensorError as error:
        raise CheckpointError(f"{stored}: {weights} is not a safetensors file.") from error
    _fill(model, state, stored, weights)
    return model.eval(), card


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; CheckpointError where there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: expected a JSON object.")
    return data


def component_folder(pipeline: Path, description: Mapping[str, Any], role: str) -> Path:
    """The folder of a component named in a pipeline's JSON file, always inside the pipeline's."""
    name = description.get(role)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise CheckpointError(
            f"{pipeline / PIPELINE_FILE}: {role!r} must name a folder beside it, got {name!r}."
        )
    return pipeline / name


def part_folder(source: str | os.PathLike[str], role: str) -> Path:
    """The component folder that `source` names: itself one, or a pipeline with a part of that role.

    source: as in `resolve`; role: a key of the pipeline's JSON file, for instance "persons".
    """
    folder = resolve(source)
    if (folder / PIPELINE_FILE).is_file():
        return component_folder(folder, read_json(folder / PIPELINE_FILE), role)
    return folder


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file as component and pipeline folders hold it."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _tuples(value: Any) -> Any:
    """JSON with every list as a tuple, as frozen configurations hold them."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value
