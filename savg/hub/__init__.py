"""Where weights come from: component folders, the Hub, and checkpoints as their authors publish them.

A component is a folder with `config.json` (kind, configuration, card) and `model.safetensors`, whose
numbers may be stored as `savg.hub.int8` tells ("storage": "int8").
Files from strangers are opened as data only: safetensors, or `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from savg.errors import CheckpointError, SavgError, brief, first_line
from savg.fields import Text, check, from_json
from savg.hub import int8
from savg.hub.networks import State, compare, empty, fill
from savg.json_files import MAX_CONFIG_BYTES, read_object
from savg.paths import assets_dir, atomic_folder, file_sha256
from savg.tensor_files import (
    check_plain,
    load_tensors,
    load_torch,
    save_tensors,
    tensor_shapes,
)

if TYPE_CHECKING:
    import torch

KINDS: dict[str, str] = {
    "joint_unet": "savg.models.joint_unet:FORMAT",
    "video_unet": "savg.models.video_unet:FORMAT",
    "superres_unet": "savg.models.superres_unet:FORMAT",
    "seld": "savg.models.seld:FORMAT",
    "yolox": "savg.models.yolox:FORMAT",
    "nanodet": "savg.models.nanodet:FORMAT",
    "mmaudio": "savg.models.mmaudio:FORMAT",
    "mel_vae": "savg.models.mel_vae:FORMAT",
    "bigvgan": "savg.models.bigvgan:FORMAT",
    "synchformer": "savg.models.synchformer:FORMAT",
    "synchformer_sync": "savg.models.synchformer_sync:FORMAT",
    "visual_flow": "savg.models.visual_flow:FORMAT",
    "istft_vocoder": "savg.models.istft_vocoder:FORMAT",
    "harmonic_vocoder": "savg.models.harmonic_vocoder:FORMAT",
    "griffin_lim": "savg.models.griffin_lim:FORMAT",
    "audioclip": "savg.models.audioclip:FORMAT",
    "vggish": "savg.models.vggish:FORMAT",
    "i3d": "savg.models.i3d:FORMAT",
    "stable_audio": "savg.models.stable_audio:FORMAT",
    "stereosync": "savg.models.stereosync:FORMAT",
    "oobleck": "savg.models.oobleck:FORMAT",
    "depth": "savg.models.depth_net:FORMAT",
}
"""kind → where its `ModelFormat` is; resolved on first use, so that this module imports no network."""

CONFIG_FILE, WEIGHTS_FILE, PIPELINE_FILE = "config.json", "model.safetensors", "pipeline.json"

DIFFUSERS_FILE = "diffusion_pytorch_model.safetensors"
"""Of weights in each folder of a diffusers pipeline."""

FOLDER_NAME = re.compile(r"\w[\w.-]{0,99}")
"""Of a component beside the file that names it."""


REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
"""A Hugging Face repo id, USER/NAME."""

REVISION = re.compile(r"[\w./-]{1,255}", re.ASCII)
"""A branch, tag or commit of a repository."""


def _same(state: State) -> State:
    return state


@dataclass(frozen=True)
class ModelFormat:
    """How one kind of network is configured, built, and read from its authors' files.

    from_published: the authors' constructor arguments by their names (None: the released ones) →
    our configuration. wrappers: entries of the authors' file that may hold the state dict.
    rename: their keys → ours. card: what is true of all published weights of this kind. folders: those
    of a diffusers pipeline whose files together hold the weights.
    """

    kind: str
    config: type
    build: Callable[[Any], torch.nn.Module]
    from_published: Callable[[Mapping[str, Any] | None], Any]
    wrappers: tuple[str, ...] = ()
    rename: Callable[[State], State] = _same
    card: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """Provenance of weights: licence, origin, SHA-256 of the file, and facts that matter in use.

    facts: for instance `{"mirrored": True}` for joint weights whose video is reversed left to right
    against their audio.
    """

    licence: Annotated[str, Text(200)]
    origin: Annotated[str, Text(2000)]
    sha256: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)


def model_format(kind: str) -> ModelFormat:
    """The format registered for `kind`; SavgError lists the registered kinds."""
    if kind not in KINDS:
        raise SavgError(
            f"The kind of weights must be one of {', '.join(KINDS)}, got {brief(kind)}."
        )
    module, attribute = KINDS[kind].split(":")
    return getattr(importlib.import_module(module), attribute)


def load_official(
    kind: str, path: str | os.PathLike[str], published: Mapping[str, Any] | None = None
) -> torch.nn.Module:
    """The network in a file exactly as its authors publish it, float32, in evaluation mode.

    Args:
        kind: of the weights, one of `KINDS`.
        path: of the file (of torch, or .safetensors), opened as data only; or of a diffusers pipeline's
            folder, for a kind that is published as a part of one.
        published: the authors' constructor arguments by their own names (None: the released ones).

    Raises:
        CheckpointError: a file that does not fit; it names the kind, the path and the first wrong keys.
        SavgError: an unknown kind.

    Example:
        network = load_official("seld", "seld.pth")
    """
    spec = model_format(kind)
    state = _unwrap(_content(Path(path), spec), spec, path)
    if Path(path).is_file():  # safetensors, all that is read of folders, hold what they describe
        check_plain(path, state.values())
    try:
        state = spec.rename(state)
    except (RuntimeError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(
            f"{kind}: {path} does not fit the network: {first_line(error)}."
        ) from error
    try:
        config = spec.from_published(published)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise CheckpointError(
            f"{kind}: the published constructor arguments do not describe a network: {error}."
        ) from error
    return network_of(kind, config, state, path)


def network_of(
    kind: str, config: Any, state: State, path: str | os.PathLike[str]
) -> torch.nn.Module:
    """The network of a configuration with copies of these weights, in evaluation mode.

    path: where both come from. CheckpointError for weights that do not fit or are not finite.
    """
    spec = model_format(kind)
    model = empty(spec.build, config, kind, str(path))
    compare(model, {key: tuple(value.shape) for key, value in state.items()}, kind, path)
    return fill(model, state, spec.build, kind, path)


def _content(path: Path, spec: ModelFormat) -> Any:
    """What a published file holds, or the tensors of a folder's files together."""
    files = [path / folder / DIFFUSERS_FILE for folder in spec.folders] if path.is_dir() else []
    if files:
        return {key: value for file in files for key, value in load_tensors(file).items()}
    if not path.is_file():
        raise CheckpointError(f"{spec.kind}: no such checkpoint file: {path}.")
    return load_tensors(path) if path.suffix == ".safetensors" else load_torch(path)


def _unwrap(loaded: Any, spec: ModelFormat, path: str | os.PathLike[str]) -> State:
    import torch

    for wrapper in spec.wrappers:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    tensors = isinstance(loaded, Mapping) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in loaded.items()
    )
    if not tensors or not loaded:
        where = " or under ".join(["at its top level", *map(repr, spec.wrappers)])
        raise CheckpointError(f"{spec.kind}: {path} holds no state dict {where}.")
    prefix = "module."  # left by torch's data-parallel wrappers
    if all(key.startswith(prefix) for key in loaded):
        loaded = {key.removeprefix(prefix): value for key, value in loaded.items()}
    return loaded


def resolve(source: str | os.PathLike[str], revision: str | None = None) -> Path:
    """The folder of weights named by "demo" (bundled), a folder, or a Hugging Face repo id.

    revision: branch, tag or commit of the repository; USER/NAME@REVISION names it too. SavgError where
    there is none of that name.
    """
    if source == "demo":
        folder = assets_dir() / "demo"
        if not folder.is_dir():
            raise SavgError("The bundled demo weights are missing: expected assets/demo.")
        return folder
    with suppress(OSError, ValueError):  # a name that no file can have
        if Path(source).is_dir():
            return Path(source)
    if isinstance(source, str):
        repo, at, named = source.partition("@")
        wanted = revision or (named if at else None)
        if REPO.fullmatch(repo) and (wanted is None or REVISION.fullmatch(wanted)):
            return _download(repo, wanted)
    raise SavgError(f"{source}: expected 'demo', a folder of weights, or a Hugging Face repo id.")


def _download(repo: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "*.md"]
        return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SavgError(
            f"{repo}{f'@{revision}' if revision else ''}: no folder of that name, and it could not be "
            "fetched from the Hub."
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

    dtype: the number format of floating-point weights in the file (default: as they are); torch.int8
    stores them as `savg.hub.int8` tells. extra: further text files of the folder, such as a model card,
    by name. ValueError for weights that cannot be stored so.
    """
    import torch

    state = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    storage = {}
    if dtype == torch.int8:
        state, storage = int8.quantise(state), {"storage": int8.STORAGE}
    elif dtype is not None:
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    with atomic_folder(folder) as part:
        save_tensors(state, part / WEIGHTS_FILE)
        (part / WEIGHTS_FILE).chmod(0o644)  # safetensors leaves it to its owner alone
        card = dataclasses.replace(card, sha256=file_sha256(part / WEIGHTS_FILE))
        config = {
            "kind": kind,
            "config": dataclasses.asdict(model.config),  # type: ignore[call-overload]
            **storage,
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
    kind, or whose weights do not match their configuration or checksum, or are not finite. Nothing of
    the size that a configuration asks for is made before it is the size of the weights.
    """
    folder = Path(folder)
    file = folder / CONFIG_FILE
    stored, data = _read_component(folder, kind)
    try:
        spec = model_format(stored)
    except SavgError as error:
        raise CheckpointError(f"{file}: {error}") from error
    config = component_config(stored, data.get("config"), file)
    card, weights = _card(folder, stored, data), folder / WEIGHTS_FILE
    model = empty(spec.build, config, stored, str(file))
    is_int8, shapes = _is_int8(data, file), tensor_shapes(weights)
    compare(model, int8.plain_shapes(shapes) if is_int8 else shapes, stored, weights)
    if card.sha256 and card.sha256 != file_sha256(weights):
        raise CheckpointError(f"{weights} is not the file its card describes: SHA-256 differs.")
    state = load_tensors(weights)
    if is_int8:
        state = int8.dequantise(state, weights)
    return fill(model, state, spec.build, stored, weights), card


def _is_int8(data: Mapping[str, Any], file: Path) -> bool:
    """Whether a config.json says that the weights are stored as int8."""
    storage = data.get("storage")
    if storage not in (None, int8.STORAGE):
        raise CheckpointError(f"{file}: storage must be {int8.STORAGE!r}, got {brief(storage)}.")
    return storage is not None


def component_card(folder: str | os.PathLike[str], kind: str | None = None) -> Card:
    """The card of a component folder, whose weights are there but are not read.

    kind: as of `load_component`; CheckpointError for a folder that is incomplete or of another kind.
    """
    folder = Path(folder)
    stored, data = _read_component(folder, kind)
    return _card(folder, stored, data)


def _read_component(folder: Path, kind: str | None) -> tuple[str, dict[str, Any]]:
    """The kind of a component folder, which must be the expected one, and its config.json."""
    data = read_config(folder / CONFIG_FILE)
    stored = data.get("kind")
    if not isinstance(stored, str) or (kind is not None and stored != kind):
        raise CheckpointError(
            f"{folder}: expected weights of kind {kind!r}, found {brief(stored)}."
        )
    return stored, data


def _card(folder: Path, kind: str, data: Mapping[str, Any]) -> Card:
    """The card in a component's config.json; CheckpointError where the weights are missing too."""
    where = f"{folder / CONFIG_FILE}: not a {kind} component: card"
    card = from_json(Card, data.get("card"), where, CheckpointError)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(f"{kind}: no such weights file: {weights}.")
    return card


def component_config(kind: str, values: Any, file: Path) -> Any:
    """The network's configuration, as config.json of a component of this kind holds it.

    file: for messages. CheckpointError for settings that are no configuration of the kind.
    """
    where = f"{file}: not a {kind} component: config"
    return from_json(model_format(kind).config, values, where, CheckpointError)


def read_config(path: Path) -> dict[str, Any]:
    """The content of a JSON file of a component or pipeline; CheckpointError if it is not valid."""
    return read_object(path, error=CheckpointError, most=MAX_CONFIG_BYTES)


def component_folder(pipeline: Path, description: Mapping[str, Any], role: str) -> Path:
    """The folder of a component named in a pipeline's JSON file, always inside the pipeline's."""
    name = description.get(role)
    if not isinstance(name, str) or not FOLDER_NAME.fullmatch(name):
        raise CheckpointError(
            f"{pipeline / PIPELINE_FILE}: {role!r} must name a folder beside it, got {brief(name)}."
        )
    return pipeline / name


def part_folder(source: str | os.PathLike[str], role: str) -> Path:
    """The component folder that `source` names: itself one, or a pipeline with a part of that role.

    source: as in `resolve`; role: a key of the pipeline's JSON file, for instance "persons".
    """
    folder = resolve(source)
    if (folder / PIPELINE_FILE).is_file():
        return component_folder(folder, read_config(folder / PIPELINE_FILE), role)
    return folder


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file as component and pipeline folders hold it."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
