"""Time to save a rating with 200 listeners at once: real server process, real HTTP.

`python -m benchmarks.mos_load [--seconds 120] [--postgres]` writes results/mos_load.md. Each listener
fetches the clip, reports that it is shown, fetches the next one meanwhile, listens for 5 s, thinks and
rates; then, as the worst case, all rate at the same instant. Acknowledged ratings are compared with
the stored ones. Listeners pass the screening before the clock starts. Client and server share the
machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.mos_kills import compare, pass_screening
from benchmarks.mos_server import PlainPolicy, Server, study_folder
from benchmarks.postgres import new_schema, temporary_server
from savg.evaluation.result_files import RESULTS
from savg.mos.rehearsal.listener import Attendance, Pace, attend
from savg.mos.rehearsal.visitor import Visitor
from savg.mos.storage.rows import Link
from savg.mos.study.folder import StudyFolder
from savg.web.client import NoAnswer

GOAL_MS = 250.0
THOUGHT = 2.5
"""Seconds from the end of a clip to the click, on average."""


@dataclass(frozen=True)
class Times:
    """Milliseconds from sending to the answer."""

    number: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: list[float]) -> Times:
        """From seconds."""
        if not seconds:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        values = 1000 * np.array(seconds)
        p50, p95, p99 = (float(v) for v in np.quantile(values, [0.5, 0.95, 0.99]))
        return cls(len(values), *(round(v, 1) for v in (p50, p95, p99, float(values.max()))))


@dataclass(frozen=True)
class Loaded:
    """Measurements of a run; rates are per second, server_cores is the server's processor use."""

    database: str
    listeners: int
    seconds: float
    requests_rate: float
    ratings_rate: float
    media_rate_mb: float
    kinds: dict[str, Times]
    bursts: list[Times]
    burst_errors: int
    retries: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    server_cores: float
    commit_ms: float


class Load:
    """Listeners of one study against one server."""

    def __init__(self, study: StudyFolder, server: Server, links: list[Link]) -> None:
        self.study, self.server, self.links = study, server, links
        self.times: dict[str, list[float]] = {}
        self.measuring = False
        answers = {s.media: s.answer for s in study.store.study(study.name).sounds}
        self.policies = [PlainPolicy(answers, i, THOUGHT) for i in range(len(links))]
        self.visitors = [
            Visitor("127.0.0.1", server.port, study.name, link.token, on_reply=self.note)
            for link in links
        ]
        self.acknowledged: dict[tuple[str, int], int] = {}

    def note(self, kind: str, seconds: float, status: int) -> None:
        """One reply."""
        if self.measuring:
            self.times.setdefault(kind, []).append(seconds)

    def record(self, code: str, position: int, score: int) -> None:
        """One acknowledged rating."""
        assert (code, position) not in self.acknowledged
        self.acknowledged[code, position] = score

    async def steady(self, seconds: float) -> tuple[list[Attendance], float]:
        """All listeners at their own pace for `seconds`, started at different moments."""

        async def one(number: int) -> Attendance:
            await asyncio.sleep(min(5.0 + THOUGHT, seconds / 2) * number / len(self.links))
            return await attend(self.visitors[number], self.policies[number], Pace(), self.record)

        self.measuring = True
        tasks = [asyncio.create_task(one(i)) for i in range(len(self.links))]
        began = time.monotonic()
        await asyncio.sleep(seconds)
        for policy in self.policies:
            policy.leaving = True
        outcomes = await asyncio.gather(*tasks)
        self.measuring = False
        return outcomes, time.monotonic() - began

    async def burst(self) -> tuple[list[float], int]:
        """All rate one clip at the same instant: seconds until each answer, number of failures."""
        ready = asyncio.Barrier(len(self.links))

        async def one(visitor: Visitor, link: Link) -> float | None:
            state = await visitor.state()
            if state["step"] != "trials":
                await ready.wait()
                return None
            trial = state["trial"]
            await visitor.act("serve", position=trial["position"])
            await asyncio.sleep(trial["seconds"])
            await ready.wait()
            began = time.monotonic()
            try:
                await visitor.act(
                    "rating", position=trial["position"], score=3, plays=1,
                    seconds_played=trial["seconds"], response_seconds=1.0,
                )  # fmt: skip
            except NoAnswer:
                return -1.0
            self.record(link.code, trial["position"], 3)
            return time.monotonic() - began

        pairs = zip(self.visitors, self.links, strict=True)
        elapsed = await asyncio.gather(*(one(v, link) for v, link in pairs))
        seconds = [t for t in elapsed if t is not None and t >= 0]
        return seconds, sum(t == -1.0 for t in elapsed)


def run(folder: Path, url: str | None, listeners: int, seconds: float, bursts: int) -> Loaded:
    """Measure one database."""
    study = study_folder(folder, "load", url)
    row = study.store.study(study.name)
    links = study.store.invite(study.name, listeners)
    for link in links:
        pass_screening(study.store, link.token, row)
    server = Server(folder, url)
    server.start()
    try:
        load = Load(study, server, links)

        async def everything() -> tuple[list[Attendance], float, float, list[list[float]], int]:
            cpu = server.cpu_seconds()
            outcomes, elapsed = await load.steady(seconds)
            cpu = server.cpu_seconds() - cpu
            rounds, errors = [], 0
            for _ in range(bursts):
                seconds_taken, failed = await load.burst()
                rounds.append(seconds_taken)
                errors += failed
            return outcomes, elapsed, cpu, rounds, errors

        outcomes, elapsed, cpu, rounds, errors = asyncio.run(everything())
    finally:
        server.stop()
    comparison = compare(study.store, study.name, load.acknowledged)
    study.store.close()
    return Loaded(
        database="PostgreSQL" if url else "SQLite",
        listeners=listeners,
        seconds=round(elapsed, 1),
        requests_rate=round(sum(map(len, load.times.values())) / elapsed, 1),
        ratings_rate=round(len(load.times.get("rating", [])) / elapsed, 1),
        media_rate_mb=round(sum(w.media_bytes for w in outcomes) / elapsed / 1e6, 1),
        kinds={kind: Times.of(values) for kind, values in sorted(load.times.items())},
        bursts=[Times.of(values) for values in rounds],
        burst_errors=errors,
        retries=sum(v.retries for v in load.visitors),
        acknowledged=len(load.acknowledged),
        stored=comparison.stored,
        lost=comparison.lost,
        doubled=comparison.doubled,
        server_cores=round(cpu / elapsed, 2),
        commit_ms=round(commit_ms(folder), 2),
    )


def commit_ms(folder: Path) -> float:
    """Median milliseconds until 4 kB are on the disk, for comparison."""
    path, elapsed = folder / "probe", []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    for _ in range(100):
        began = time.perf_counter()
        os.write(descriptor, bytes(4096))
        os.fsync(descriptor)
        elapsed.append(time.perf_counter() - began)
    os.close(descriptor)
    path.unlink()
    return float(np.median(elapsed)) * 1000


def as_text(runs: list[Loaded], command: str) -> str:
    """The table."""
    lines = [
        "# Saving ratings under load",
        "",
        f"`{command}` on {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}; clients and server on the same machine, a commit on its disk "
        f"takes {runs[0].commit_ms:g} ms. Goal: p95 of saving a rating at most {GOAL_MS:g} ms.",
        "",
    ]
    for load in runs:
        lines += [
            f"## {load.database}: {load.listeners} listeners at once",
            "",
            f"{load.seconds:g} s, {load.requests_rate:g} requests a second, of them "
            f"{load.ratings_rate:g} ratings; {load.media_rate_mb:g} MB of clips a second; the server "
            f"used {load.server_cores:g} cores. Acknowledged {load.acknowledged}, stored "
            f"{load.stored}, lost {load.lost}, doubled {load.doubled}, sent again {load.retries}.",
            "",
            "| request | number | p50 ms | p95 ms | p99 ms | longest ms |",
            "|---|---|---|---|---|---|",
        ]
        rows = [*load.kinds.items()]
        rows += [(f"all rate at once, round {i}", t) for i, t in enumerate(load.bursts, 1)]
        lines += [
            f"| {kind} | {t.number} | {t.p50:g} | {t.p95:g} | {t.p99:g} | {t.longest:g} |"
            for kind, t in rows
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Run and write the table; 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL server as well")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dry", action="store_true", help="do not write the results")
    args = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls: list[str | None] = [None]
        if args.postgres:
            urls.append(new_schema(stack.enter_context(temporary_server()), "load"))
        for number, url in enumerate(urls):
            place = Path(folder) / f"{number}"
            runs.append(run(place, url, args.listeners, args.seconds, args.bursts))
    command = f"python -m benchmarks.mos_load --seconds {args.seconds:g}"
    text = as_text(runs, command + (" --postgres" if args.postgres else ""))
    if not args.dry:
        (RESULTS / "mos_load.md").write_text(text)
    print(json.dumps([asdict(r) for r in runs]) if args.json else text)
    slow = any(r.kinds["rating"].p95 > GOAL_MS for r in runs)
    return int(slow or any(r.lost or r.doubled for r in runs))


if __name__ == "__main__":
    raise SystemExit(main())
