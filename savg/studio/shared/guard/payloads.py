"""The JSON that a browser sends to Gradio: bounded, and with files that lie on this machine alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from savg.errors import is_whole
from savg.web.replies import Problem

MAX_JSON = 256 * 1024
"""Bytes of a request."""

SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)

Inputs = Callable[[int], int | None]
"""Gives the number of inputs of an event by its number; None for an unknown one."""

FOREIGN = "A file must be uploaded to the studio, not named by an address."


def session_of(value: dict[str, Any]) -> str:
    """The session of a request; Problem if it has none."""
    session = value.get("session_hash")
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise Problem("value", "The request must have a session.")
    return session


def check_event(value: dict[str, Any], inputs: Inputs) -> None:
    """Problem unless the request is for an event of the page, with as many values as it has inputs."""
    number, data = value.get("fn_index"), value.get("data")
    expected = inputs(int(number)) if number is not None and is_whole(number) else None
    if expected is None or not isinstance(data, list) or len(data) != expected:
        raise Problem("value", "The request does not fit this page: reload it.")


def check_files(value: Any, uploads: Path) -> None:
    """Problem if an object with a path or an address, wherever in a value, is no file in `uploads`.

    The address of a file is removed, as its path says where it is.
    """
    open_values = [value]
    while open_values:
        item = open_values.pop()
        if isinstance(item, dict):
            if "path" in item or "url" in item:
                _check_file(item, uploads)
            open_values += item.values()
        elif isinstance(item, list):
            open_values += item


def _check_file(file: dict[str, Any], uploads: Path) -> None:
    path, url = file.get("path"), file.get("url")
    if not isinstance(path, str) or not _is_below(path, uploads):
        raise Problem("closed", FOREIGN)
    if url is not None:
        if not isinstance(url, str) or not unquote(url).endswith(f"/gradio_api/file={path}"):
            raise Problem("closed", FOREIGN)
        file["url"] = None


def _is_below(path: str, folder: Path) -> bool:
    parts = path.replace("\\", "/").split("/")
    start = f"{folder.as_posix()}/"
    return path.startswith(start) and not {"", ".", ".."} & set(parts[1:]) and "\0" not in path
