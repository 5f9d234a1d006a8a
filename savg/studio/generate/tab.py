"""The Generate tab: clips from a pipeline, or from two side by side; progress, and a Stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from savg.studio.generate.comparison import export, newest
from savg.studio.generate.layout import EMPTY, HINT, lay_out
from savg.studio.generate.requests import GenerateRequest, generate_choices
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import QUICK, SLOW, event_data, guarded, in_turns, inspect_clip
from savg.studio.shared.jobs import DONE, STOPPED, Snapshot
from savg.studio.shared.long_job import LongJob, Task

TITLE, NAME = "Generate", "generate"


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    choices = generate_choices(context.services)
    layout = lay_out(choices, context.services.missing)
    scores = gr.State({})

    def ask(
        visitor: str,
        pipeline: str,
        seed: float,
        steps: float,
        count: float,
        boxes: bool,
        own: list[str],
        scores: dict[str, Any],
    ) -> Task:
        request = GenerateRequest(context, pipeline, seed, steps, count, boxes, visitor)
        return task(context, request, own, scores)

    def describe(name: str) -> list[Any]:
        choice = choices[name]
        least, default, most = choice.steps
        return [
            gr.update(info=choice.about),
            gr.update(minimum=least, maximum=most, value=default),
            gr.update(visible=choice.boxes),
        ]

    def inspect(event: gr.EventData) -> list[Any]:
        return inspect_clip(str(event_data(event).get("id", "")))

    layout.pipeline.change(
        describe, layout.pipeline, [layout.pipeline, layout.steps, layout.boxes], **QUICK
    )
    settings = [layout.pipeline, layout.seed, layout.steps, layout.count, layout.boxes]
    outputs = [layout.results, page.clips, scores]
    long_job(context).connect(layout.controls, ask, [*settings, page.clips, scores], outputs)
    layout.results.select(inspect, None, [page.inspected, page.tabs], **QUICK)

    def offer(own: list[str], scores: dict[str, Any]) -> list[Any]:
        return [gr.update(visible=bool(newest(context, own, scores))), {}]

    compare = in_turns(context.looking, lambda who, *values: comparison(context, *values))

    scores.change(offer, [page.clips, scores], [layout.export, layout.comparison], **QUICK)
    layout.export.click(
        compare,
        [page.clips, scores],
        [layout.controls.notice, layout.export, layout.comparison],
        **SLOW,
    )


def long_job(context: Context) -> LongJob:
    """The tab's long work; its own outputs are results, the visitor's clips, their scores."""
    return LongJob(context.board, HINT, outputs=3)


def task(
    context: Context, request: GenerateRequest, own: list[str], scores: dict[str, Any]
) -> Task:
    """A click; `own`: keys of the visitor's clips so far, `scores`: what the shelf shows of them."""

    def results(now: Snapshot) -> list[Any]:
        keys = [stored.key for stored, _ in reversed(now.results)] + own
        known = scores | {stored.key: row for stored, row in now.results}
        latest = now.results[0][0].key if now.results else None
        return [_shelf(context, keys, known, latest), keys, known]

    return Task(request, lambda now: _ends(now, request.total), results)


def comparison(context: Context, own: list[str], scores: dict[str, Any]) -> Iterator[list[Any]]:
    """Updates of notice, button and link while the newest clips become one video."""
    busy = components.notice("Composing the comparison …", "busy")
    yield [busy, gr.update(interactive=False), {}]
    ready = gr.update(interactive=True)
    yield guarded(
        lambda: [components.notice(""), ready, export(context, newest(context, own, scores))],
        lambda message, _: [components.notice(message), ready, {}],
    )


def _ends(now: Snapshot, total: int) -> Mapping[str, str]:
    count = len(now.results)
    clips = f"{count} clip{'s' * (count != 1)}"
    return {
        DONE: f"Done: {clips} in {now.seconds:.1f} s.",
        STOPPED: f"Stopped after {now.seconds:.1f} s with {clips} of {total}.",
    }


def _shelf(
    context: Context, keys: list[str], scores: dict[str, Any], latest: str | None
) -> dict[str, Any]:
    clips = [clip for clip in context.library.get(keys) if clip.key in scores]
    return components.shelf_value(
        clips, layout="cards", autoplay=latest, empty=EMPTY, judged=scores
    )
