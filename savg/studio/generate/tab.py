"""The Generate tab: clips from a pipeline, or from two side by side; progress, and a Stop."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import gradio as gr

from savg.studio.generate.requests import MAX_CLIPS, MAX_SEED, Order, offered
from savg.studio.shared import components, running
from savg.studio.shared.context import Context, Page
from savg.studio.shared.jobs import DONE, FAILED, STOPPED, Job, Snapshot, sentence

TITLE, NAME = "Generate", "generate"

BOXES = "Person boxes for the second stage"
BOXES_ABOUT = "The flow network is told where YOLOX finds persons."

HINT = "The clip takes shape here."
EMPTY = "Your clips appear here, each with its score."


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    services = context.services
    choices = offered(services)
    first = next(iter(choices))
    least, default, most = choices[first].steps
    notice = components.notice_line("savg-generate-notice", services.missing)
    with gr.Row(elem_classes="savg-split", equal_height=False):
        with gr.Column(scale=2, min_width=280, elem_classes="savg-settings"):
            pipeline = gr.Dropdown(
                [(choice.label, name) for name, choice in choices.items()],
                value=first,
                label="Pipeline",
                info=choices[first].about,
                elem_id="savg-pipeline",
            )
            with gr.Row(equal_height=True, elem_classes="savg-seed"):
                seed = gr.Number(0, label="Seed", precision=0, elem_id="savg-seed", min_width=120)
                dice = gr.Button("New seed", scale=0, min_width=110, size="sm", elem_id="savg-dice")
            steps = gr.Slider(
                least,
                most,
                default,
                step=1,
                label="Steps",
                elem_id="savg-steps",
                info="More steps take longer and follow the model more closely.",
            )
            boxes = gr.Checkbox(
                True,
                label=BOXES,
                info=BOXES_ABOUT,
                visible=choices[first].boxes,
                elem_id="savg-boxes",
            )
            count = gr.Slider(1, MAX_CLIPS, 1, step=1, label="Clips", elem_id="savg-count")
            with gr.Row(elem_classes="savg-go"):
                go = gr.Button("Generate", variant="primary", elem_id="savg-go", scale=2)
                stop = gr.Button(
                    "Stop", elem_id="savg-stop", interactive=False, scale=1, min_width=80
                )
        with gr.Column(scale=3, min_width=300):
            progress = components.progress("savg-progress", components.progress_value(hint=HINT))
    results = components.shelf("savg-results", _results(context, [], {}))
    judged = gr.State({})

    def new_seed() -> int:
        return random.randrange(MAX_SEED)

    def prepare(request: gr.Request) -> list[Any]:
        context.board.start(running.visitor(request))
        return running.waiting(HINT)

    def run(
        pipeline: str,
        seed: float,
        steps: float,
        count: float,
        boxes: bool,
        own: list[str],
        judged: dict[str, Any],
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        visitor = running.visitor(request)
        job = context.board.job(visitor) or context.board.start(visitor)
        try:
            work = Order(context, pipeline, seed, steps, count, boxes)
            yield from follow(context, job, work, own, judged)
        except Exception as error:
            idle = components.progress_value(hint=HINT)
            keep = gr.skip()
            yield [
                components.notice(sentence(error)),
                idle,
                keep,
                keep,
                keep,
                *running.buttons(False),
            ]
        finally:
            context.board.forget(visitor, job)

    def halt(request: gr.Request) -> dict[str, Any]:
        context.board.stop(running.visitor(request))
        return gr.update(interactive=False)

    def chosen(event: gr.EventData) -> list[Any]:
        key = str(event._data.get("id", ""))  # type: ignore[union-attr]
        return [key, gr.Tabs(selected="inspect")]

    def describe(name: str) -> list[Any]:
        choice = choices[name]
        least, default, most = choice.steps
        return [
            gr.update(info=choice.about),
            gr.update(minimum=least, maximum=most, value=default),
            gr.update(visible=choice.boxes),
        ]

    quick: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 8}
    pipeline.change(describe, pipeline, [pipeline, steps, boxes], **quick)
    dice.click(new_seed, None, seed, **quick)
    start = go.click(prepare, None, [notice, progress, go, stop], **quick)
    start.then(
        run,
        [pipeline, seed, steps, count, boxes, page.clips, judged],
        [notice, progress, results, page.clips, judged, go, stop],
        concurrency_limit=1,
        concurrency_id="gpu",
        show_progress="hidden",
    )
    stop.click(halt, None, stop, **quick)
    results.select(chosen, None, [page.wanted, page.tabs], **quick)


def follow(
    context: Context, job: Job, work: Order, own: list[str], judged: dict[str, Any]
) -> Iterator[list[Any]]:
    """Updates of notice, progress, results, clips, scores and buttons while the work runs."""
    keep = gr.skip()
    shown = 0
    for now in job.run(work):
        ended = now.state in (DONE, STOPPED, FAILED)
        update = [keep, _progress(now, work.total), keep, keep, keep, *running.buttons(not ended)]
        if len(now.results) > shown or ended:
            shown = len(now.results)
            keys = [stored.key for stored, _ in reversed(now.results)] + own
            scores = judged | {stored.key: score for stored, score in now.results}
            latest = now.results[0][0].key if now.results else None
            update[2:5] = [_results(context, keys, scores, latest), keys, scores]
        if now.state == FAILED:
            update[0] = components.notice(now.error)
        yield update


def _progress(now: Snapshot, count: int) -> dict[str, Any]:
    made = len(now.results)
    clips = f"{made} clip{'s' * (made != 1)}"
    ends = {
        DONE: f"Done: {clips} in {now.seconds:.1f} s.",
        STOPPED: f"Stopped after {now.seconds:.1f} s with {clips} of {count}.",
    }
    return running.progress(now, ends, HINT)


def _results(
    context: Context, keys: list[str], judged: dict[str, Any], latest: str | None = None
) -> dict[str, Any]:
    clips = [clip for clip in context.library.get(keys) if clip.key in judged]
    return components.shelf_value(
        clips, layout="cards", autoplay=latest, empty=EMPTY, judged=judged
    )
