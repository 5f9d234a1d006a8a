"""Packages that only some commands need, and the extra of this package that installs each."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any

from savg.errors import SavgError, first_line

EXTRA_OF = {
    "accelerate": "train",
    "open_clip": "clip",
    "psycopg": "postgres",
    "pyroomacoustics": "dataset",
    "transformers": "metrics",
    "wandb": "wandb",
    "mmdet": "mmdet",
    "mmcv": "mmdet",
    "mmengine": "mmdet",
}
"""Module → extra."""


def import_extra(module: str, purpose: str) -> Any:
    """An optional module, for instance "mmcv.ops"; purpose: what needs it, for the message.

    SavgError where it is not installed, naming the extra, or does not load.
    """
    package = module.partition(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        install = f"pip install 'savg-studio[{EXTRA_OF[package]}]'"
        if importlib.util.find_spec(package) is None:
            raise SavgError(f"{purpose} needs {package}: {install}.") from error
        raise SavgError(
            f"{purpose} needs {package}, which does not load ({first_line(error)}): {install}."
        ) from error
