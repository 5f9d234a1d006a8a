"""Something else where a file was expected."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def replace(path: Path, rng: random.Random) -> None:
    """Nothing, a folder, a pipe, a link that leads nowhere or round, or a file of another kind."""
    path.unlink()
    kind = rng.randrange(9)
    if kind == 1:
        path.mkdir()
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.symlink_to("nowhere")
    elif kind == 4:
        path.symlink_to(path.name)
    elif kind == 5:
        path.write_text(POINTER)
    elif kind == 6:
        path.write_bytes(rng.choice((b"", b"\0" * 5000, rng.randbytes(3000), b"\xff\xfe" * 50)))
    elif kind == 7:
        path.write_text(
            rng.choice(("Dear diary,\n" * 99, "<html></html>", "{}", "[]", "null", '"'))
        )
    elif kind == 8:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", b"\x80\x02}q\x00.")
