"""Readers of zip files: recordings of STARSS23 and released weights."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from starss_takes import Sounding, write_take

from savg.data.starss.recordings import find_recordings
from savg.models.seld import CONFIGS as SELD
from savg.models.seld import Seld
from tests.fuzz.case import Reader, Seed, Trial
from tests.fuzz.judge import Fault
from tests.fuzz.readers.commands import command


def _recordings(folder: Path) -> None:
    """One recording in three zip files, as they are published."""
    write_take(folder, "fold3_room1_mix001", [Sounding(0, 0.3)], seconds=0.4, size=(64, 32))
    for name in ("foa_dev", "video_dev", "metadata_dev"):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((folder / name).rglob("*.*")):
                archive.write(path, path.relative_to(folder))
                path.unlink()


def _released(folder: Path) -> None:
    torch.manual_seed(0)
    with zipfile.ZipFile(folder / "seed.zip", "w") as archive:
        with archive.open("weights/params_swa_20240912162834_0040000.pth", "w") as file:
            torch.save({"model_state_dict": Seld(SELD["tiny"]).state_dict()}, file)
        archive.writestr("weights/README.md", "# Weights")


SEEDS = {
    "recordings": Seed(_recordings, targets=("*.zip",)),
    "released": Seed(_released, "seed.zip"),
}


def _find(trial: Trial) -> None:
    for recording in find_recordings(trial.path).recordings:
        recording.state(), recording.fingerprint()
        with recording.files(trial.scratch) as files:
            if not files.audio.is_relative_to(trial.scratch):
                raise Fault(f"{files.audio} was unpacked elsewhere")


def _import(trial: Trial) -> None:
    command(["weights", "import", str(trial.path), "--out", str(trial.out / "weights")])


READERS = {
    "recordings": Reader(_find, ("recordings",), 5),
    "released": Reader(_import, ("released",)),
}
