"""Videos that visitors uploaded to get audio, under opaque keys in a folder that is not served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from savg.errors import MediaError
from savg.media.probe import VideoInfo, video_info
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, title_of, with_owners_name
from savg.studio.shared.storage import Storage
from savg.studio.video_to_audio.owned import OwnedFiles

MAX_BYTES = 200_000_000
"""Larger files are refused."""

MAX_VIDEOS = 4
"""Videos of one visitor: beyond this many, the oldest of that visitor go."""

GONE = "This video is no longer here: choose it again."


@dataclass(frozen=True)
class Source:
    """A video that is to get audio: what its owner calls it, where it lies, what it says of itself."""

    key: str
    name: str
    path: Path
    facts: VideoInfo

    @property
    def words(self) -> str:
        """Size, rate, length and audio, for people."""
        f = self.facts
        seconds = f", {f.seconds:.4g} s"
        layouts = {0: "no audio", 1: "mono audio", 2: "stereo audio"}
        audio = layouts.get(f.channels, f"{f.channels} channels of audio")
        return f"{f.width}×{f.height}, {float(f.fps):.4g} frames a second{seconds}, {audio}"


class Uploads(OwnedFiles[Source]):
    """The uploaded videos of one running studio; a visitor's go when the visitor does."""

    def __init__(self, storage: Storage | None = None, max_videos: int = MAX_VIDEOS) -> None:
        super().__init__(storage, max_videos)
        self._clips: dict[str, list[str]] = {}

    def receive(self, path: Path, name: str, visitor: str) -> Source:
        """Take over an uploaded file. MediaError, one sentence with its owner's name, if it is no
        video that can get audio."""
        title = title_of(name) or "video"
        facts = _checked(path, title)
        key, place = self._place()
        return self._take(path, Source(key, title, place, facts), visitor)

    def add_clips(self, visitor: str, keys: Iterable[str]) -> None:
        """Keys of the library's clips that came of the visitor's videos."""
        with self._lock:
            self._clips.setdefault(visitor, []).extend(keys)

    def clips_of(self, visitor: str) -> frozenset[str]:
        """Those keys."""
        with self._lock:
            return frozenset(self._clips.get(visitor, ()))

    def forget(self, visitor: str) -> list[str]:
        """The visitor has left; returns the keys of the library's clips that are to go too."""
        self.drop_all(visitor)
        with self._lock:
            return self._clips.pop(visitor, [])


def _checked(path: Path, title: str) -> VideoInfo:
    """What a file says of itself; MediaError if it is too large, too long or no video."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise MediaError(f"“{title}” is no longer there: choose it again.") from error
    if size > MAX_BYTES:
        raise MediaError(
            f"“{title}” must be a video of at most {MAX_BYTES / 1e6:.0f} MB, got "
            f"{size / 1e6:.0f} MB."
        )
    try:
        info = video_info(path)
    except MediaError as error:
        raise MediaError(with_owners_name(error, path, title)) from error
    if info.seconds > MAX_UPLOAD_SECONDS + 0.5:
        raise MediaError(
            f"“{title}” must be a video of at most {MAX_UPLOAD_SECONDS:.0f} s, got "
            f"{info.seconds:.0f} s."
        )
    return info
