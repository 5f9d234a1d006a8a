"""A study of the dataset as a study folder; damaged ones raise SavgError."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savg.errors import SavgError, brief
from savg.json_files import read_object
from savg.mos.storage.rows import StudyRow
from savg.mos.storage.snapshot import merge, open_copy
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import DATABASE, describe_folder
from savg.paths import atomic_folder, file_sha256

STUDY_FILE = re.compile(r"([a-z0-9_-]{1,40})/study\.json", re.ASCII)
MEDIA = re.compile(r"[A-Za-z0-9_-]{1,64}\.[a-z0-9]{2,5}")


@dataclass(frozen=True)
class DatasetStudy:
    """A study as described by its study.json in the dataset; `more`: entries of its folder's."""

    name: str
    snapshot: Path
    content: str
    more: dict[str, str]


def read_study(folder: Path, name: str) -> DatasetStudy:
    """Read a study's folder of the dataset; SavgError unless its snapshot has the recorded digest."""
    try:
        facts: dict[str, Any] = read_object(folder / "study.json")
        content, digest = str(facts.pop("content")), facts.pop("sha256")
        if facts.pop("study") != name or facts.pop("database") != DATABASE:
            raise ValueError("not this study")
        more = {str(key): str(value) for key, value in facts.items()}
    except (SavgError, ValueError, KeyError, TypeError) as error:
        raise SavgError(f"{name}/study.json of the dataset describes no listening test.") from error
    snapshot = folder / DATABASE
    if not snapshot.is_file():
        raise SavgError(f"{name}/{DATABASE} is missing: the dataset's history has it.")
    if file_sha256(snapshot) != digest:
        raise SavgError(
            f"{name}/{DATABASE} was changed after it was written: the dataset's history has it as it "
            "was."
        )
    return DatasetStudy(name, snapshot, content, more)


def open_snapshot(study: DatasetStudy) -> Store:
    """A store of a copy of the snapshot; SavgError if it is not a database with this study."""
    copy = study.snapshot.with_name("opened") / DATABASE
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    shutil.copyfile(study.snapshot, copy)
    return open_copy(copy, study.name)


def media_names(row: StudyRow) -> list[str]:
    """The names of a study's media files; SavgError for one that is not allowed."""
    names = [*(s.media for s in row.stimuli), *(s.media for s in row.sounds)]
    for name in names:
        if not MEDIA.fullmatch(name):
            raise SavgError(
                f"Study {row.study.name}: {brief(name)} is not the name of a media file."
            )
    return names


def make_folder(
    study: DatasetStudy, snapshot: Store, media: Callable[[], Path], path: Path
) -> None:
    """Make the study folder `path` from the snapshot and its media, which are in the folder `media()`:
    asked for once all rows are taken over, so that a forged snapshot costs no download."""
    if path.exists():
        raise SavgError(f"{path} exists already and cannot be opened as study {study.name}.")
    row = snapshot.study(study.name)
    digests = {s.media: s.sha256 for s in row.stimuli}
    with atomic_folder(path, private=True) as part:
        describe_folder(part, study.name, more=study.more)
        with closing(Store(sqlite_url(part / DATABASE))) as store:
            merge(snapshot, store, study.name)
        (part / "media").mkdir()
        folder = media()
        for name in media_names(row):
            target = part / "media" / name
            shutil.copyfile(folder / name, target)
            os.utime(target, (0, 0))
            if digests.get(name) and file_sha256(target) != digests[name]:
                raise SavgError(f"{name} of study {study.name} is not the file it was.")
