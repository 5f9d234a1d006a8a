"""How long clips take on this machine, told from those that it has made."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from savg.studio.shared.job_queue import duration

KEPT = 0.5
"""Weight of what was known beside the newest measurement."""


class Pace:
    """Seconds that a clip takes, by pipeline and step; shared by all visitors."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, pipeline: str, steps: int, seconds: float) -> None:
        """One clip has taken so long."""
        rate = seconds / steps
        with self._lock:
            before = self._rates.get(pipeline, rate)
            self._rates[pipeline] = KEPT * before + (1 - KEPT) * rate

    def seconds(self, pipelines: Sequence[str], steps: float, clips: float) -> float | None:
        """What clips of each of some pipelines will take; None before one of them has made any."""
        rates = [self._rates.get(name) for name in pipelines]
        known = [rate for rate in rates if rate is not None]
        return None if len(known) < len(rates) else clips * steps * sum(known)

    def words(self, pipelines: Sequence[str], steps: float, clips: float) -> str:
        """The same for whoever is about to click."""
        seconds = self.seconds(pipelines, steps, clips)
        if seconds is None:
            return "How long it takes here is told once a clip has been made."
        return f"Takes about {duration(seconds)} here once its turn has come."
