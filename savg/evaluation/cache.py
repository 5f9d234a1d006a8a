"""Observations of clips in files, by the content of the clip: what was computed once is read again.

    <folder>/<key of the clip>/<part>-<digest of how it was computed>.safetensors

The key is a hash of a file and of how it is read (`content_key`), the digest one of weights, settings
and version (`digest`): other content or another network has another name, so that nothing in the cache
is ever wrong and several processes may share it. Files appear whole; a damaged one counts as missing.
They are no .npz files, whose headers NumPy reads by Python's parser: in CPython 3.11 a thread may not
use that while another one imports modules.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.paths import atomic_file, file_sha256
from savg.tensor_files import load_tensors, save_tensors

Arrays = dict[str, NDArray[Any]]

_log = logging.getLogger(__name__)

_DIGITS = 40
"""Hexadecimal digits of a key: 160 bits."""


def digest(facts: object) -> str:
    """A hash in hexadecimal of plain values, as JSON holds them."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def content_key(path: Path, reading: Mapping[str, Any]) -> str:
    """The key of a file's content read in a certain way.

    Args:
        path: of the file, whatever its name.
        reading: settings of the reader, plain values.

    Raises:
        SavgError: the file cannot be read.
    """
    return derived_key(content_hash(path), reading=dict(reading))


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content; SavgError where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise SavgError(f"{path} could not be read: {error.strerror or error}.") from error


def derived_key(key: str, **facts: Any) -> str:
    """The key of what is made of the content `key` in the way that the facts tell."""
    return digest({"of": key, **facts})


def default_cache() -> Path:
    """The user's folder of observations; SavgError where the account has no home folder."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise SavgError(
            "This account has no home folder: name one for the cache with --cache or XDG_CACHE_HOME."
        ) from error
    return Path(home) / "savg" / "observations"


@dataclass(frozen=True)
class Cache:
    """Parts of observations in a folder.

    Example:
        >>> observe_all(sources, observers, Cache(default_cache()))
    """

    folder: Path

    def read(self, key: str, part: str) -> Arrays | None:
        """The arrays of a part; None where there are none, or a damaged file, which is logged."""
        path = self.path(key, part)
        if not path.is_file():
            return None
        try:
            return {name: np.array(value) for name, value in load_tensors(path).items()}
        except (SavgError, TypeError, ValueError) as error:
            self.damaged(key, part, error)
            return None

    def damaged(self, key: str, part: str, error: Exception) -> None:
        """Say that a part is damaged and computed again."""
        _log.warning("%s is damaged and is computed again (%s).", self.path(key, part), error)

    def write(self, key: str, part: str, arrays: Arrays) -> None:
        """Write a part, whole or not at all. SavgError where the folder cannot be written to."""
        import torch

        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        with atomic_file(self.path(key, part), lasting=False) as target:
            save_tensors(tensors, target)

    def path(self, key: str, part: str) -> Path:
        """The file of a part."""
        return self.folder / key / f"{part}.safetensors"
