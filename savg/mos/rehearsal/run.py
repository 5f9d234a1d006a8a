"""A rehearsal of a listening test: a copy of the study filled by simulated listeners, and its report.

The copy is a folder of its own, with its own name and database; the original is only read. The
simulated listeners are participants marked as such, who use the HTTP interface of a server process as
a browser would. Its clock may run faster than real time, listeners' pauses being shorter by as much.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.mos.rehearsal.listener import Attended, Pace, attend
from savg.mos.rehearsal.model import Crowd, Kind, ListenerModel, World
from savg.mos.rehearsal.server import rehearsal_server
from savg.mos.rehearsal.visitor import Visitor
from savg.mos.results.analysis import Analysis
from savg.mos.results.report import write_report
from savg.mos.storage.rows import Link
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import DATABASE, StudyFolder, describe_folder
from savg.paths import atomic_folder

SUFFIX = "-rehearsal"

NOTE = (
    "REHEARSAL. Every listener in this folder is simulated: none of its numbers says anything about "
    "the clips.\n"
)

PATIENCE = 20.0
"""Seconds for which a server that does not answer is waited for."""

OnRatings = Callable[[int, int], object]
"""Told the number of ratings so far, and how many there will be about."""


@dataclass(frozen=True)
class Rehearsed:
    """What came of a rehearsal. Seconds are real ones, of which the server's clock showed `speed` each;
    `again` counts requests that were sent again; `expected` is the mean score of attentive listeners by
    the model."""

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
    instead: bool = False,
    on_ratings: OnRatings | None = None,
) -> tuple[Rehearsed, Analysis]:
    """Fill a copy of a study in the new folder `out`, which appears when all is done.

    instead: take the place of an earlier rehearsal. SavgError in one sentence for a folder that is
    something else, settings that do not fit, and a server that does not do what it should.
    """
    crowd, model = crowd or Crowd(), model or ListenerModel()
    if not 1.0 <= speed <= 1000.0:
        raise SavgError(f"The clock runs 1 to 1000 times as fast as a real one, not {speed:g}.")
    _check_target(out, instead)
    name = f"{source.name[: 40 - len(SUFFIX)].rstrip('-_')}{SUFFIX}"
    row = source.store.study(source.name)
    row = replace(row, study=replace(row.study, name=name))
    world = World(row, model, crowd.seed)
    with atomic_folder(out) as part:
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
                attended = asyncio.run(run.all(links, crowd.kinds()))
            seconds = time.monotonic() - began
            _check_kept(store, name, attended)
            analysis = write_report(store, name, part / "report", seed=crowd.seed)
        finally:
            store.close()
    kinds = crowd.kinds()
    return Rehearsed(
        study=name,
        folder=str(out),
        report=str(out / "report" / "simulated-report.html"),
        simulated=True,
        seed=crowd.seed,
        listeners={str(kind): kinds.count(kind) for kind in dict.fromkeys(sorted(kinds))},
        finished=sum(w.step == "done" for w in attended),
        screened_out=sum(w.step == "screened_out" for w in attended),
        ratings=sum(len(w.scores) for w in attended),
        requests=run.requests,
        again=run.again,
        media_bytes=sum(w.media_bytes for w in attended),
        seconds=round(seconds, 2),
        speed=speed,
        expected={name: round(world.expected(name), 3) for name in world.means},
    ), analysis


class _Run:
    """All listeners of a rehearsal at once, who come one after the other within a minute."""

    def __init__(
        self, study: str, port: int, pace: Pace, world: World, on_ratings: OnRatings | None
    ) -> None:
        self.study, self.port, self.pace, self.world = study, port, pace, world
        self.on_ratings, self.rated, self.expected = on_ratings, 0, 0
        self.requests = self.again = 0

    async def all(self, links: Sequence[Link], kinds: Sequence[Kind]) -> list[Attended]:
        """Walk everybody through; the first error ends it for all."""
        self.expected = len(links) * self.world.study.positions
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self.one(i, link, kind))
                    for i, (link, kind) in enumerate(zip(links, kinds, strict=True))
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def one(self, number: int, link: Link, kind: Kind) -> Attended:
        """One listener."""
        await self.pace.wait(60.0 * number / len(self.world.study.labels) / 5)
        visitor = Visitor("127.0.0.1", self.port, self.study, link.token, PATIENCE)
        try:
            return await attend(visitor, self.world.policy(number, kind), self.pace, self.count)
        finally:
            visitor.close()
            self.requests += visitor.requests
            self.again += visitor.again

    def count(self, code: str, position: int, score: int) -> None:
        """One more rating."""
        self.rated += 1
        if self.on_ratings is not None:
            self.on_ratings(self.rated, self.expected)


def _check_target(out: Path, instead: bool) -> None:
    if not out.exists():
        return
    try:
        earlier = "rehearsal_of" in json.loads((out / "study.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        earlier = False
    if not earlier and (not out.is_dir() or any(out.iterdir())):
        raise SavgError(f"{out} exists already and is no rehearsal: choose another folder.")
    if earlier and not instead:
        raise SavgError(
            f"{out} holds a rehearsal already: choose another folder, or --instead of it."
        )


def _check_kept(store: Store, name: str, attended: Sequence[Attended]) -> None:
    """Everything acknowledged must be stored, once and as it was given."""
    stored = [(r.participant, r.position, r.score) for r in store.ratings(name)]
    given = [(w.code, position, score) for w in attended for position, score in w.scores.items()]
    if sorted(stored) != sorted(given):
        raise SavgError(
            f"The rehearsal stored {len(stored)} ratings and its listeners gave {len(given)}: "
            "please report this, with the seed."
        )


def as_json(rehearsed: Rehearsed, analysis: Analysis) -> Mapping[str, Any]:
    """Both as JSON types."""
    return asdict(rehearsed) | {"analysis": analysis.to_dict()}
