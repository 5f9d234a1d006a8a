"""Readers with every fault that the harness is to catch, and sound ones."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from savg.errors import SavgError
from tests.fuzz.case import Reader, Seed, Table, Trial
from tests.videos import make_video


class _Raw(SavgError):
    """An error whose text stays as it is."""

    def __str__(self) -> str:
        return str(self.args[0])


def _refuse(trial: Trial) -> None:
    raise SavgError(f"{trial.path} is not a toy.")


def _lines(trial: Trial) -> None:
    raise _Raw(f"{trial.path} is not a toy.\nReally.")


def _long(trial: Trial) -> None:
    raise SavgError(f"{trial.path} is not a toy{' at all' * 100}.")


def _nameless(trial: Trial) -> None:
    raise SavgError("It is not a toy.")


def _no_sentence(trial: Trial) -> None:
    raise SavgError(f"{trial.path}: bad")


def _key_error(trial: Trial) -> None:
    _ = {}["toy"]


def _system_exit(trial: Trial) -> None:
    raise SystemExit(1)


def _compute_for_ever(trial: Trial) -> None:
    while True:
        pass


def _wait_for_ever(trial: Trial) -> None:
    time.sleep(3600)


def _eat(trial: Trial) -> None:
    eaten = []
    while True:
        eaten.append(np.ones(2**21))


def _eat_and_forget(trial: Trial) -> None:
    np.ones(2**26)


def _crash(trial: Trial) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _end(trial: Trial) -> None:
    os._exit(0)


def _half_a_file(trial: Trial) -> None:
    whole = make_video(trial.scratch / "whole.mp4", codecs=("libx264", "aac"))
    (trial.out / "half.mp4").write_bytes(whole.read_bytes()[:-4000])


def _whole_file(trial: Trial) -> None:
    make_video(trial.out / "whole.mp4", codecs=("libx264", "aac"))


def _file_and_error(trial: Trial) -> None:
    (trial.out / "result.csv").write_text("1\n")
    _refuse(trial)


def _temporary_beside(trial: Trial) -> None:
    (trial.out / ".result.1f2e.csv").write_text("1\n")


def _temporary_elsewhere(trial: Trial) -> None:
    import tempfile

    tempfile.mkstemp()


def _change(trial: Trial) -> None:
    trial.path.write_bytes(b"")


def _add(trial: Trial) -> None:
    Path(f"{trial.path}-wal").write_bytes(b"")


GOOD = {"value": lambda trial: None, "refuse": _refuse, "whole_file": _whole_file}

BAD = {
    "lines": (_lines, "message"),
    "long": (_long, "message"),
    "nameless": (_nameless, "message"),
    "no_sentence": (_no_sentence, "message"),
    "key_error": (_key_error, "KeyError"),
    "system_exit": (_system_exit, "SystemExit"),
    "compute_for_ever": (_compute_for_ever, "hang"),
    "wait_for_ever": (_wait_for_ever, "hang"),
    "eat": (_eat, "memory"),
    "eat_and_forget": (_eat_and_forget, "memory"),
    "crash": (_crash, "SIGSEGV"),
    "end": (_end, "exit"),
    "half_a_file": (_half_a_file, "fault"),
    "file_and_error": (_file_and_error, "fault"),
    "temporary_beside": (_temporary_beside, "fault"),
    "temporary_elsewhere": (_temporary_elsewhere, "fault"),
    "change": (_change, "fault"),
    "add": (_add, "fault"),
}
"""Name → reader, and the kind of its outcome."""

_READERS = GOOD | {name: read for name, (read, _) in BAD.items()}

TABLE = Table(
    {name: Reader(read, ("text",), renamed=False) for name, read in _READERS.items()},
    {"text": Seed(lambda folder: (folder / "toy.txt").write_text("toy"), "toy.txt")},
)
