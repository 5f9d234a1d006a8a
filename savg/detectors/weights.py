"""What a detector's results depend on: a hash of its weights, and its number format."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch

from savg.hub import WEIGHTS_FILE, part_folder
from savg.paths import file_sha256


def weights_sha256(source: str | os.PathLike[str], part: str) -> str:
    """SHA-256 of the file of weights that a source of `from_pretrained` names.

    part: "persons" or "sounds", of a pipeline folder.
    """
    if Path(source).is_file():
        return file_sha256(Path(source))
    return file_sha256(part_folder(source, part) / WEIGHTS_FILE)


def module_sha256(module: torch.nn.Module) -> str:
    """SHA-256 of a network's names and values, for one that comes from no file."""
    result = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        result.update(name.encode())
        result.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return result.hexdigest()


def precision(module: torch.nn.Module) -> str:
    """The number format in which a network computes, and the kind of device."""
    weight = next(module.parameters())
    return f"{str(weight.dtype).removeprefix('torch.')} on {weight.device.type}"
