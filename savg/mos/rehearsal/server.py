"""The server of a rehearsal, `python -m savg.mos.rehearsal.server FOLDER --speed S`: its own process.

The ordinary listening application, but the clock of its database runs `speed` times as fast. It writes
its port as JSON to standard output and ends with its standard input, so that it never outlives its
parent.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from savg.errors import SavgError
from savg.numerals import number

STARTING_SECONDS = 60.0


def fast_clock(speed: float) -> Callable[[], float]:
    """Seconds since 1970 that pass `speed` times as fast from now on."""
    start, began = time.time(), time.monotonic()
    return lambda: start + speed * (time.monotonic() - began)


@contextmanager
def rehearsal_server(folder: Path, speed: float) -> Iterator[int]:
    """A server process of the study in `folder`, ended after the block; yields its port on 127.0.0.1.

    SavgError if it does not start.
    """
    command = [
        sys.executable,
        "-m",
        "savg.mos.rehearsal.server",
        str(folder),
        "--speed",
        repr(speed),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    last_lines: list[str] = []
    threading.Thread(target=_collect, args=(process.stderr, last_lines), daemon=True).start()
    timer = threading.Timer(STARTING_SECONDS, process.kill)
    timer.start()
    try:
        assert process.stdin is not None and process.stdout is not None
        line = process.stdout.readline()
        timer.cancel()
        try:
            port = int(json.loads(line)["port"])
        except (ValueError, KeyError, TypeError):
            process.wait(STARTING_SECONDS)
            last = last_lines[-1].strip() if last_lines else "no message"
            raise SavgError(f"The rehearsal's server did not start: {last}") from None
        yield port
    finally:
        timer.cancel()
        _stop(process)


def _collect(stream: Iterator[str], lines: list[str]) -> None:
    for line in stream:
        lines.append(line)
        del lines[:-20]


def _stop(process: subprocess.Popen[str]) -> None:
    with suppress(OSError):
        process.stdin.close()  # type: ignore[union-attr]
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    """Serve until standard input ends."""
    from savg.mos.web.app import listening_app
    from savg.mos.web.studies import Studies
    from savg.web.server import listening_socket, serve

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--speed", type=number, default=1.0)
    args = parser.parse_args()
    try:
        studies = Studies([args.folder], clock=fast_clock(args.speed))
        bound = listening_socket("127.0.0.1", 0)
        bound.listen(1024)
    except SavgError as error:
        print(error, file=sys.stderr)
        return 1

    def watch() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    print(json.dumps({"port": bound.getsockname()[1]}), flush=True)
    serve(listening_app(studies), bound)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
