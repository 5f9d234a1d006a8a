"""Where the networks of metrics lie on this machine, and how to bring those that do not.

`savg weights import FILE` turns a published file into a component folder, named by its kind, in
`networks_folder()`. Metrics look there, or in the folder that they are told.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from savg.device import choose
from savg.errors import SavgError
from savg.features.base import BackboneError
from savg.hub import CONFIG_FILE, WEIGHTS_FILE, component_card, load_component, resolve
from savg.hub.imported import NETWORKS_VARIABLE, networks_folder
from savg.hub.published_files import METRIC_FILES, METRIC_KINDS, files_of, folder_name
from savg.paths import file_sha256

if TYPE_CHECKING:
    import torch

__all__ = [
    "NETWORKS_VARIABLE",
    "check_source",
    "load_network",
    "missing_network",
    "network_folder",
    "network_sha256",
    "networks_folder",
]

_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def network_folder(kind: str, source: str | os.PathLike[str] | None = None) -> Path | None:
    """The component folder of a network, without any download; None where there is none.

    Args:
        kind: of the weights, one of `savg.hub.KINDS`.
        source: a component's folder, a folder of components, or a Hub id whose files were fetched
            before (None: `networks_folder()`). Where it is given, no other place is looked at.
    """
    root = networks_folder() if source is None else _local(source)
    if root is None:
        return None
    with suppress(OSError, ValueError):  # a name that no folder can have
        for folder in (root / folder_name(kind), root):
            if (folder / CONFIG_FILE).is_file():
                return folder
    return None


def check_source(source: str) -> None:
    """SavgError where a source of networks is neither a folder nor a Hub id."""
    if not (_is_repo(source) or os.path.isdir(source)):
        raise SavgError(
            f"--networks {source}: expected a folder that `weights import` wrote, "
            "or a Hugging Face repo id."
        )


def load_network(
    kind: str, source: str | os.PathLike[str] | None = None, device: str | None = None
) -> tuple[torch.nn.Module, str]:
    """A network and the SHA-256 of its weights file, float32, in evaluation mode.

    Args:
        kind, source: as in `network_folder`; a Hub id is fetched where it was not before.
        device: of torch (None: as `savg.device.choose` says).

    Raises:
        BackboneError: it is not on this machine; the sentence says which file to bring.
        CheckpointError: the weights do not fit, or are damaged.
    """
    folder = _folder(kind, source)
    module, card = load_component(folder, kind)
    sha256 = card.sha256 or file_sha256(folder / WEIGHTS_FILE)
    return module.to(choose(device, "float32").device), sha256


def network_sha256(kind: str, source: str | os.PathLike[str] | None = None) -> str:
    """The SHA-256 of a network's weights file as its card tells it, else that of the file; the network
    is not loaded.

    Arguments and BackboneError as of `load_network`, which holds the file against its card;
    CheckpointError for a component without a readable card, or of another kind.
    """
    folder = _folder(kind, source)
    return component_card(folder, kind).sha256 or file_sha256(folder / WEIGHTS_FILE)


def _folder(kind: str, source: str | os.PathLike[str] | None) -> Path:
    """The component folder of a network, fetched where a Hub id was not before."""
    folder = network_folder(kind, source)
    if folder is None and _is_repo(source):
        folder = resolve(str(source))
    if folder is None:
        raise BackboneError(missing_network(kind, source))
    return folder


def missing_network(kind: str, source: str | os.PathLike[str] | None = None) -> str:
    """Which published file to bring and how, as a sentence; "" where the network is on this machine.

    Nothing is loaded or fetched.
    """
    if network_folder(kind, source) is not None:
        return ""
    if _is_repo(source):
        return f"{source}: the network {kind} was not fetched from the Hub yet."
    files = files_of(kind)
    title = METRIC_KINDS.get(kind, "")
    name = f"{kind} ({title})" if title else kind
    place = networks_folder() if source is None else source
    out = "" if source is None and kind in METRIC_KINDS else f" --out {place}"
    if out and METRIC_FILES.get(files[0]) == kind:
        out = f" --kind {kind}{out}"
    return (
        f"The network {name} is not in {place}: bring the published file {' or '.join(files)} and "
        f"run `python -m savg weights import {files[0]}{out}`."
    )


def _is_repo(source: str | os.PathLike[str] | None) -> bool:
    return isinstance(source, str) and bool(_REPO.fullmatch(source)) and not os.path.isdir(source)


def _local(source: str | os.PathLike[str]) -> Path | None:
    """The folder of a source on this machine, None where a download would be needed."""
    if not _is_repo(source):
        return Path(source)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(str(source), CONFIG_FILE)
    weights = try_to_load_from_cache(str(source), WEIGHTS_FILE)
    if isinstance(found, str) and isinstance(weights, str):
        return Path(found).parent
    return None
