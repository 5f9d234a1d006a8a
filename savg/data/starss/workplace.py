"""Where a construction puts what it makes, until a split is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from savg.data.clip_names import parse_clip_name
from savg.errors import SavgError


class UnwritableError(SavgError):
    """Something that cannot be written, which is no fault of the recording and stops everything."""


@dataclass(frozen=True)
class Workplace:
    """Folders that a construction fills: clips and tables of a split, panoramas, unpacked files."""

    root: Path
    split: str

    @property
    def clips(self) -> Path:
        """What becomes the split's folder."""
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
        """Where the panorama in the middle of a window is kept."""
        return self.panoramas / f"{recording}_start{start}.jpg"

    def has(self, clip: str) -> bool:
        """Whether a clip is complete; its table is written first."""
        return (self.videos / f"{clip}.mp4").exists() and (self.tables / f"{clip}.csv").exists()

    def discard(self, recording: str) -> None:
        """Remove whatever there is of a recording."""
        for folder in (self.videos, self.tables):
            for path in folder.glob(f"{recording}_deg*"):
                parsed = parse_clip_name(path.stem)
                if parsed is not None and parsed[0] == recording:
                    path.unlink()
        for path in self.panoramas.glob(f"{recording}_start*.jpg"):
            path.unlink()


@contextmanager
def writing() -> Iterator[None]:
    """What cannot be written in the block becomes an UnwritableError."""
    try:
        yield
    except (SavgError, OSError) as error:
        sentence = str(error) if isinstance(error, SavgError) else f"{error.strerror or error}."
        raise UnwritableError(sentence) from error
