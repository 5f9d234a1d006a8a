"""Listeners at a real server process: what is acknowledged survives its kills, on every database."""

from __future__ import annotations

from pathlib import Path

from benchmarks.mos_kills_http import kill_often
from benchmarks.mos_load import run


def test_kills_of_the_server_lose_no_acknowledged_rating(url: str, tmp_path: Path) -> None:
    place = None if url.startswith("sqlite") else url
    outcome = kill_often(tmp_path / "study", place, kills=3, listeners=4, longest=0.3)
    assert outcome.kills == 3 and outcome.acknowledged >= 3
    assert (outcome.lost, outcome.doubled, outcome.unknown, outcome.unfinished) == (0, 0, 0, 0)
    assert outcome.stored == outcome.acknowledged


def test_a_small_load_is_stored_as_the_listeners_remember(tmp_path: Path) -> None:
    done = run(tmp_path / "study", None, listeners=8, seconds=2.0, bursts=1)
    assert done.acknowledged == done.stored >= 16
    assert (done.lost, done.doubled, done.burst_errors) == (0, 0, 0)
    assert done.kinds["rating"].number == 8 and done.bursts[0].number == 8
