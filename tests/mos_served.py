"""`mos serve` as a process of its own, raw sockets to it, and a listener who rates there."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.mos_server import PlainPolicy, free_port, study_folder
from savg.mos.rehearsal.listener import Attendance, Pace, attend
from savg.mos.rehearsal.visitor import Visitor
from savg.mos.study.folder import StudyFolder
from savg.web.client import NoAnswer


class Served:
    """A study `one` with clips of a tenth of a second at a server process."""

    def __init__(
        self, folder: Path, *arguments: str, files: int | None = None, clip_bytes: int = 20_000
    ) -> None:
        self.study: StudyFolder = study_folder(
            folder / "one", "one", seconds=0.1, clip_bytes=20_000, sound_bytes=20_000
        )
        for clip in self.study.store.study("one").stimuli:
            os.truncate(self.study.media / clip.media, clip_bytes)  # zeros take no room on the disk
        self.port = free_port()
        self.log = folder / "log.txt"

        def limit() -> None:
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        command = [sys.executable, "-m", "savg", "mos", "serve", str(folder / "one")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=limit,
                env={**os.environ, "SAVG_ADMIN_PASSWORD": "a password for the organiser"},
            )
        began = time.monotonic()
        while True:
            assert self.process.poll() is None, self.log.read_text()
            with suppress(OSError):
                self.connect().close()
                return
            assert time.monotonic() - began < 120
            time.sleep(0.05)

    def connect(self, port: int | None = None) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", port or self.port), 30)

    def send(self, raw: bytes, seconds: float = 30.0, port: int | None = None) -> bytes:
        """What comes back for some bytes until the server closes, or a reply is complete."""
        with self.connect(port) as wire:
            wire.settimeout(seconds)
            got = b""
            with suppress(OSError):
                wire.sendall(raw)
                while part := wire.recv(65_536):
                    got += part
                    if _is_complete(got, raw):
                        break
        return got

    def get(self, path: str, *headers: str, port: int | None = None) -> bytes:
        """The reply to a GET."""
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""]
        return self.send("\r\n".join(lines).encode("latin-1"), port=port)

    def rate(self, ratings: int = 3) -> dict[tuple[str, int], int]:
        """A new listener goes through the screening and rates some clips; what was acknowledged."""
        link = self.study.store.invite("one")[0]
        sounds = self.study.store.study("one").sounds
        policy = PlainPolicy({s.media: s.answer for s in sounds}, 0, 0.01)
        acknowledged: dict[tuple[str, int], int] = {}

        def record(code: str, position: int, score: int) -> None:
            acknowledged[code, position] = score
            policy.leaving = len(acknowledged) >= ratings

        async def listen() -> Attendance:
            visitor = Visitor("127.0.0.1", self.port, "one", link.token, 60.0)
            try:
                return await attend(visitor, policy, Pace(), record)
            finally:
                visitor.close()

        asyncio.run(listen())
        assert len(acknowledged) == ratings
        return acknowledged

    def rate_on(self) -> dict[tuple[str, int], int]:
        """As `rate`, until the server ends."""
        link = self.study.store.invite("one")[0]
        sounds = self.study.store.study("one").sounds
        policy = PlainPolicy({s.media: s.answer for s in sounds}, 0, 0.01)
        acknowledged: dict[tuple[str, int], int] = {}

        def record(code: str, position: int, score: int) -> None:
            acknowledged[code, position] = score

        async def listen() -> None:
            visitor = Visitor("127.0.0.1", self.port, "one", link.token, 1.0)
            with suppress(NoAnswer):
                await attend(visitor, policy, Pace(), record)
            visitor.close()

        asyncio.run(listen())
        return acknowledged

    def stored(self) -> dict[tuple[str, int], int]:
        """All ratings in the database."""
        return {(r.participant, r.position): r.score for r in self.study.store.ratings("one")}

    def stop(self, seconds: float = 40.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self) -> None:
        """End the process and close the database."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.study.store.close()

    @property
    def errors(self) -> str:
        """What the server has written to standard error so far."""
        return self.log.read_text()


def _is_complete(got: bytes, sent: bytes) -> bool:
    """Whether bytes that came hold a whole final reply with a length, or one that has no body."""
    head, mark, body = got.partition(b"\r\n\r\n")
    if not mark:
        return False
    status = head.split(b" ", 2)[1:2]
    if status == [b"100"]:
        return _is_complete(body, sent)
    if status == [b"304"] or sent.startswith(b"HEAD "):
        return True
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return bool(lengths) and len(body) >= lengths[0]
