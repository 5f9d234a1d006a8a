"""A study's definition as one JSON file, from which a folder with a new database can be made."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from savg.errors import SavgError
from savg.mos.storage import schema
from savg.mos.storage.store import Store, StudyRow, sqlite_url
from savg.mos.study.design import Stimulus, Study
from savg.mos.study.folder import DATABASE, StudyFolder, describe_folder
from savg.mos.study.screening import ScreeningSound
from savg.paths import whole_folder

MEDIA = re.compile(r"[A-Za-z0-9_-]{1,64}\.[a-z0-9]{2,5}")


def definition(study: StudyFolder) -> dict[str, Any]:
    """Everything of a study but its participants and its media."""
    row = study.store.study(study.name)
    with study.store.reading() as connection:
        table = schema.study
        wanted = select(table.c.software).where(table.c.id == study.name)
        software = connection.execute(wanted).scalar_one()
    return {
        "study": row.study.to_dict(),
        "levels": row.levels,
        "software": software,
        "created_at": row.created_at,
        "stimuli": [vars(s) for s in row.stimuli],
        "sounds": [vars(s) for s in row.sounds],
    }


def read_definition(path: Path) -> dict[str, Any]:
    """A file of `definition`; SavgError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        _parts(found)
        float(found["created_at"]), str(found["software"]), dict(found["levels"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SavgError(f"{path.name} of {path.parent.name} defines no listening test.") from error
    return found  # type: ignore[no-any-return]


def _parts(made: dict[str, Any]) -> tuple[Study, list[Stimulus], list[ScreeningSound]]:
    return (
        Study.from_dict(made["study"]),
        [Stimulus(**s) for s in made["stimuli"]],
        [ScreeningSound(**s) for s in made["sounds"]],
    )


def same_study(row: StudyRow, made: dict[str, Any]) -> bool:
    """Whether a definition is that of a stored study: the same design, clips and sounds."""
    return (
        made["study"] == json.loads(json.dumps(row.study.to_dict()))
        and {s["id"] for s in made["stimuli"]} == {s.id for s in row.stimuli}
        and {s["id"] for s in made["sounds"]} == {s.id for s in row.sounds}
    )


def media_of(made: dict[str, Any]) -> list[str]:
    """The names of a study's media files."""
    _, stimuli, sounds = _parts(made)
    names = [*(s.media for s in stimuli), *(s.media for s in sounds)]
    for name in names:
        if not MEDIA.fullmatch(name):
            raise SavgError(f"{name[:60]!r} is no name of a media file.")
    return names


def make_folder(made: dict[str, Any], media: Path, path: Path) -> None:
    """A study folder without participants; media: where its files lie now."""
    study, stimuli, sounds = _parts(made)
    with whole_folder(path) as part:
        (part / "media").mkdir()
        digests = {s.media: s.sha256 for s in stimuli}
        for name in media_of(made):
            target = part / "media" / name
            shutil.copyfile(media / name, target)
            os.utime(target, (0, 0))
            expected = digests.get(name)
            if expected and hashlib.sha256(target.read_bytes()).hexdigest() != expected:
                raise SavgError(f"{name} of study {study.name} is not the file it was.")
        describe_folder(part, study.name)
        store = Store(sqlite_url(part / DATABASE), lambda: float(made["created_at"]))
        try:
            store.create_study(study, stimuli, sounds, made["levels"])
            with store.writing() as connection:
                connection.execute(update(schema.study).values(software=made["software"]))
        finally:
            store.close()
