"""Audio files that visitors gave as examples: to be moved, to take a level from, to sound like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from savg.errors import MediaError
from savg.media.recording import SUFFIXES, read_recording
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, title_of, with_owners_name
from savg.studio.shared.storage import Storage
from savg.studio.video_to_audio.levels import levels_of
from savg.studio.video_to_audio.owned import OwnedFiles
from savg.video import Soundtrack

MAX_BYTES, MAX_RECORDINGS = 50_000_000, 4
"""Larger files are refused; of more files of one visitor the oldest go."""


@dataclass(frozen=True)
class Recording:
    """An audio file: what its owner calls it, where it lies, its seconds, its level over time."""

    key: str
    name: str
    path: Path
    seconds: float
    levels: list[float]

    def soundtrack(self) -> Soundtrack:
        """Its audio, of which what is later than the longest video is left out."""
        return Soundtrack(*read_recording(self.path, MAX_UPLOAD_SECONDS))


class Recordings(OwnedFiles[Recording]):
    """The audio files of one running studio; a visitor's go when the visitor does."""

    def __init__(self, storage: Storage | None = None, most: int = MAX_RECORDINGS) -> None:
        super().__init__(storage, most)

    def receive(self, path: Path, name: str, visitor: str) -> Recording:
        """Take over an uploaded file. MediaError, one sentence with its owner's name, if it is no
        audio that can be used."""
        title = title_of(name) or "audio"
        size = path.stat().st_size if path.is_file() else 0
        if size > MAX_BYTES:
            raise MediaError(
                f"“{title}” must be an audio file of at most {MAX_BYTES / 1e6:.0f} MB, got "
                f"{size / 1e6:.0f} MB."
            )
        try:
            samples, rate = read_recording(path, MAX_UPLOAD_SECONDS)
            audio = Soundtrack(samples, rate)
        except (MediaError, ValueError) as error:
            told = with_owners_name(error, path, title)
            raise MediaError(f"{told} It must be one of {', '.join(SUFFIXES)}.") from error
        if not samples.any():
            raise MediaError(f"“{title}” must not be silent.")
        key, place = self._place()
        seconds = samples.shape[1] / rate
        return self._take(path, Recording(key, title, place, seconds, levels_of(audio)), visitor)
