"""How a command ends: its exit code, one sentence for a mistake of the user, SIGTERM like Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from savg.errors import Cancelled, SavgError

SPINS = "10000"
"""Turns of waiting threads before they sleep; on a free machine as fast as the library's 300,000."""

TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM."""


class Terminated(KeyboardInterrupt):
    """Raised in the main thread by SIGTERM, so that what Ctrl-C cleans up is cleaned up."""


def wait_briefly() -> None:
    """Let threads of GNU's OpenMP, torch's on Linux, spin for a moment only while they wait for others.

    To be called before torch is imported; the user's own setting stays. Otherwise they spin for
    milliseconds: where other work holds the cores, most of the time goes there.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS


def run_command(run: Callable[[], int]) -> int:
    """Run a command; returns its exit code, or 1 after one sentence on standard error.

    SIGTERM stops it like Ctrl-C; the exit code is 143 then.
    """
    wait_briefly()
    _print_any_name()
    try:
        with terminable():
            return run()
    except SavgError as error:
        print(f"error: {error}", file=sys.stderr)
    except Terminated:
        print("Stopped.", file=sys.stderr)
        return TERMINATED
    except (KeyboardInterrupt, Cancelled):
        print("Stopped.", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()
    except MemoryError:
        print("error: There is not enough memory; try fewer clips at a time.", file=sys.stderr)
    except OSError as error:
        prefix = f"{error.filename}: " if error.filename else ""
        print(f"error: {SavgError(f'{prefix}{error.strerror or error}.')}", file=sys.stderr)
    return 1


@contextmanager
def terminable() -> Iterator[None]:
    """Within the block SIGTERM raises `Terminated` in the main thread, once; further ones wait for
    the clean-up. Where somebody else handles SIGTERM, and in other threads, nothing changes."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGTERM and Ctrl-C within the block take effect at its end.

    For starting processes: one whose parent is stopped while it hands over what the process needs
    ends in a traceback of its own. In other threads, which get no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, frame: pending.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for late in pending[:1]:
            signal.raise_signal(late)


def begin_worker(*ends: Callable[[], object]) -> None:
    """Prepare a spawned process: Ctrl-C is left to its parent, and it ends at once when that has ended
    or one of `ends` returns."""
    from multiprocessing import parent_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    waits = ends if parent is None else (*ends, parent.join)
    for wait in waits:
        threading.Thread(target=_end_after, args=(wait,), daemon=True).start()


def _end_after(wait: Callable[[], object]) -> None:
    wait()
    os._exit(1)


def _print_any_name() -> None:
    """Names of files that are no text are printed as the bytes they are, not refused."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
