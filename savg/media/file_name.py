"""Names of files as FFmpeg takes them."""

from __future__ import annotations

import os
from pathlib import Path


def ffmpeg_name(path: str | os.PathLike[str]) -> str:
    """The name by which FFmpeg opens exactly this file.

    By its bare name `take10:30.mp4` would be an address of the protocol "take10".
    """
    return f"file:{Path(path)}"


def file_path(name: str) -> Path:
    """The file that FFmpeg opened by a name of `ffmpeg_name`."""
    return Path(name.removeprefix("file:"))
