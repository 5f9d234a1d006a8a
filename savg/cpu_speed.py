"""How much faster this machine's CPU is in bfloat16 than in float32, measured at first use.

No name of a unit or vendor decides: a convolution and a matrix product of the sizes that small
networks have are timed in both formats, in turn, and the shortest time of each counts: other work on
the machine only makes times longer. The result is kept in the user's cache folder for this processor,
version of torch and limit on oneDNN's instructions, so that a machine does not choose differently from
one day to the next. A result near the limit, or of a busy machine, is measured again by later processes
(`Measurement.is_settled`). Where that folder cannot be written each process measures.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from savg.errors import SavgError
from savg.fields import Between, check, from_json
from savg.paths import atomic_file

if TYPE_CHECKING:
    import torch

FASTER = 1.3
"""From this ratio on bfloat16 is worth its rounding."""

MARGIN = 1.25
"""A gain that is off FASTER by this factor is clear."""

BUSY = 1.0
"""Processes that want to run for each core, above which a machine is busy."""

ENOUGH = 8
"""Measurements of the machine after which its gain stands, clear or not."""

AGAIN_AFTER = 600.0
"""Seconds for which even an unsettled measurement stands: processes of one run choose alike."""

ROUNDS, SECONDS = 12, 0.5
"""Of a measurement: no further round begins after so many, or so long; there are at least two."""

Seconds = Annotated[float, Between(1e-9, 1e6)]


@dataclass(frozen=True)
class Measurement:
    """The shortest times in seconds that were measured in each format on one machine.

    count: how often it was measured; when: the last time, in seconds since 1970; load: the smallest
    number of running processes for each core at one of those times, None where the system does not say.
    """

    float32: Seconds
    bfloat16: Seconds
    count: Annotated[int, Between(1, ENOUGH)] = 1
    when: Annotated[float, Between(0, 1e11)] = 0.0
    load: Annotated[float, Between(0, 1e6)] | None = None

    def __post_init__(self) -> None:
        check(self)

    @property
    def gain(self) -> float:
        """Time of float32 by time of bfloat16."""
        return self.float32 / self.bfloat16

    @property
    def is_settled(self) -> bool:
        """Whether it need not be measured again: clear and of a machine that was not busy or measured
        twice, or measured ENOUGH times."""
        is_clear = not FASTER / MARGIN < self.gain < FASTER * MARGIN
        was_calm = self.load is None or self.load <= BUSY
        return self.count >= ENOUGH or (is_clear and (was_calm or self.count > 1))

    def stands(self, now: float) -> bool:
        """Whether a process that starts at `now` takes it as it is."""
        return self.is_settled or 0.0 <= now - self.when < AGAIN_AFTER

    def with_later(self, later: Measurement) -> Measurement:
        """Both together."""
        loads = [one.load for one in (self, later) if one.load is not None]
        return Measurement(
            min(self.float32, later.float32),
            min(self.bfloat16, later.bfloat16),
            min(ENOUGH, self.count + later.count),
            later.when,
            min(loads, default=None),
        )


def cache_file() -> Path:
    """Where measurements are kept, one for each machine that shares the folder.

    RuntimeError where the account has no home folder and XDG_CACHE_HOME names none.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "savg" / "cpu_speed.json"


def bfloat16_gain() -> float:
    """Time of float32 by time of bfloat16, from the cache or measured now (half a second)."""
    try:
        file = cache_file()
    except RuntimeError:
        file = None
    return _gain(file, _machine())


@lru_cache(maxsize=4)
def _gain(file: Path | None, machine: str) -> float:
    if file is None:
        return measure().gain
    known = recall(file, machine)
    if known is not None and known.stands(time.time()):
        return known.gain
    return remember(measure(), file, machine, known).gain


def recall(file: Path, machine: str) -> Measurement | None:
    """What was measured on this machine; None without it."""
    return _kept(file).get(machine)


def remember(
    measured: Measurement,
    file: Path | None = None,
    machine: str | None = None,
    known: Measurement | None = None,
) -> Measurement:
    """Keep a measurement together with `known`, which was recalled before; returns what counts.

    That is another process's measurement, where one was written since: processes that measure at the
    same time choose alike. Other machines' stay. Without a word where the folder cannot be written.
    """
    file, machine = file or cache_file(), machine or _machine()
    both = known.with_later(measured) if known else measured
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file.with_suffix(".lock")):
            kept = _kept(file)
            if machine in kept and kept[machine] != known:
                return kept[machine]
            with atomic_file(file) as part:
                values = {name: asdict(one) for name, one in {**kept, machine: both}.items()}
                part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    except (OSError, SavgError):
        pass
    return both


def _kept(file: Path) -> dict[str, Measurement]:
    """The measurements of all machines; what is damaged, or a bare gain as earlier versions kept it,
    is left out."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    read = {machine: _read(value) for machine, value in values.items()}
    return {machine: one for machine, one in read.items() if one is not None}


def _read(values: Any) -> Measurement | None:
    try:
        return from_json(Measurement, values, "measurement", SavgError)
    except SavgError:
        return None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """In its body no other process writes, where the system has such locks."""
    with lock.open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):  # on Windows, or a disk without locks
            pass
        yield


def measure() -> Measurement:
    """Times of both formats on this machine, measured in turn, each the best of a few."""
    import torch

    with torch.inference_mode():
        trials = [_trial(dtype) for dtype in (torch.float32, torch.bfloat16)]
        best, rounds, start = [math.inf, math.inf], 0, time.perf_counter()
        while rounds < 2 or (rounds < ROUNDS and time.perf_counter() - start < SECONDS):
            best = [min(best[i], _seconds(trial)) for i, trial in enumerate(trials)]
            rounds += 1
    return Measurement(best[0], best[1], when=time.time(), load=_load())


def _trial(dtype: torch.dtype) -> Callable[[], None]:
    """What is timed in a number format."""
    import torch

    layout = torch.channels_last
    frames = torch.ones(4, 64, 32, 32, dtype=dtype).contiguous(memory_format=layout)
    kernel = torch.full((64, 64, 3, 3), 0.01, dtype=dtype).contiguous(memory_format=layout)
    matrix = torch.full((256, 256), 0.01, dtype=dtype)

    def run() -> None:
        torch.nn.functional.conv2d(frames, kernel, padding=1)
        torch.matmul(matrix, matrix)

    return run


def _seconds(trial: Callable[[], None]) -> float:
    start = time.perf_counter()
    trial()
    return time.perf_counter() - start


def _load() -> float | None:
    """Processes that wanted to run in the last minute, for each core that this one may use."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except (AttributeError, OSError):  # on Windows
        return None


def _machine() -> str:
    """What the measurement is of."""
    import torch

    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "all")
    return f"{_processor()}, torch {torch.__version__}, oneDNN {limit}"


@lru_cache(maxsize=1)
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("vendor_id", "cpu family", "model", "model name", "flags", "Features")
    facts = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    flags = facts.get("flags") or facts.get("Features") or ""
    units = " ".join(sorted(f for f in flags.split() if f.startswith(("avx512", "amx", "bf16"))))
    named = " ".join(facts[key] for key in wanted[:4] if key in facts)
    return f"{platform.machine()} {named} [{units}]"
