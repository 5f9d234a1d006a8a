"""A study with random media, and the real `python -m savg mos serve` for it, as a process."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.mos_kills import sample_study
from savg.mos.rehearsal.listener import Opinion
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import DATABASE, StudyFolder, describe_folder, open_folder

CLIP_BYTES, SOUND_BYTES = 280_000, 400_000
"""Sizes of a clip of 5 s (its audio alone has 200 kB) and of a screening sound."""


def study_folder(
    folder: Path,
    name: str,
    url: str | None = None,
    *,
    seconds: float = 5.0,
    clip_bytes: int = CLIP_BYTES,
    sound_bytes: int = SOUND_BYTES,
) -> StudyFolder:
    """A study folder whose clips and sounds are random bytes; url: its database elsewhere."""
    media = folder / "media"
    media.mkdir(parents=True)
    store = Store(url or sqlite_url(folder / DATABASE))
    sample_study(store, name, seconds=seconds)
    row = store.study(name)
    for items, size in ((row.stimuli, clip_bytes), (row.sounds, sound_bytes)):
        for item in items:
            (media / item.media).write_bytes(os.urandom(size))
    store.close()
    describe_folder(folder, name, elsewhere=bool(url))
    return open_folder(folder, url)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """`mos serve` of one study on 127.0.0.1, which may be killed and started again."""

    folder: Path
    url: str | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start and wait until it answers; returns the seconds. RuntimeError after four minutes."""
        command = [sys.executable, "-m", "savg", "mos", "serve", str(self.folder), "--no-admin"]
        command += ["--port", str(self.port)]
        environment = dict(os.environ)
        if self.url is not None:
            environment["SAVG_MOS_DATABASE"] = self.url
        began = time.monotonic()
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while time.monotonic() - began < 240:
            if self.process.poll() is not None:
                raise RuntimeError(f"The server ended with {self.process.returncode}.")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return time.monotonic() - began
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("The server did not start within four minutes.")

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def cpu_seconds(self) -> float:
        """Processor time used so far (Linux)."""
        assert self.process is not None
        values = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


class PlainPolicy:
    """A listener who answers the screening correctly and rates at random, until `leaving` is set."""

    def __init__(self, answers: Mapping[str, str], seed: int, thought: float = 2.5) -> None:
        self.answers, self.thought = answers, thought
        self.rng = random.Random(seed)
        self.leaving = False

    def device(self) -> Mapping[str, Any]:
        return {"browser": "benchmark"}

    def screening(self, view: Mapping[str, Any]) -> tuple[str, float]:
        return self.answers[view["media"]], 0.0

    def stays(self, trial: Mapping[str, Any]) -> bool:
        return not self.leaving

    def opinion(self, trial: Mapping[str, Any]) -> Opinion:
        thought = self.thought * self.rng.uniform(0.5, 1.5)
        return Opinion(self.rng.randint(1, 5), 1, thought)

    def answer(self, key: str) -> str:
        return {"hearing": "no"}.get(key, "")
