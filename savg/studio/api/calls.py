"""What the endpoints do: each call waits for its turn as a click of the page does, and is one job."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from savg.errors import SavgError
from savg.evaluation.annotate import Annotation
from savg.evaluation.observe import observation
from savg.evaluation.score import Scorer
from savg.evaluation.selection import select_metrics
from savg.metrics.base import Item, Need
from savg.pipelines.direction_text import read_direction
from savg.studio.api.names import plain_names
from savg.studio.generate.requests import GenerateRequest
from savg.studio.shared.context import Context
from savg.studio.shared.job_queue import JobQueue
from savg.studio.shared.jobs import DONE, FAILED, Job, Snapshot
from savg.studio.shared.library import RESULTS, VIDEO, StoredClip
from savg.studio.shared.turns import in_thread, turn
from savg.studio.video_to_audio.resound import ResoundRequest, ResoundResult, find_source
from savg.studio.video_to_audio.uploads import Source, Uploads

MAX_EVALUATED = 8
"""Clips of one call of /evaluate."""

KEY = re.compile(r"[0-9a-f]{32}")

ONE = "Give one video: a file, or the name of a clip that an endpoint returned."

DROPPED = "The caller did not listen any more: the call was given up."

STOPPED = "The call was stopped."

Facts = dict[str, Any]
"""What is told of a result, ready for JSON."""


@dataclass(frozen=True)
class Caller:
    """Who calls. session: that listens, which several callers may share, as agents do; address: of the
    network, whose waiting calls are limited; tell: is told of progress, share in 0..1 and words."""

    session: str
    address: str
    tell: Callable[[float, str], object]


@dataclass
class Calls:
    """The calls of one studio; SavgError, one sentence, for what cannot be done."""

    context: Context
    _running: dict[str, set[Job]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        services = self.context.services
        self.pipelines = plain_names(services.pipelines)
        self.audio = plain_names(services.audio_pipelines)
        self.uploads = Uploads(self.context.library.storage)
        self.context.on_leave(self._stop)

    async def generate(
        self,
        caller: Caller,
        pipeline: str,
        seed: float,
        steps: float,
        boxes: bool,
        options: Mapping[str, Any],
    ) -> tuple[Path, Facts]:
        """The video of a seed's clip, and facts about it. steps: 0 for the pipeline's own number;
        options: of a direction, as `read_direction` takes them."""
        key = _chosen(self.pipelines, pipeline)
        count = steps or self.context.services.pipelines[key].steps[1]
        direction = await run_sync(read_direction, options)
        request = GenerateRequest(
            self.context, key, seed, count, 1, boxes, caller.session, direction
        )
        stored, _ = await self._run(caller, request, self.context.board.queue)
        detector = self.context.services.clip_detector(key)
        facts = {"pipeline": pipeline, "seed": request.seed, "steps": request.steps}
        if direction:
            facts |= {"direction": direction.to_options()}
            facts |= {"warning": request.choice.warning} if request.choice.warning else {}
        return stored.path(VIDEO), facts | await run_sync(self._score, stored, detector)

    async def resound(
        self,
        caller: Caller,
        file: str | None,
        clip: str,
        pipeline: str,
        seed: float,
        steps: float,
        person: str,
    ) -> tuple[Path, Facts]:
        """A video with new audio, and facts about it."""
        key = _chosen(self.audio, pipeline)
        choice = self.context.services.audio_pipelines[key]
        who = secrets.token_hex(8)
        with self._source(file, clip, who) as source:
            request = ResoundRequest(
                self.context,
                source,
                key,
                seed,
                steps or choice.steps[1],
                choice.guidance,
                owner=caller.session,
                person=int(person) if person.isdigit() else person,
            )
            result: ResoundResult = await self._run(caller, request, self.context.board.queue)
        facts = {"pipeline": pipeline, "seed": request.seed, "steps": request.steps}
        score = await run_sync(self._score, result.new, result.detector)
        return result.new.path(VIDEO), facts | score

    async def annotate(
        self, caller: Caller, file: str | None, clip: str, detector: str
    ) -> tuple[Path, Path, Facts]:
        """The overlay video of a clip, its annotation as a JSON file, and facts about it."""

        def work(job: Job) -> None:
            with self._clips([file] if file else [], [clip] if clip else [], caller, 1) as (
                stored,
            ):
                judge = self._detector(stored, detector)
                facts = self._score(stored, judge)
                job.check()
                self.context.annotations.write_overlay(stored, judge)
                folder = stored.results(judge)
                overlay = folder / f"{RESULTS}.overlay.mp4"
                job.result((overlay, folder / f"{RESULTS}.json", facts))

        result: tuple[Path, Path, Facts] = await self._run(caller, work, self.context.looking)
        return result

    async def evaluate(
        self, caller: Caller, files: Sequence[str], clips: str, detector: str
    ) -> Facts:
        """Metrics of up to `MAX_EVALUATED` clips together, and a row for each."""
        keys = re.split(r"[\s,;]+", clips.strip()) if clips.strip() else []

        def work(job: Job) -> None:
            with self._clips(files, keys, caller, MAX_EVALUATED) as stored:
                job.result(self._evaluated(job, stored, detector))

        facts: Facts = await self._run(caller, work, self.context.looking)
        return facts

    async def _run(self, caller: Caller, work: Callable[[Job], None], queue: JobQueue) -> Any:
        """The first result of some work, when its turn has come."""
        ticket, job = queue.join(caller.session, caller.address, replaces=False), Job()
        self._running.setdefault(caller.session, set()).add(job)
        try:
            async with aclosing(turn(queue, ticket, lambda: job.cancelled)) as places:
                async for place in places:
                    caller.tell(0.0, place.words)
            if queue.running is not ticket:
                raise SavgError(DROPPED)
            last = Snapshot()
            async with aclosing(in_thread(job.run(work))) as snapshots:
                async for last in snapshots:
                    ticket.share = last.done / last.total
                    caller.tell(ticket.share, last.text)
            if last.state != DONE:
                raise SavgError(last.error if last.state == FAILED else STOPPED)
            return last.results[0]
        finally:
            queue.leave(ticket)
            self._running[caller.session].discard(job)
            if not self._running[caller.session]:
                del self._running[caller.session]

    def _stop(self, session: str) -> None:
        """Nobody listens any more."""
        for job in list(self._running.get(session, ())):
            job.cancel()

    @contextmanager
    def _source(self, file: str | None, clip: str, who: str) -> Iterator[Source]:
        """The video that a call names; a file is deleted at the end."""
        if bool(file) == bool(clip):
            if file:
                Path(file).unlink(missing_ok=True)
            raise SavgError(ONE)
        try:
            if file:
                yield self.uploads.receive(Path(file), Path(file).name, who)
            else:
                yield find_source(self.context, self.uploads, who, _key(clip))
        finally:
            self.uploads.forget(who)
            if file:
                Path(file).unlink(missing_ok=True)

    @contextmanager
    def _clips(
        self, files: Sequence[str], keys: Sequence[str], caller: Caller, most: int
    ) -> Iterator[list[StoredClip]]:
        """The clips that a call names, those of files stored first; the files are deleted."""
        try:
            if not 1 <= len(files) + len(keys) <= most:
                number = ONE if most == 1 else f"Give 1 to {most} clips, as files or by names."
                raise SavgError(number)
            library = self.context.library
            stored = [library[_key(key)] for key in keys]
            new = [library.add_upload(file, Path(file).name, caller.session) for file in files]
            yield [*new, *stored]
        finally:
            for file in files:
                Path(file).unlink(missing_ok=True)

    def _detector(self, stored: StoredClip, name: str) -> str:
        """The person detector of a name; "" for the one that judged the clip before, if any did."""
        persons = self.context.services.persons
        if name and name not in persons:
            raise SavgError(f"Detector must be one of {', '.join(persons)}, got {name[:40]!r}.")
        before = next((one for one in persons if stored.results(one).is_dir()), None)
        return name or before or self.context.services.video_detector

    def _score(self, stored: StoredClip, detector: str) -> Facts:
        """The score of one clip beside its chance baselines, and who says so."""
        annotation = self.context.annotations.annotation(stored, detector)
        told = annotation.to_json()
        if not len(annotation.boxes):  # nothing was measured: official rules alone say 0
            told["alignment"]["score"] = None
            told["nulls"] = dict.fromkeys(told["nulls"])
        return {
            "clip": stored.key,
            "seconds": annotation.format.seconds,
            "spatial_av_align": told["alignment"],
            "chance_baselines": told["nulls"],
            "distance": told["distance"],
            "warnings": told["warnings"],
            "boxes": len(annotation.boxes),
            "sound_events": len(annotation.events),
            "detectors": told["detectors"],
        }

    def _evaluated(self, job: Job, clips: Sequence[StoredClip], detector: str) -> Facts:
        """What metrics that need detections alone say of the clips together."""
        chosen = select_metrics(None, {Need.PERSONS, Need.SOUNDS})
        scorer, rows = Scorer(chosen.metrics), []
        judges = {self._detector(stored, detector) for stored in clips}
        judge = judges.pop() if len(judges) == 1 else self.context.services.video_detector
        for number, stored in enumerate(clips):
            job.step(number, len(clips), f"Clip {number + 1} of {len(clips)}")
            job.check()
            rows.append(self._score(stored, judge))
            found: Annotation = self.context.annotations.annotation(stored, judge)
            seen = observation(found.clip.format, found.boxes, found.events, {})
            scorer.add(Item(f"{number:02d}-{stored.key}", seen))
        results = scorer.evaluation().metrics
        return {
            "clips": rows,
            "metrics": {name: result.to_json() for name, result in results.items()},
            "detector": judge,
        }


def _chosen(names: dict[str, str], name: str) -> str:
    """The key of a pipeline's name; SavgError lists the names."""
    if name not in names:
        raise SavgError(f"Pipeline must be one of {', '.join(names)}, got {str(name)[:40]!r}.")
    return names[name]


def _key(text: str) -> str:
    """The key of a clip as endpoints tell it."""
    key = text.strip()
    if not KEY.fullmatch(key):
        raise SavgError('A clip\'s name must be one that an endpoint returned as "clip".')
    return key
