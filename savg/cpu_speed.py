"""How much faster this machine's CPU is in bfloat16 than in float32, measured once.

No name of a unit or vendor decides: a convolution and a matrix product of the sizes that small
networks have are timed in both formats. The first result is kept in the user's cache folder for this
processor, version of torch and limit on oneDNN's instructions, so that a machine does not choose
differently from one day to the next; where that folder cannot be written each process measures.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from savg.errors import SavgError
from savg.paths import atomic_file

if TYPE_CHECKING:
    import torch

FASTER = 1.3
"""From this ratio on bfloat16 is worth its rounding."""

REPEATS = 5

LARGEST = 1e6
"""No gain is as large: a file that says so is damaged."""


def cache_file() -> Path:
    """Where measurements are kept, one for each machine that shares the folder.

    RuntimeError where the account has no home folder and XDG_CACHE_HOME names none.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "savg" / "cpu_speed.json"


def bfloat16_gain() -> float:
    """Time of float32 by time of bfloat16, from the cache or measured now (a tenth of a second)."""
    try:
        file = cache_file()
    except RuntimeError:
        file = None
    return _gain(file, _machine())


@lru_cache(maxsize=4)
def _gain(file: Path | None, machine: str) -> float:
    known = None if file is None else recall(file, machine)
    if known is not None:
        return known
    gain = _rounded(measure())  # now as later runs read it: the choice may hang on the last digit
    return gain if file is None else remember(gain, file, machine)


def recall(file: Path, machine: str) -> float | None:
    """The gain that was measured on this machine; None without one."""
    return _kept(file).get(machine)


def remember(gain: float, file: Path | None = None, machine: str | None = None) -> float:
    """Keep a gain in place of a measurement; returns what is kept for the machine.

    That is an earlier one, where there is one: processes that measure at the same time choose alike.
    Other machines' gains stay. Without a word where the folder cannot be written.
    """
    file, machine = file or cache_file(), machine or _machine()
    gain = _rounded(gain)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file.with_suffix(".lock")):
            kept = _kept(file)
            if machine in kept:
                return kept[machine]
            with atomic_file(file) as part:
                text = json.dumps({**kept, machine: gain}, indent=1)
                part.write_text(text + "\n", encoding="utf-8")
    except (OSError, SavgError):
        pass
    return gain


def _kept(file: Path) -> dict[str, float]:
    """The gains of all machines; what is damaged is left out."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        machine: float(gain)
        for machine, gain in values.items()
        if isinstance(gain, int | float) and not isinstance(gain, bool) and 0 < gain < LARGEST
    }


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


def _rounded(gain: float) -> float:
    return float(f"{gain:.4g}")


def measure() -> float:
    """Time of float32 by time of bfloat16, each the best of a few."""
    import torch

    with torch.inference_mode():
        single = _seconds(torch.float32, REPEATS)
        # where it is emulated one try shows it, and each takes long
        half = _seconds(torch.bfloat16, 1)
        if half < 2 * single:
            half = min(half, _seconds(torch.bfloat16, REPEATS))
    return single / half


def _seconds(dtype: torch.dtype, repeats: int) -> float:
    import torch

    layout = torch.channels_last
    frames = torch.ones(4, 64, 32, 32, dtype=dtype).contiguous(memory_format=layout)
    kernel = torch.full((64, 64, 3, 3), 0.01, dtype=dtype).contiguous(memory_format=layout)
    matrix = torch.full((256, 256), 0.01, dtype=dtype)
    best = math.inf
    for _ in range(repeats + 1):
        start = time.perf_counter()
        torch.nn.functional.conv2d(frames, kernel, padding=1)
        torch.matmul(matrix, matrix)
        best = min(best, time.perf_counter() - start)
    return best


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
