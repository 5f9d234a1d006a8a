"""Where networks lie that the user imported once, for metrics and detectors to find."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from savg.errors import SavgError
from savg.hub import CONFIG_FILE, WEIGHTS_FILE
from savg.hub.published_files import folder_name

NETWORKS_VARIABLE = "SAVG_NETWORKS"
"""Environment variable that names another folder of networks."""


def networks_folder() -> Path:
    """The folder of imported networks: SAVG_NETWORKS, else savg/networks in the user's data folder."""
    named = os.environ.get(NETWORKS_VARIABLE)
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    try:
        base = Path(data) if data else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise SavgError(
            f"This account has no home folder: name a folder of networks in {NETWORKS_VARIABLE}."
        ) from error
    return base / "savg" / "networks"


def imported(kind: str) -> Path | None:
    """The component folder of a network of that kind that the user imported, None without one."""
    with suppress(SavgError, OSError, ValueError):
        folder = networks_folder() / folder_name(kind)
        if (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file():
            return folder
    return None
