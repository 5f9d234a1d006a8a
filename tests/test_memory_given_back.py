"""What was freed goes back to the system, after each job of the studio too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from savg.memory import _trim, give_back
from savg.studio.shared import job_queue
from savg.studio.shared.job_queue import JobQueue

SELF = Path("/proc/self/status")


def resident() -> int:
    """Bytes of this process's own memory that are in use."""
    match = re.search(r"RssAnon:\s+(\d+) kB", SELF.read_text())
    assert match is not None
    return int(match[1]) * 1024


@pytest.mark.skipif(not SELF.exists() or _trim() is None, reason="glibc alone can give memory back")
def test_freed_memory_goes_back() -> None:
    give_back()
    # Smaller than what has a mapping of its own, with a survivor at the end that keeps the heap's top.
    blocks = [bytearray(b"1" * 60_000) for _ in range(3000)]
    full, survivor = resident(), blocks[-1]
    del blocks
    assert give_back()
    assert resident() < full - 120_000_000
    assert len(survivor) == 60_000


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("savg.memory._trim", lambda: None)
    assert not give_back()


def test_memory_is_given_back_when_a_job_ends_and_not_when_one_stops_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(job_queue, "give_back", lambda: calls.append(None))
    queue = JobQueue()
    first, second = queue.join("a", "1"), queue.join("b", "2")
    assert queue.poll(first) is None
    queue.leave(second)
    assert not calls
    queue.leave(first)
    assert len(calls) == 1
