"""The comment in a media file's metadata, and the text of a PNG: short words about the whole file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.input_file import input_file
from savg.media.container import open_container
from savg.paths import atomic_file

COMMENT = "comment"
"""Name of the entry, in mp4 files and PNG images alike."""


def read_comment(path: str | os.PathLike[str]) -> str:
    """The comment of a media file, "" without one. MediaError for a file that cannot be opened."""
    with open_container(Path(path)) as container:
        return str(container.metadata.get(COMMENT, ""))


def write_png(path: str | os.PathLike[str], image: NDArray[np.uint8], comment: str = "") -> None:
    """Write an image [h, w, 3] RGB as PNG with a comment, whole or not at all."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    if comment:
        texts.add_itxt(COMMENT, comment)
    with atomic_file(path) as part:
        Image.fromarray(np.ascontiguousarray(image)).save(part, "PNG", pnginfo=texts)


def read_png_comment(path: str | os.PathLike[str]) -> str | None:
    """The comment of a PNG, "" where it has none; None for a file that is no PNG.

    Raises:
        MediaError: a file that is not there or cannot be opened, or a damaged PNG.
    """
    from PIL import Image

    with input_file(path, "image", MediaError).open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return None
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return str(image.info.get(COMMENT, ""))
    except Exception as error:  # whatever Pillow raises for damaged files
        raise MediaError(f"{path} is a PNG that cannot be read.") from error
