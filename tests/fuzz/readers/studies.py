"""Readers of listening tests: study folders, snapshots of their databases, reports."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

from benchmarks.mos_kills import sample_study
from savg.errors import SavgError
from savg.input_file import input_file
from savg.mos.hub.restore import make_folder, open_snapshot, read_study
from savg.mos.results.progress import progress_of
from savg.mos.storage.snapshot import write_snapshot
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import DATABASE, describe_folder, open_folder
from savg.paths import file_sha256
from savg.studio.results.result_files import Reports
from tests.fuzz.case import Reader, Seed, Trial
from tests.videos import make_video


def _study(folder: Path) -> None:
    """A study without media, with a few listeners."""
    store = Store(sqlite_url(folder / DATABASE))
    sample_study(store, "seed", clips=22)
    store.invite("seed", 3)
    describe_folder(folder, "seed")
    store.close()


def _snapshot(folder: Path) -> None:
    """A study as a dataset holds it."""
    store = Store(sqlite_url(folder / "source.sqlite"))
    sample_study(store, "seed", clips=22)
    store.invite("seed", 3)
    content = write_snapshot(store, "seed", folder / DATABASE)
    row = store.study("seed")
    store.close()
    (folder / "media").mkdir()
    clip = make_video(folder / "source.mp4", width=32, height=32)
    for item in (*row.stimuli, *row.sounds):
        shutil.copyfile(clip, folder / "media" / item.media)
    for path in folder.glob("source*"):
        path.unlink()
    facts = {"study": "seed", "database": DATABASE, "content": content}
    (folder / "study.json").write_text(json.dumps(facts | {"sha256": ""}))
    _seal(folder)


def _seal(folder: Path) -> None:
    """Make the recorded digest of a snapshot true."""
    try:
        facts = json.loads(input_file(folder / "study.json", "study").read_text())
        facts["sha256"] = file_sha256(input_file(folder / DATABASE, "snapshot"))
        (folder / "study.json").write_text(json.dumps(facts))
    except (SavgError, OSError, ValueError, TypeError, LookupError, RecursionError):
        return


def _report(folder: Path) -> None:
    estimate = {"estimate": 3.0, "low": 2.5, "high": 3.5}
    result = {"study": {"name": "seed"}, "simulated": False, "conditions": [], "mos": estimate}
    (folder / "report.json").write_text(json.dumps(result))
    row = "joint,clip_1,5,3.2,0.5\n"
    header = "condition,clip,ratings,mean_rating,spatial_av_align\n"
    (folder / "clips.csv").write_text(header + row * 5)


SEEDS = {
    "study": Seed(_study, targets=("study.json", DATABASE)),
    "snapshot": Seed(_snapshot, targets=("study.json", DATABASE, DATABASE), seal=_seal),
    "report": Seed(_report, targets=("report.json", "clips.csv")),
}


def _open(trial: Trial) -> None:
    study = open_folder(trial.copy())
    with closing(study.store) as store:
        store.study(study.name), store.participants(study.name), store.ratings(study.name)
        progress_of(store, study.name)


def _restore(trial: Trial) -> None:
    folder = trial.copy()
    study = read_study(folder, "seed")
    with closing(open_snapshot(study)) as snapshot:
        make_folder(study, snapshot, lambda: folder / "media", trial.out / "seed")


def _reports(trial: Trial) -> None:
    reports = Reports([trial.path])
    choices, _ = reports.choices()
    for _, key in choices:
        reports.open(key)


READERS = {
    "study": Reader(_open, ("study",)),
    "restore": Reader(_restore, ("snapshot",), 5, alias="seed"),
    "reports": Reader(_reports, ("report",), 2),
}
