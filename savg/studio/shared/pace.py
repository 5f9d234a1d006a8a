"""How long clips take on this machine, told from those that it has made."""

from __future__ import annotations

import threading
from collections.abc import Mapping

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

    def seconds(self, steps: Mapping[str, float], clips: float) -> float | None:
        """What clips of each of some pipelines will take, by the steps of each; None before one of them
        has made any."""
        if not steps.keys() <= self._rates.keys():
            return None
        return clips * sum(self._rates[name] * count for name, count in steps.items())

    def words(self, steps: Mapping[str, float], clips: float) -> str:
        """The same for whoever is about to click."""
        seconds = self.seconds(steps, clips)
        if seconds is None:
            return "How long it takes here is told once a clip has been made."
        return f"Takes about {duration(seconds)} here once its turn has come."
