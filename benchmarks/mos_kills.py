"""Acknowledged ratings that are lost when the process that stores them is killed at random moments.

`python -m benchmarks.mos_kills --kills 100 [--url postgresql+psycopg://…]` writes
results/mos_kills.md. A child walks listeners through a study and reports each rating once the store
has returned; it is killed with SIGKILL, and the database must hold everything that was reported, once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from savg.evaluation.result_files import RESULTS
from savg.mos import session
from savg.mos.storage.rows import StudyRow
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import Stimulus, Study, standard
from savg.mos.study.screening import ScreeningSound


@dataclass(frozen=True)
class Killed:
    """Outcome of a series of kills."""

    kills: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    between: int


def leaping_clock(step: float = 10.0) -> Callable[[], float]:
    """A clock that advances by `step` seconds at each look, so that every clip has been played."""
    ticks = count()
    return lambda: time.time() + step * next(ticks)


def sample_study(store: Store, name: str = "kills", clips: int = 40, seconds: float = 5.0) -> Study:
    """Create a study without media, whose clips last `seconds`."""
    study = standard(name, ["joint", "two_stage", "ground_truth"], "ground_truth")
    kinds = {"ground_truth": "reference", "swapped": "swapped", "mono": "mono"}
    stimuli = [
        Stimulus(
            _opaque(name, g.name, i),
            g.name,
            f"{i}.mp4",
            f"{'joint' if g.name == 'joint' else 'gt' if g.name in kinds else 'two'}/{i}",
            kinds.get(g.name, "system"),  # type: ignore[arg-type]
            seconds,
        )
        for g in study.groups
        for i in range(clips)
    ]
    for kind, number in (("practice", study.practice), ("catch", study.catch)):
        stimuli += [
            Stimulus(_opaque(name, kind, i), kind, "-", f"{kind}/{i}", kind, seconds, "", 2)  # type: ignore[arg-type]
            for i in range(number)
        ]
    store.create_study(study, stimuli, sample_sounds(name))
    return study


def _opaque(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:24]


def sample_sounds(name: str) -> list[ScreeningSound]:
    """A row for every screening sound, without the sounds."""
    sounds = [ScreeningSound(_opaque(name, "volume"), "volume", "done")]
    sounds += [
        ScreeningSound(_opaque(name, i, s), "channels", s)
        for s in ("left", "centre", "right")
        for i in (0, 1)
    ]
    for answer in "123":
        sounds += [
            ScreeningSound(_opaque(name, "h", answer, i), "huggins", answer) for i in range(4)
        ]
        sounds += [
            ScreeningSound(_opaque(name, "a", answer, i), "antiphase", answer) for i in range(2)
        ]
    return sounds


def pass_screening(store: Store, token: str, row: StudyRow) -> session.SessionState:
    """Answer the rest of the screening correctly; returns the state after it."""
    answers = {s.media: s.answer for s in row.sounds}
    state = session.session_state(store, token)
    if state.step == "invited":
        state = session.consent(store, token, {})
    while state.step == "screening" and state.screening:
        screening = state.screening
        state = session.answer_screening(
            store,
            token,
            screening.stage,
            screening.attempt,
            screening.trial,
            answers[screening.media],
        )
    return state


def rate_next(
    store: Store, token: str, state: session.SessionState, score: int
) -> session.SessionState:
    """Rate the current clip."""
    assert state.trial is not None
    session.serve(store, token, state.trial.position)
    return session.rate(
        store,
        token,
        state.trial.position,
        score,
        plays=1,
        seconds_played=state.trial.seconds,
        response_seconds=1.0,
    )


def _write_until_killed(url: str, name: str, report: int, seed: int) -> None:
    """Rate, and report each rating as a line `CODE POSITION SCORE`, until killed."""
    store = Store(url, leaping_clock())
    row, rng = store.study(name), random.Random(seed)
    while True:
        link = store.invite(name)[0]
        state = pass_screening(store, link.token, row)
        while state.trial is not None:
            position, score = state.trial.position, rng.randint(1, 5)
            state = rate_next(store, link.token, state, score)
            os.write(report, f"{link.code} {position} {score}\n".encode())


def kill_often(url: str, kills: int, seed: int = 0, longest: float = 0.4) -> Killed:
    """Start a writer and kill it after up to `longest` seconds of rating, `kills` times."""
    rng = random.Random(seed)
    store = Store(url)
    name = sample_study(store).name
    store.close()
    acknowledged: dict[tuple[str, int], int] = {}
    for number in range(kills):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read)
                _write_until_killed(url, name, write, seed + number)
            finally:
                os._exit(1)
        os.close(write)
        first = os.read(read, 4096)
        time.sleep(rng.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(read, "rb") as stream:
            lines = (first + stream.read()).decode().split("\n")
        for line in lines[:-1]:
            code, position, score = line.split()
            acknowledged[code, int(position)] = int(score)
    store = Store(url)
    comparison = compare(store, name, acknowledged)
    store.close()
    return Killed(
        kills,
        len(acknowledged),
        comparison.stored,
        comparison.lost,
        comparison.doubled,
        comparison.unknown,
    )


@dataclass(frozen=True)
class Comparison:
    """Numbers of ratings: stored; acknowledged but missing or changed; stored twice; stored but never
    acknowledged."""

    stored: int
    lost: int
    doubled: int
    unknown: int


def compare(store: Store, name: str, acknowledged: Mapping[tuple[str, int], int]) -> Comparison:
    """The ratings of a study against acknowledged scores by (participant, position)."""
    rows = store.ratings(name)
    stored = {(r.participant, r.position): r.score for r in rows}
    return Comparison(
        stored=len(rows),
        lost=sum(stored.get(key) != score for key, score in acknowledged.items()),
        doubled=len(rows) - len(stored),
        unknown=len(stored.keys() - acknowledged.keys()),
    )


def main() -> int:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--url", help="an empty PostgreSQL database to try as well")
    args = parser.parse_args()
    lines = [
        "# Ratings and killed processes",
        "",
        f"`python -m benchmarks.mos_kills --kills {args.kills}`: SIGKILL at random moments. *Between*:",
        "stored, but killed before the acknowledgement was out; at most one a kill.",
        "",
        "| database | kills | acknowledged | stored | lost | doubled | between |",
        "|---|---|---|---|---|---|---|",
    ]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for kind, url in (
            ("SQLite", sqlite_url(Path(folder) / "kills.sqlite")),
            ("PostgreSQL", args.url),
        ):
            if url:
                result = kill_often(url, args.kills)
                failed |= bool(result.lost or result.doubled)
                lines.append(
                    f"| {kind} | {result.kills} | {result.acknowledged} | {result.stored} "
                    f"| {result.lost} | {result.doubled} | {result.between} |"
                )
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "mos_kills.md").write_text(text)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
