"""The folder of one running studio, which goes when it ends, and the space that must stay free."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from weakref import finalize

from savg.errors import SavgError
from savg.temporary import remove_abandoned, temporary_path

PARENT = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
"""Where studios of this process have their folders: where the operator wants Gradio's temporary files.
The variable itself changes, as each studio tells Gradio its folder of uploads by it."""

FREE_BYTES, FREE_SHARE = 500_000_000, 0.05
"""Space that stays free for ratings and results: so many bytes, at most that share of the disk."""

UPLOAD_SECONDS = 1800.0
"""Age from which an upload that nobody asked about is deleted."""

FULL = "The studio's disk is nearly full: nothing can be stored until there is room again."


class Storage:
    """Folders of a studio below `root`: clips under their keys, and what visitors upload.

    A folder of a studio that was killed is removed when the next one begins.
    """

    def __init__(self, root: Path | None = None, free_bytes: int = FREE_BYTES) -> None:
        self.free_bytes = free_bytes
        if root is None:
            folder = Path(PARENT)
            remove_abandoned(folder)
            root = temporary_path(folder / "savg-studio")
            folder.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o700)
            finalize(self, shutil.rmtree, root, ignore_errors=True)
        self.root = root

    @property
    def uploads(self) -> Path:
        """The folder of uploads that no tab has taken over yet; it is not served."""
        return self.root / "uploads"

    @property
    def videos(self) -> Path:
        """The folder of videos that visitors gave to get audio; it is not served."""
        return self.root / "videos"

    def check_room(self, coming: int = 0) -> None:
        """SavgError if too little space would be left after storing `coming` bytes."""
        folder = self.root if self.root.exists() else self.root.parent
        usage = shutil.disk_usage(folder)
        if usage.free - coming < min(self.free_bytes, int(FREE_SHARE * usage.total)):
            raise SavgError(FULL)

    def remove_old_uploads(self, seconds: float = UPLOAD_SECONDS) -> None:
        """Delete uploads that are older."""
        before = time.time() - seconds
        with suppress(OSError):
            for entry in list(os.scandir(self.uploads)):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime >= before:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)
