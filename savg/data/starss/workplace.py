"""Folders of an unfinished construction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from savg.data.clip_names import parse_clip_name
from savg.errors import SavgError


class UnwritableError(SavgError):
    """A file that cannot be written: no fault of the recording, stops the construction."""


@dataclass(frozen=True)
class Workplace:
    """Folders that a construction fills: clips and tables of a split, panoramas, unpacked files."""

    root: Path
    split: str

    @property
    def clips(self) -> Path:
        """Becomes the split's folder."""
        return self.root / "clips"

    @property
    def videos(self) -> Path:
        return self.clips / f"video_{self.split}"

    @property
    def tables(self) -> Path:
        return self.clips / f"metadata_{self.split}"

    @property
    def panoramas(self) -> Path:
        return self.root / "panoramas"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def panorama(self, recording: str, start: int) -> Path:
        """Path of the panorama in the middle of a window."""
        return self.panoramas / f"{recording}_start{start}.jpg"

    def has(self, clip: str) -> bool:
        """Whether a clip is complete; its table is written first."""
        return (self.videos / f"{clip}.mp4").exists() and (self.tables / f"{clip}.csv").exists()

    def discard(self, recording: str) -> None:
        """Remove all clips, tables and panoramas of a recording."""
        for folder in (self.videos, self.tables):
            for path in folder.glob(f"{recording}_deg*"):
                parsed = parse_clip_name(path.stem)
                if parsed is not None and parsed[0] == recording:
                    path.unlink()
        for path in self.panoramas.glob(f"{recording}_start*.jpg"):
            path.unlink()


@contextmanager
def writing() -> Iterator[None]:
    """Errors of writing in the block become UnwritableError."""
    try:
        yield
    except (SavgError, OSError) as error:
        sentence = str(error) if isinstance(error, SavgError) else f"{error.strerror or error}."
        raise UnwritableError(sentence) from error
