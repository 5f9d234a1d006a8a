"""One skeleton for tabs with long work: a button starts it, another stops it, progress is shown.

A tab says what a click asks for (`Task`) and how it shows results; waiting, progress, stop, errors and
the order in which visitors are served are the same for all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync

from savg.studio.shared import components
from savg.studio.shared.handlers import QUICK, network_address, visitor
from savg.studio.shared.job_queue import Ticket, duration
from savg.studio.shared.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING, Board, Job, Snapshot
from savg.studio.shared.jobs import sentence as message_of
from savg.studio.shared.turns import in_thread, turn

CHECKING_WORDS = "One moment …"
STOPPED_WORDS = "Stopped before its turn came."

EARLY = 0.1
"""Share of a job until which nothing is said of how long it takes."""

ENDED = (DONE, STOPPED, FAILED)


@dataclass(frozen=True)
class Controls:
    """What every tab with long work has on its page."""

    notice: gr.HTML
    progress: gr.HTML
    start: gr.Button
    stop: gr.Button


@dataclass(frozen=True)
class Task:
    """What one click asks for.

    work: does it, reporting to the job. ends: words for a job that is DONE or was STOPPED. results:
    updates of the tab's own outputs, or None for no change; asked for when there are new results and
    at the end.
    """

    work: Callable[[Job], None]
    ends: Callable[[Snapshot], Mapping[str, str]]
    results: Callable[[Snapshot], list[Any] | None]


@dataclass(frozen=True)
class LongJob:
    """The long work of one tab: `hint` stands where nothing is shown yet, `outputs` is how many
    components of its own the tab updates.

    Updates are lists: notice, progress, the tab's own outputs, start, stop.
    """

    board: Board
    hint: str
    outputs: int

    def connect(
        self,
        controls: Controls,
        task: Callable[..., Task],
        inputs: list[Any],
        outputs: list[Any],
        js: str | None = None,
    ) -> None:
        """Connect both buttons; `task(visitor, *values of the inputs)` is what a click asks for, or an
        error whose message is shown.

        js: a JavaScript function of the inputs' values in the page that returns those to send.
        """

        async def run(request: gr.Request, *values: Any) -> AsyncGenerator[list[Any], None]:
            who, address = visitor(request), network_address(request)
            async with aclosing(self.run(who, lambda who: task(who, *values), address)) as updates:
                async for update in updates:
                    yield update

        controls.start.click(
            run,
            inputs,
            [controls.notice, controls.progress, *outputs, controls.start, controls.stop],
            concurrency_limit=None,  # the board has the queue
            show_progress="hidden",
            js=js,
        )
        controls.stop.click(self.halt, None, controls.stop, **QUICK)

    def halt(self, request: gr.Request) -> dict[str, Any]:
        """Ask the visitor's job to stop; the update of the button."""
        self.board.stop(visitor(request))
        return gr.update(interactive=False)

    async def run(
        self, who: str, task: Callable[[str], Task], address: str = ""
    ) -> AsyncGenerator[list[Any], None]:
        """Updates of a visitor's job: the check of what is asked, the wait for its turn, the work.

        address: network address of the visitor.
        """
        job, ticket = self.board.start(who), None
        unchanged = [gr.skip()] * self.outputs

        def waiting(words: str) -> list[Any]:
            progress = components.progress_value(WAITING, text=words, hint=self.hint)
            buttons = [gr.update(interactive=False), gr.update(interactive=True)]
            return [components.notice(""), progress, *unchanged, *buttons]

        try:
            yield waiting(CHECKING_WORDS)
            asked = await run_sync(task, who)
            ticket = self.board.queue.join(who, address)
            async with aclosing(turn(self.board.queue, ticket, lambda: job.cancelled)) as places:
                async for place in places:
                    yield waiting(place.words)
            if self.board.queue.running is not ticket:
                stopped = components.progress_value(STOPPED, text=STOPPED_WORDS, hint=self.hint)
                yield [gr.skip(), stopped, *unchanged, *_buttons(False)]
                return
            async with aclosing(in_thread(self.follow(job, asked, ticket))) as updates:
                async for update in updates:
                    yield update
        except Exception as error:
            idle = components.progress_value(hint=self.hint)
            yield [components.notice(message_of(error)), idle, *unchanged, *_buttons(False)]
        finally:
            if ticket is not None:
                self.board.queue.leave(ticket)
            self.board.forget(who, job)

    def follow(self, job: Job, task: Task, ticket: Ticket | None = None) -> Iterator[list[Any]]:
        """Updates while a job does a task; its share goes to the ticket."""
        shown = 0
        for now in job.run(task.work):
            if ticket is not None:
                ticket.share = now.done / now.total
            ended = now.state in ENDED
            notice = components.notice(now.error) if now.state == FAILED else gr.skip()
            results = None
            if ended or len(now.results) > shown:
                shown, results = len(now.results), task.results(now)
            own = results or [gr.skip()] * self.outputs
            yield [notice, self._progress(now, task.ends(now)), *own, *_buttons(not ended)]

    def _progress(self, now: Snapshot, ends: Mapping[str, str]) -> dict[str, Any]:
        left = time_left(now)
        words = {RUNNING: f"{now.text}  ·  {now.seconds:.0f} s{left}", FAILED: "", **ends}
        share = 1.0 if now.state == DONE else 0.0 if now.state == FAILED else now.done
        text, ready = words.get(now.state, ""), bool(now.results)
        return components.progress_value(now.state, share, text, self.hint, now.preview, ready)


def time_left(now: Snapshot) -> str:
    """How long a running job takes yet, in words, once it can be told from what is done."""
    share = now.done / now.total
    if not EARLY < share < 1:
        return ""
    return f", about {duration(now.seconds * (1 - share) / share)} left"


def _buttons(running: bool) -> list[Any]:
    """Updates of the button that starts and the one that stops."""
    if running:
        return [gr.skip(), gr.skip()]
    return [gr.update(interactive=True), gr.update(interactive=False)]
