"""The clips that the studio can show: generated, bundled and uploaded ones, each under an opaque key.

Files lie in one folder of the library and nowhere else; a key is 128 random bits, so whoever has it
was given it. Nothing that a browser sends becomes part of a path.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.errors import MediaError, SavgError
from savg.folders import VIDEO_SUFFIXES, videos_in
from savg.format import SAVGBENCH, ClipFormat
from savg.input_file import slashed
from savg.media.channels import AudioRules
from savg.media.clip_reader import audio_note
from savg.media.comment import read_comment, write_png
from savg.media.frames import frame_at
from savg.paths import assets_dir, atomic_file
from savg.pipelines.audio_settings import AudioSettings, ClipSettings, settings_of
from savg.pipelines.settings import GenerationSettings
from savg.studio.shared.images import jpeg
from savg.studio.shared.storage import Storage

VIDEO, POSTER, FRAME = "clip.mp4", "poster.jpg", "frame.png"
"""Files of a clip; the frame, of clips with settings, holds these as the video does."""

RESULTS = "clip"
"""Stem of the files that an annotation writes, in a folder for each detector."""

MAX_UPLOAD_SECONDS = 30.0
"""Longer files are refused: everything on screen is about single short clips."""

MAX_CLIPS = 80
"""Clips that one visitor has, examples included: beyond this many, the visitor's oldest go."""

MAX_TOGETHER = 1500
"""Clips of all visitors: beyond this many, none is added."""

AUDIO = AudioRules()
"""What becomes the audio of an opened file: mono and loudspeaker layouts too; its origin tells."""

EXAMPLES = "Example"

NOBODY = ""
"""Owner of clips that belong to no visitor."""


@dataclass(frozen=True)
class StoredClip:
    """One clip of the library: `title` and `origin` are text for people, `folder` holds its files.

    owner: the visitor whose clip it is, NOBODY, or None for an example, which stays; settings:
    those that it was generated with, or that its file says it was; name: of its downloads, if not
    the title.
    """

    key: str
    title: str
    origin: str
    folder: Path
    owner: str | None = NOBODY
    settings: ClipSettings | None = None
    name: str = ""

    def path(self, name: str) -> Path:
        """The file of one of the names above."""
        return self.folder / name

    @property
    def stem(self) -> str:
        """A plain file name for downloads, without suffix: pipeline and seed of a generated clip."""
        words = self.name or self.title
        if words.lower().endswith(VIDEO_SUFFIXES):
            words = words.rpartition(".")[0]
        words = words.lower()
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in words)
        return "-".join(part for part in plain.split("-") if part)[:64] or "clip"

    def results(self, detector: str) -> Path:
        """The folder of what a person detector, by its name in the registry, led to."""
        return self.folder / detector


class Library:
    """The stored clips of one running studio; its folder goes when the studio ends."""

    def __init__(
        self, root: Path | None = None, max_clips: int = MAX_CLIPS, storage: Storage | None = None
    ) -> None:
        self.storage = storage or Storage(root)
        self.root = self.storage.root
        self.max_clips = max_clips
        self._clips: dict[str, StoredClip] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __getitem__(self, key: object) -> StoredClip:
        clip = self._clips.get(key) if isinstance(key, str) else None
        if clip is None:
            raise SavgError("This clip is no longer here: open or generate it again.")
        return clip

    def get(self, keys: Iterable[str]) -> list[StoredClip]:
        """The clips of those keys that are still here."""
        return [self._clips[key] for key in keys if key in self._clips]

    def add(
        self,
        clip: Clip,
        title: str,
        origin: str,
        owner: str | None = NOBODY,
        settings: ClipSettings | None = None,
        name: str = "",
    ) -> StoredClip:
        """Store a clip with its poster; SavgError if it cannot be written."""
        top, bottom = visible_rows(clip)
        poster = clip.video[clip.format.frames // 2, top:bottom]
        comment = settings.to_text() if settings else ""
        return self.store(
            lambda path: clip.write(path, comment), poster, title, origin, owner, settings, name
        )

    def store(
        self,
        write: Callable[[Path], Any],
        poster: NDArray[np.uint8],
        title: str,
        origin: str,
        owner: str | None = NOBODY,
        settings: ClipSettings | None = None,
        name: str = "",
    ) -> StoredClip:
        """Store the video that `write` writes to the path it is given, and an image [h, w, 3] of it.

        SavgError if it cannot be written, or there is no room for it; nothing is left then.
        """
        self.storage.check_room()
        if len(self._clips) >= MAX_TOGETHER:
            raise SavgError("The studio holds as many clips as it can: try again later.")
        key = secrets.token_hex(16)
        stored = StoredClip(key, title, origin, self.root / key, owner, settings, name)
        try:
            stored.folder.mkdir(parents=True)
            write(stored.path(VIDEO))
            if settings:
                write_png(stored.path(FRAME), poster, settings.to_text())
            if isinstance(settings, AudioSettings):
                for file, content in settings.files.items():
                    stored.path(file).write_text(content, encoding="utf-8")
            with atomic_file(stored.path(POSTER)) as part:
                part.write_bytes(jpeg(poster))
        except (OSError, SavgError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SavgError(f"The clip could not be stored: {reason}.") from error
        finally:
            if not stored.path(POSTER).is_file():
                shutil.rmtree(stored.folder, ignore_errors=True)
        with self._lock:
            self._clips[key] = stored
            own, examples = self._of(owner), self._of(None)
            too_many = len(own) + len(examples) - self.max_clips
        if owner is not None and too_many > 0:
            self.forget(own[:too_many])
        return stored

    def remember(self, key: str, row: dict[str, Any]) -> None:
        """Keep what a shelf shows of a clip as long as the clip."""
        self._rows[key] = row

    def rows(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What is remembered of those clips, by key."""
        return {key: self._rows[key] for key in keys if key in self._clips and key in self._rows}

    def adopt(self, keys: Iterable[str], owner: str, is_gone: Callable[[str], bool]) -> list[str]:
        """Give a visitor the clips of those keys whose owner `is_gone`; whoever has a key was given it.

        Returns the keys of the clips that are still here, of whatever visitor they are.
        """
        adopted = []
        with self._lock:
            for key in keys:
                clip = self._clips.get(key)
                if clip is None or clip.owner is None:
                    continue
                if clip.owner != owner and is_gone(clip.owner):
                    self._clips[key] = replace(clip, owner=owner)
                adopted.append(key)
        return adopted

    def owners(self) -> set[str]:
        """The visitors who have clips here."""
        with self._lock:
            return {clip.owner for clip in self._clips.values() if clip.owner}

    def forget_owner(self, owner: str) -> None:
        """Delete all clips of a visitor."""
        with self._lock:
            keys = self._of(owner)
        self.forget(keys)

    def _of(self, owner: str | None) -> list[str]:
        """Keys of an owner's clips, oldest first."""
        return [key for key, clip in self._clips.items() if clip.owner == owner]

    def forget(self, keys: Iterable[str]) -> None:
        """Delete clips and their annotations."""
        for key in keys:
            with self._lock:
                stored = self._clips.pop(key, None)
                self._rows.pop(key, None)
            if stored:
                shutil.rmtree(stored.folder, ignore_errors=True)

    def add_upload(
        self, path: str | os.PathLike[str], name: str, owner: str = NOBODY
    ) -> StoredClip:
        """Convert and store an uploaded file; `name` is what its owner calls it.

        Raises MediaError, one sentence with the owner's name for the file, if it is no clip.
        """
        title = title_of(name) or "upload"
        try:
            clip = Clip.read(path, max_seconds=MAX_UPLOAD_SECONDS, audio=AUDIO)
            note, settings = audio_note(path, AUDIO), settings_of(read_comment(path))
        except MediaError as error:
            raise MediaError(with_owners_name(error, path, title)) from error
        asked = isinstance(settings, GenerationSettings) and settings.direction_words
        told = f", asked for {asked}" if asked else ""
        origin = f"Opened file, {clip.format.seconds:.4g} s{told}. {note}".rstrip(". ")
        return self.add(clip, title, origin, owner, settings)

    def add_examples(self, folder: Path | None = None) -> list[str]:
        """Store the bundled example clips (the videos of `assets/examples`); returns their keys.

        They are as `Clip.write` writes them, with the settings as comment, and are copied: nothing is
        encoded when a studio starts. Beside NAME.mp4, NAME.json may hold {"title", "origin",
        "settings"}.
        """
        folder = folder or assets_dir() / "examples"
        keys = []
        for path in videos_in(folder):
            about = path.with_suffix(".json")
            card = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
            title = card.get("title", path.stem.replace("_", " "))
            origin = card.get("origin", EXAMPLES)
            settings = settings_of(card.get("settings", ""))
            copy = partial(shutil.copyfile, path)
            keys.append(self.store(copy, poster_of(path), title, origin, None, settings).key)
        return keys


def title_of(name: str) -> str:
    """What an uploaded file is called on the page, empty where its owner's name for it says nothing."""
    return slashed(name).name.strip()[:80]


def with_owners_name(error: Exception, path: str | os.PathLike[str], name: str) -> str:
    """What an error says, with its owner's name for the file."""
    return str(error).replace(str(path), f"“{name}”")


def media_url(path: Path) -> str:
    """Where the browser finds a file of the library, relative to the page."""
    return f"gradio_api/file={path.as_posix()}"


def poster_of(path: Path) -> NDArray[np.uint8]:
    """The middle frame [h, w, 3] of a clip as `Clip.write` writes it, without black padding."""
    return _visible(frame_at(path, SAVGBENCH.frames // 2), SAVGBENCH)


def visible_rows(clip: Clip) -> tuple[int, int]:
    """First and last+1 row of the frame worth showing: black padding is left out."""
    format = clip.format
    padding = (clip.video[:, : format.top], clip.video[:, format.bottom :])
    if all(map(_is_black, padding)):
        return format.top, format.bottom
    return 0, format.size


def _visible(frame: NDArray[np.uint8], format: ClipFormat) -> NDArray[np.uint8]:
    """The rows of a single frame [h, w, 3] worth showing; all where it is not of the format."""
    in_format = frame.shape[:2] == (format.size, format.size)
    if in_format and _is_black(frame[: format.top]) and _is_black(frame[format.bottom :]):
        return frame[format.top : format.bottom]
    return frame


def _is_black(rows: NDArray[np.uint8]) -> bool:
    return rows.size == 0 or int(rows.max()) < 24
