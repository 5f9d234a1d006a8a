"""A rehearsal of a listening test: simulated listeners fill a copy of the study; its report.

The copy is a folder of its own, with its own name and database; the original is only read. The
simulated listeners are participants marked as such, who use the HTTP interface of a server process like
a browser. Its clock may run faster than real time, with listeners' pauses shortened accordingly.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.json_files import read_object
from savg.mos.rehearsal import SUFFIX
from savg.mos.rehearsal.listener import Attendance, Pace, attend
from savg.mos.rehearsal.model import Crowd, Kind, ListenerModel, World
from savg.mos.rehearsal.server import rehearsal_server
from savg.mos.rehearsal.visitor import Visitor
from savg.mos.results.analysis import Analysis
from savg.mos.results.report import write_report
from savg.mos.storage.rows import Link
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import DATABASE, StudyFolder, describe_folder
from savg.paths import atomic_folder

NOTE = (
    "REHEARSAL. Every listener in this folder is simulated: none of its numbers says anything about "
    "the clips.\n"
)

PATIENCE = 20.0
"""Seconds for which requests to a server that does not answer are retried."""

OnRatings = Callable[[int, int], object]
"""Called with the number of ratings so far and their largest number at the end."""


@dataclass(frozen=True)
class RehearsalResult:
    """The outcome of a rehearsal. `seconds` of real time, in each of which the server's clock showed
    `speed`; `again`: requests sent again; `expected`: by condition, the expected score of attentive
    listeners."""

    study: str
    folder: str
    report: str
    simulated: bool
    seed: int
    listeners: dict[str, int]
    finished: int
    screened_out: int
    ratings: int
    requests: int
    again: int
    media_bytes: int
    seconds: float
    speed: float
    expected: dict[str, float]


def rehearse(
    source: StudyFolder,
    out: Path,
    crowd: Crowd | None = None,
    model: ListenerModel | None = None,
    *,
    speed: float = 60.0,
    overwrite: bool = False,
    on_ratings: OnRatings | None = None,
) -> tuple[RehearsalResult, Analysis]:
    """Fill a copy of a study in the new folder `out`, which appears when it is complete.

    Args:
        source: the study; it is only read.
        speed: seconds of the server's clock in a real one, 1..1000.
        overwrite: replace an earlier rehearsal in `out`.
        on_ratings: called after each rating.

    Raises:
        SavgError: `out` is in use, settings do not fit the study, or the server fails.
    """
    crowd, model = crowd or Crowd(), model or ListenerModel()
    if not 1.0 <= speed <= 1000.0:
        raise SavgError(f"speed must be in 1..1000, got {speed:g}.")
    _check_target(out, overwrite)
    name = f"{source.name[: 40 - len(SUFFIX)].rstrip('-_')}{SUFFIX}"
    row = source.store.study(source.name)
    row = replace(row, study=replace(row.study, name=name))
    world = World(row, model, crowd.seed)
    with atomic_folder(out, private=True) as part:
        shutil.copytree(source.media, part / "media")
        describe_folder(part, name, more={"rehearsal_of": source.name})
        (part / "SIMULATED.txt").write_text(NOTE, encoding="utf-8")
        store = Store(sqlite_url(part / DATABASE))
        try:
            store.create_study(row.study, row.stimuli, row.sounds, row.levels)
            links = store.invite(name, crowd.listeners, simulated=True)
            began = time.monotonic()
            with rehearsal_server(part, speed) as port:
                run = _Run(name, port, Pace(speed), world, on_ratings)
                attendance = asyncio.run(run.all(links, crowd.kinds()))
            seconds = time.monotonic() - began
            _check_stored(store, name, attendance)
            analysis = write_report(store, name, part / "report", seed=crowd.seed)
        finally:
            store.close()
    kinds = crowd.kinds()
    return RehearsalResult(
        study=name,
        folder=str(out),
        report=str(out / "report" / "simulated-report.html"),
        simulated=True,
        seed=crowd.seed,
        listeners={str(kind): kinds.count(kind) for kind in dict.fromkeys(sorted(kinds))},
        finished=sum(a.step == "done" for a in attendance),
        screened_out=sum(a.step == "screened_out" for a in attendance),
        ratings=sum(len(a.scores) for a in attendance),
        requests=run.requests,
        again=run.retries,
        media_bytes=sum(a.media_bytes for a in attendance),
        seconds=round(seconds, 2),
        speed=speed,
        expected={name: round(world.expected(name), 3) for name in world.means},
    ), analysis


class _Run:
    """All listeners of a rehearsal, who begin a few seconds apart."""

    def __init__(
        self, study: str, port: int, pace: Pace, world: World, on_ratings: OnRatings | None
    ) -> None:
        self.study, self.port, self.pace, self.world = study, port, pace, world
        self.on_ratings, self.rated, self.expected = on_ratings, 0, 0
        self.requests = self.retries = 0

    async def all(self, links: Sequence[Link], kinds: Sequence[Kind]) -> list[Attendance]:
        """The sessions of all listeners; the first error ends all of them."""
        self.expected = len(links) * self.world.study.positions
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self.attend(i, link, kind))
                    for i, (link, kind) in enumerate(zip(links, kinds, strict=True))
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def attend(self, number: int, link: Link, kind: Kind) -> Attendance:
        """The session of one listener."""
        await self.pace.wait(60.0 * number / len(self.world.study.labels) / 5)
        visitor = Visitor("127.0.0.1", self.port, self.study, link.token, PATIENCE)
        try:
            return await attend(visitor, self.world.policy(number, kind), self.pace, self.count)
        finally:
            visitor.close()
            self.requests += visitor.requests
            self.retries += visitor.retries

    def count(self, code: str, position: int, score: int) -> None:
        """Count a rating."""
        self.rated += 1
        if self.on_ratings is not None:
            self.on_ratings(self.rated, self.expected)


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    try:
        earlier = "rehearsal_of" in read_object(out / "study.json")
    except SavgError:
        earlier = False
    if not earlier and (not out.is_dir() or any(out.iterdir())):
        raise SavgError(f"{out} exists already and is not a rehearsal: choose another folder.")
    if earlier and not overwrite:
        raise SavgError(
            f"{out} contains a rehearsal already: choose another folder, or --overwrite."
        )


def _check_stored(store: Store, name: str, attendance: Sequence[Attendance]) -> None:
    """SavgError unless the stored ratings are the acknowledged ones, each once."""
    stored = [(r.participant, r.position, r.score) for r in store.ratings(name)]
    acknowledged = [(a.code, p, score) for a in attendance for p, score in a.scores.items()]
    if sorted(stored) != sorted(acknowledged):
        raise SavgError(
            f"The rehearsal stored {len(stored)} ratings and its listeners gave {len(acknowledged)}: "
            "please report this, with the seed."
        )


def as_json(result: RehearsalResult, analysis: Analysis) -> Mapping[str, Any]:
    """The outcome and its analysis as JSON types."""
    return asdict(result) | {"analysis": analysis.to_dict()}
