"""Cases in processes of their own, watched from outside.

One process imports everything once and forks for each case, so that a case costs milliseconds, a crash
of a decoder ends that case alone, and nothing of one case reaches the next.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import multiprocessing
import os
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.fuzz.case import Case, Plan, Table

GIGABYTE = 2**30
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_POLL = 0.02
_WAITS = 25
"""Looks in a row at which every thread of a case waits."""


@dataclass(frozen=True)
class Limits:
    """Of one case: seconds of computing, or of waiting; seconds by the clock where a busy machine lets
    it do neither; and bytes of memory, those of the imported modules among them."""

    seconds: float = 10.0
    clock_seconds: float = 120.0
    memory: int = 2 * GIGABYTE


def outcomes(
    place: str, cases: Plan | Sequence[Case], limits: Limits = Limits(), jobs: int = 1
) -> Iterator[Any]:
    """The outcome of each case, in the order in which they end.

    place: "module:NAME" of a Table; jobs: cases at a time.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, place, cases, limits, jobs))
    process.start()
    theirs.close()
    try:
        while (outcome := ours.recv()) is not None:
            yield outcome
    except EOFError as error:
        raise RuntimeError("The process that runs the cases has ended.") from error
    finally:
        process.terminate()
        process.join()


@dataclass
class _Running:
    case: Case
    pid: int
    folder: Path
    pipe: int
    begin: float = field(default_factory=time.monotonic)
    data: bytes = b""
    fault: str = ""
    waits: int = 0


def _serve(
    connection: Connection, place: str, wanted: Plan | Sequence[Case], limits: Limits, jobs: int
) -> None:
    """The process that imports once and forks."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    module, name = place.split(":")
    table: Table = getattr(importlib.import_module(module), name)
    cases = wanted.cases(table) if isinstance(wanted, Plan) else list(wanted)
    gc.freeze()  # a collection would touch, and so copy, the memory that cases share
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        home = Path(temporary)
        used = {seed for case in cases for seed in table.readers[case.reader].seeds}
        _build(table, sorted(used), home / "seeds")
        waiting, running = cases[::-1], dict[int, _Running]()
        while waiting or running:
            while waiting and len(running) < jobs:
                one = _start(waiting.pop(), table, home, limits)
                running[one.pipe] = one
            ready, _, _ = select.select(list(running), [], [], _POLL)
            for pipe in ready:
                part = os.read(pipe, 1 << 16)
                running[pipe].data += part
                if not part:
                    connection.send(_end(running.pop(pipe), limits))
            for one in running.values():
                _watch(one, limits)
    connection.send(None)


def _build(table: Table, names: list[str], folder: Path) -> None:
    """Make the seeds in a process of their own, so that this one keeps no thread of an encoder."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for name in names:
                (folder / name).mkdir(parents=True)
                table.seeds[name].build(folder / name)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("The seeds could not be made.")


def _start(case: Case, table: Table, home: Path, limits: Limits) -> _Running:
    folder = Path(tempfile.mkdtemp(dir=home, prefix="case-"))
    theirs, ours = os.pipe()
    pid = os.fork()
    if pid:
        os.close(ours)
        return _Running(case, pid, folder, theirs)
    try:
        os.close(theirs)
        _confine(folder, limits)
        from tests.fuzz import judge

        outcome = judge.run(case, table, home / "seeds", folder)
        report = asdict(outcome) | {"case": str(case), "peak": _peak()}
        os.write(ours, json.dumps(report).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _confine(folder: Path, limits: Limits) -> None:
    """Limits, an own group of processes, and a folder for temporary files and what is printed."""
    os.setpgid(0, 0)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable(log)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (GIGABYTE, GIGABYTE))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")


def _peak() -> int:
    """Most memory that this process had in use."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _watch(one: _Running, limits: Limits) -> None:
    """Stop a case beyond its limits; it prints where it is."""
    with suppress(OSError, IndexError, ValueError):
        rss = int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) * _PAGE
        times = _stat(Path(f"/proc/{one.pid}/stat"))
        computed = (int(times[11]) + int(times[12])) / _TICK
        tasks = Path(f"/proc/{one.pid}/task").glob("*/stat")
        one.waits = one.waits + 1 if all(_stat(task)[0] == "S" for task in tasks) else 0
        elapsed = time.monotonic() - one.begin
        waited = elapsed > limits.seconds and one.waits > _WAITS
        if one.fault:
            if elapsed > limits.clock_seconds + 2:
                os.killpg(one.pid, signal.SIGKILL)
            return
        if rss > limits.memory:
            one.fault = "memory"
        elif waited or computed > limits.seconds or elapsed > limits.clock_seconds:
            one.fault = "hang"
        if one.fault:
            one.begin = time.monotonic() - limits.clock_seconds
            os.kill(one.pid, signal.SIGABRT)


def _stat(path: Path) -> list[str]:
    """The fields of a process or thread after its name, the state first."""
    return path.read_text().rpartition(")")[2].split()


def _end(one: _Running, limits: Limits) -> Any:
    """The outcome of a process that has ended."""
    from tests.fuzz.judge import Outcome

    os.close(one.pipe)
    with suppress(OSError):
        os.killpg(one.pid, signal.SIGKILL)
    _, status = os.waitpid(one.pid, 0)
    seconds = time.monotonic() - one.begin
    log = ""
    with suppress(OSError):
        log = (one.folder / "log").read_text(errors="replace")
        log = log.partition("Extension modules:")[0][-1500:]
    shutil.rmtree(one.folder, ignore_errors=True)
    if one.fault:
        return Outcome(one.case, one.fault, log, seconds=seconds)
    if not one.data:
        number = status & 127
        kind = signal.Signals(number).name if number else "exit"
        return Outcome(one.case, kind, log, seconds=seconds)
    report = json.loads(one.data)
    outcome = Outcome(**(report | {"case": one.case, "seconds": seconds}))
    if outcome.peak > limits.memory:
        return Outcome(one.case, "memory", f"{outcome.peak / 1e9:.1f} GB", outcome.peak, seconds)
    return outcome
