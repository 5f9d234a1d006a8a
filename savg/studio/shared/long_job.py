"""One skeleton for tabs with long work: a button starts it, another stops it, progress is shown.

A tab says what a click asks for (`Task`) and how it shows results; waiting, progress, stop, errors and
the order in which visitors are served are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.handlers import QUICK, visitor
from savg.studio.shared.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING, Board, Job, Snapshot
from savg.studio.shared.jobs import sentence as message_of

WAITING_WORDS = "Waiting for the studio to be free …"

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
    ) -> None:
        """Connect both buttons; `task(visitor, *values of the inputs)` is what a click asks for, or an
        error whose message is shown."""

        def run(request: gr.Request, *values: Any) -> Iterator[list[Any]]:
            yield from self.run(visitor(request), lambda who: task(who, *values))

        head = [controls.notice, controls.progress]
        buttons = [controls.start, controls.stop]
        started = controls.start.click(self.wait, None, [*head, *buttons], **QUICK)
        started.then(
            run,
            inputs,
            [*head, *outputs, *buttons],
            concurrency_limit=1,
            concurrency_id="gpu",
            show_progress="hidden",
        )
        controls.stop.click(self.halt, None, controls.stop, **QUICK)

    def wait(self, request: gr.Request) -> list[Any]:
        """Updates of notice, progress, start and stop between the click and the start."""
        self.board.start(visitor(request))
        progress = components.progress_value(WAITING, text=WAITING_WORDS, hint=self.hint)
        return [
            components.notice(""),
            progress,
            gr.update(interactive=False),
            gr.update(interactive=True),
        ]

    def halt(self, request: gr.Request) -> dict[str, Any]:
        """Ask the visitor's job to stop; the update of the button."""
        self.board.stop(visitor(request))
        return gr.update(interactive=False)

    def run(self, who: str, task: Callable[[str], Task]) -> Iterator[list[Any]]:
        """Updates while the work of a visitor runs, from the check of what is asked to the end."""
        job = self.board.job(who) or self.board.start(who)
        try:
            yield from self.follow(job, task(who))
        except Exception as error:
            idle = components.progress_value(hint=self.hint)
            unchanged = [gr.skip()] * self.outputs
            yield [components.notice(message_of(error)), idle, *unchanged, *_buttons(False)]
        finally:
            self.board.forget(who, job)

    def follow(self, job: Job, task: Task) -> Iterator[list[Any]]:
        """Updates while a job does a task."""
        shown = 0
        for now in job.run(task.work):
            ended = now.state in ENDED
            notice = components.notice(now.error) if now.state == FAILED else gr.skip()
            results = None
            if ended or len(now.results) > shown:
                shown, results = len(now.results), task.results(now)
            own = results or [gr.skip()] * self.outputs
            yield [notice, self._progress(now, task.ends(now)), *own, *_buttons(not ended)]

    def _progress(self, now: Snapshot, ends: Mapping[str, str]) -> dict[str, Any]:
        words = {RUNNING: f"{now.text}  ·  {now.seconds:.0f} s", FAILED: "", **ends}
        share = 1.0 if now.state == DONE else 0.0 if now.state == FAILED else now.done
        text = words.get(now.state, "")
        return components.progress_value(now.state, share, text, self.hint, now.preview)


def _buttons(running: bool) -> list[Any]:
    """Updates of the button that starts and the one that stops."""
    if running:
        return [gr.skip(), gr.skip()]
    return [gr.update(interactive=True), gr.update(interactive=False)]
