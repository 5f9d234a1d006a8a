"""A study as a folder: study.json, media/ with clips and screening sounds, study.sqlite.

Only media/ is ever served, and no other account of the machine can read any of it. With a database
elsewhere the folder holds the media alone, and whoever opens it names the database.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from savg.audio.loudness import RATE
from savg.errors import SavgError, brief, first_line
from savg.format import SAVGBENCH, ClipFormat
from savg.json_files import read_json
from savg.media.audio_file import write_audio
from savg.mos.storage.engine import DatabaseFailure
from savg.mos.storage.rows import UnknownStudy
from savg.mos.storage.snapshot import UNREADABLE, check_rows
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import Study
from savg.mos.study.scores import LEVELS_KEY, find_scores
from savg.mos.study.screening import make_set
from savg.mos.study.stimuli import TARGET_LUFS, BuiltStimuli, OnClip, build
from savg.paths import atomic_folder
from savg.private_files import is_shared, make_private

DATABASE = "study.sqlite"

DATABASE_VARIABLE = "SAVG_MOS_DATABASE"
"""Environment variable with the URL of a database elsewhere (it may hold a password)."""


@dataclass(frozen=True)
class StudyFolder:
    """An opened study."""

    path: Path
    name: str
    store: Store

    @property
    def media(self) -> Path:
        """The folder of clips and screening sounds."""
        return self.path / "media"


def create_folder(
    study: Study,
    folders: Mapping[str, Path],
    path: Path,
    *,
    url: str | None = None,
    clips: int = 100,
    format: ClipFormat = SAVGBENCH,
    target: float = TARGET_LUFS,
    on_clip: OnClip | None = None,
    scores: Mapping[str, Path] | None = None,
    checked: bool = False,
) -> BuiltStimuli:
    """Make a study folder: clips of each condition, screening sounds, and the database.

    The folder appears only when it is complete; a folder that exists and is not empty is never
    touched.

    Args:
        folders, clips, format, target, on_clip: as in `stimuli.build`.
        path: the new folder.
        url: a database elsewhere (PostgreSQL); by default SQLite in the folder.
        scores: by condition, files of Spatial AV-Align scores that do not lie beside the clips.
        checked: `check_elsewhere` was called for `url` and the study's name.

    Raises:
        SavgError: `path` is in use, the study exists in that database, or the clips do not suit.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SavgError(f"{path} exists already: a study needs a new folder.")
    if url is not None and not checked:
        check_elsewhere(url, study.name)
    spatial = find_scores(folders, scores or {})
    with atomic_folder(path, private=True) as part:
        media = part / "media"
        media.mkdir()
        built = build(
            study, folders, media, clips=clips, format=format, target=target, on_clip=on_clip
        )
        sounds = []
        for sound, samples in make_set(study.seed, built.loudness, lambda: secrets.token_hex(12)):
            write_audio(media / sound.media, samples, RATE)
            os.utime(media / sound.media, (0, 0))
            sounds.append(sound)
        describe_folder(part, study.name, elsewhere=url is not None)
        store = Store(url or sqlite_url(part / DATABASE))
        try:
            levels = built.summary() | ({LEVELS_KEY: spatial} if spatial else {})
            store.create_study(study, built.stimuli, sounds, levels)
        finally:
            store.close()
    return built


def describe_folder(
    folder: Path, name: str, *, elsewhere: bool = False, more: Mapping[str, str] | None = None
) -> None:
    """Write the study.json that `open_folder` reads; elsewhere: the database is not in the folder;
    more: further entries."""
    description = {"study": name, "database": None if elsewhere else DATABASE, **(more or {})}
    (folder / "study.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def check_elsewhere(url: str, name: str) -> None:
    """SavgError, before hours of transcoding, if the study cannot be added to that database."""
    store = Store(url)
    try:
        if name in store.studies():
            raise SavgError(f"A study called {name} exists already: choose another name.")
    finally:
        store.close()


def open_folder(
    path: Path, url: str | None = None, clock: Callable[[], float] = time.time
) -> StudyFolder:
    """Open a study; `url` (or the environment variable) where its database is elsewhere."""
    if not (path / "study.json").exists():
        raise SavgError(f"{path} is not a study: it has no study.json.")
    description = read_json(path / "study.json")
    try:
        name, database = description["study"], description["database"]
    except (KeyError, TypeError) as error:
        raise SavgError(f"{path / 'study.json'} does not describe a study.") from error
    if database is None:
        url = url or os.environ.get(DATABASE_VARIABLE)
        if not url:
            raise SavgError(
                f"The database of {path} is elsewhere: give --database or set {DATABASE_VARIABLE}."
            )
    elif not (path / DATABASE).is_file():
        raise SavgError(f"{path} has no {DATABASE}: the database was not moved with it.")
    if is_shared(path):
        make_private(path)
    return StudyFolder(
        path, name, _open_store(path, name, url if database is None else None, clock)
    )


def _open_store(path: Path, name: str, url: str | None, clock: Callable[[], float]) -> Store:
    """The database of a study folder; SavgError if it is damaged or does not hold the study."""
    store = Store(url or sqlite_url(path / DATABASE), clock)
    try:
        store.check()
        store.study(name)
        check_rows(store, name)
    except UnknownStudy as error:
        store.close()
        raise SavgError(
            f"{path / 'study.json'} names the study {brief(name)}, which its database does not hold."
        ) from error
    except (DatabaseFailure, *UNREADABLE) as error:
        store.close()
        place = f"The database of {path}" if url else str(path / DATABASE)
        raise SavgError(f"{place} could not be read: {first_line(error)}.") from error
    return store


def format_of(fps: int, size: int) -> ClipFormat:
    """The published clip format at another frame rate (frames/s) and size (pixels)."""
    base = SAVGBENCH.with_size(size) if size != SAVGBENCH.size else SAVGBENCH
    return replace(base, fps=fps, frames=max(1, round(base.seconds * fps)))
