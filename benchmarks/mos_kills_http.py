"""Ratings that are lost when the HTTP server of a listening test is killed while listeners rate.

`python -m benchmarks.mos_kills_http --kills 100 [--postgres]` writes results/mos_kills_http.md.
`python -m savg mos serve` runs as a process; listeners go through consent, screening, trials and
questions by HTTP, with clips of a tenth of a second. The process gets SIGKILL at random moments and is
started again; listeners repeat requests without an answer. In the end the database must hold every
acknowledged rating once, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mos_kills import compare
from benchmarks.mos_server import PlainPolicy, Server, study_folder
from benchmarks.postgres import new_schema, temporary_server
from savg.evaluation.result_files import RESULTS
from savg.mos.rehearsal.listener import Attendance, Pace, attend
from savg.mos.rehearsal.visitor import Visitor
from savg.mos.storage.rows import Link
from savg.mos.study.folder import StudyFolder

SECONDS = 0.1
"""Length of a clip."""


@dataclass(frozen=True)
class Killed:
    """Outcome of a series of kills; unknown: stored, but never acknowledged."""

    database: str
    kills: int
    in_flight: int
    sessions: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    unknown: int
    unfinished: int


class Siege:
    """Listeners at one server that is killed repeatedly."""

    def __init__(self, study: StudyFolder, server: Server, seed: int) -> None:
        self.study, self.server = study, server
        self.rng = random.Random(seed)
        self.answers = {s.media: s.answer for s in study.store.study(study.name).sounds}
        self.acknowledged: dict[tuple[str, int], int] = {}
        self.policies: list[PlainPolicy] = []
        self.over = False
        self.retries = 0

    def record(self, code: str, position: int, score: int) -> None:
        """One acknowledged rating; acknowledging one twice would be an error of the client."""
        assert (code, position) not in self.acknowledged
        self.acknowledged[code, position] = score

    async def worker(self, links: Iterator[Link]) -> list[Attendance]:
        """One listener after the other, until the kills are done."""
        outcomes = []
        for link in links:
            if self.over:
                break
            policy = PlainPolicy(self.answers, self.rng.randrange(2**31), 0.02)
            self.policies.append(policy)
            visitor = Visitor("127.0.0.1", self.server.port, self.study.name, link.token, 300.0)
            outcomes.append(await attend(visitor, policy, Pace(), self.record))
            self.retries += visitor.retries
            visitor.close()
        return outcomes

    async def kill(self, kills: int, longest: float) -> None:
        """Kill the server `kills` times, each within `longest` seconds of a rating."""
        for number in range(kills):
            before = len(self.acknowledged)
            while len(self.acknowledged) == before:
                await asyncio.sleep(0.005)
            await asyncio.sleep(self.rng.uniform(0.0, longest))
            await asyncio.to_thread(self.server.kill)
            seconds = await asyncio.to_thread(self.server.start)
            line = (
                f"kill {number + 1} of {kills}, {len(self.acknowledged)} ratings, {seconds:.1f} s"
            )
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        self.over = True
        for policy in self.policies:
            policy.leaving = True

    async def run(
        self, kills: int, longest: float, listeners: int, links: list[Link]
    ) -> list[Attendance]:
        """Let the listeners rate while the server is killed."""
        queue = iter(links)
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self.worker(queue)) for _ in range(listeners)]
            group.create_task(self.kill(kills, longest))
        return [outcomes for task in workers for outcomes in task.result()]


def kill_often(
    folder: Path,
    url: str | None,
    kills: int,
    *,
    listeners: int = 12,
    longest: float = 0.8,
    seed: int = 0,
) -> Killed:
    """Kill the server of a new study in `folder` repeatedly. RuntimeError if the listeners run out."""
    study = study_folder(
        folder, "kills", url, seconds=SECONDS, clip_bytes=20_000, sound_bytes=20_000
    )
    links = study.store.invite(study.name, min(10_000, listeners * (kills + 2)))
    server = Server(folder, url)
    server.start()
    siege = Siege(study, server, seed)
    try:
        outcomes = asyncio.run(siege.run(kills, longest, listeners, links))
    finally:
        server.stop()
    comparison = compare(study.store, study.name, siege.acknowledged)
    study.store.close()
    return Killed(
        database="PostgreSQL" if url else "SQLite",
        kills=kills,
        in_flight=siege.retries,
        sessions=len(outcomes),
        acknowledged=len(siege.acknowledged),
        stored=comparison.stored,
        lost=comparison.lost,
        doubled=comparison.doubled,
        unknown=comparison.unknown,
        unfinished=sum(w.step not in ("done", "trials", "questions") for w in outcomes),
    )


def main() -> int:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server as well")
    args = parser.parse_args()
    command = f"python -m benchmarks.mos_kills_http --kills {args.kills}"
    lines = [
        "# Ratings and killed servers",
        "",
        f"`{command}{' --postgres' if args.postgres else ''}`: SIGKILL of `mos serve` at random",
        "moments while 12 listeners go through consent, screening and trials over HTTP and send",
        "again what got no answer. *Unknown*: stored, but never acknowledged in the end.",
        "",
        "| database | kills | listeners | sent again | acknowledged | stored | lost | doubled "
        "| unknown |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    failed = False
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls: list[str | None] = [None]
        if args.postgres:
            urls.append(new_schema(stack.enter_context(temporary_server()), "kills"))
        for number, url in enumerate(urls):
            result = kill_often(Path(folder) / f"{number}", url, args.kills)
            failed |= bool(result.lost or result.doubled or result.unknown or result.unfinished)
            lines.append(
                f"| {result.database} | {result.kills} | {result.sessions} | {result.in_flight} "
                f"| {result.acknowledged} | {result.stored} | {result.lost} | {result.doubled} "
                f"| {result.unknown} |"
            )
            print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "mos_kills_http.md").write_text(text)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
