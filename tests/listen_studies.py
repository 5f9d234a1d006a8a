"""Studies for the listener's page: short clips made for the test, and `mos serve` to be killed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from mos_clips import panned_clip

from savg.audio.loudness import RATE
from savg.format import ClipFormat
from savg.media.audio_file import write_audio
from savg.media.encode import Encoding, write_video
from savg.mos import session
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import Kind, Stimulus, Study, standard
from savg.mos.study.folder import DATABASE, StudyFolder, describe_folder, open_folder
from savg.mos.study.screening import make_set
from savg.mos.study.stimuli import BIT_RATE

ROOT = Path(__file__).resolve().parents[1]

FORMAT = ClipFormat(frames=4, fps=8, size=128, picture_height=72, label_fps=8)
"""Half a second."""

PANS = (-12.0, -5.0, 0.0, 3.0, 9.0)
"""Level differences of the clips, left over right, in dB."""

CONDITIONS = ("joint", "two_stage", "ground_truth")


def write_clip(path: Path, decibels: float, format: ClipFormat = FORMAT) -> None:
    """A clip as the clips of a study are written, `decibels` louder at the left."""
    clip = panned_clip(round(100 + decibels), decibels, 0.02, replace(format, sample_rate=RATE))
    write_video(path, clip.picture, format.fps, clip.audio, RATE, Encoding(audio_bit_rate=BIT_RATE))


def make_study(folder: Path, study: Study, format: ClipFormat = FORMAT) -> StudyFolder:
    """A study whose many clips are copies of a few, named and kept like those of a real one.

    Its screening sounds are real. A clip is called by its level difference.
    """
    media = folder / "media"
    media.mkdir(parents=True)
    for decibels in PANS:
        write_clip(folder / f"{decibels}.mp4", decibels, format)
    plan: list[tuple[str, Kind]] = [("practice", "practice")] * study.practice
    plan += [("catch", "catch")] * study.catch
    for group in study.groups:
        kind: Kind = "reference" if group.name == study.reference else "system"
        if group in study.anchors:
            kind = "swapped" if group.name == "swapped" else "mono"
        plan += [(group.name, kind)] * group.trials
    stimuli = []
    for number, (condition, kind) in enumerate(plan):
        decibels, name = PANS[number % len(PANS)], secrets.token_hex(12)
        shutil.copy(folder / f"{decibels}.mp4", media / f"{name}.mp4")
        expected = 2 if kind == "catch" else None
        stimuli.append(
            Stimulus(
                name, condition, f"{decibels}.mp4", f"{number}", kind, format.seconds,
                expected=expected,
            )
        )  # fmt: skip
    sounds = []
    for sound, samples in make_set(study.seed, -23.0, lambda: secrets.token_hex(12)):
        write_audio(media / sound.media, samples, RATE)
        sounds.append(sound)
    store = Store(sqlite_url(folder / DATABASE))
    store.create_study(study, stimuli, sounds)
    store.close()
    describe_folder(folder, study.name)
    return open_folder(folder)


def tiny_study(name: str, **settings: object) -> Study:
    """Six clips with one practice clip, no anchors, repeats or catch trials."""
    values: dict[str, object] = {
        "trials": 6, "anchor_trials": 0, "practice": 1, "repeats": 0, "catch": 0,
    }  # fmt: skip
    return standard(name, CONDITIONS, "ground_truth", **{**values, **settings})  # type: ignore[arg-type]


class Server:
    """`python -m savg mos serve` on one port, to be killed and started again."""

    def __init__(self, studies: Path, log: Path) -> None:
        self.studies, self.log = studies, log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["-m", "savg", "mos", "serve", "--root", str(self.studies), "--no-admin"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *command, "--port", str(self.port)],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 120
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.address}/listen/any", timeout=5) as reply:
                return reply.status == 200
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """As a machine does that runs out of memory: at once, without a word."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def answers_of(study: StudyFolder) -> Mapping[str, str]:
    """The right answer to each screening sound, by its media name."""
    return {s.media: s.answer for s in study.store.study(study.name).sounds}


def advance(folder: Path, token: str, *, ratings: int = 0, screening: bool = True) -> None:
    """Take a listener past consent, the screening and some ratings, without a browser."""
    clock = [time.time() - 86_400.0]
    study = open_folder(folder, clock=lambda: clock[0])
    right = answers_of(study)
    state = session.consent(study.store, token, {})
    while screening and (view := state.screening):
        state = session.answer_screening(
            study.store, token, view.stage, view.attempt, view.trial, right[view.media]
        )
    for _ in range(ratings):
        assert state.trial is not None
        session.serve(study.store, token, state.trial.position)
        clock[0] += 10
        state = session.rate(
            study.store,
            token,
            state.trial.position,
            3,
            plays=1,
            seconds_played=9.0,
            response_seconds=1.0,
        )
    study.store.close()
