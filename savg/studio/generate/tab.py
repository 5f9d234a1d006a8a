"""The Generate tab: clips from a pipeline, or from two side by side; progress, and a Stop.

The newest clip is in the big view, with sound and controls; examples, links and the visitor's clips of
before lead to it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from savg.format import SAVGBENCH
from savg.studio.generate.comparison import export, newest
from savg.studio.generate.examples import AUDIO, SCENE, SEED, cards, store_scene
from savg.studio.generate.heard import asked_and_heard
from savg.studio.generate.layout import EMPTY, HINT, Layout, lay_out, steps_value
from savg.studio.generate.links import made_before, read_link
from savg.studio.generate.requests import GenerateChoice, GenerateRequest, generate_choices
from savg.studio.generate.stage import ASKED, evaluations, read_stage, stage_value
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import (
    QUICK,
    SLOW,
    event_data,
    guarded,
    in_turns,
    inspect_clip,
    visitor,
    with_value,
)
from savg.studio.shared.jobs import DONE, STOPPED, Snapshot, sentence
from savg.studio.shared.long_job import LongJob, Task

TITLE, NAME = "Generate", "generate"

START = "#savg-go"
"""The button that generates, as the page finds it."""


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    choices = generate_choices(context.services)
    layout = lay_out(choices, cards(context, choices), context.services.missing)
    scores, viewed = gr.State({}), gr.State(None)

    def ask(
        visitor: str,
        pipeline: str,
        seed: float,
        steps: float,
        count: float,
        boxes: bool,
        asked: str,
        own: list[str],
        scores: dict[str, Any],
    ) -> Task:
        settings = pipeline, seed, steps, count, boxes
        request = GenerateRequest(context, *settings, visitor, read_stage(asked))
        return task(context, request, own, scores)

    def describe(name: str) -> list[Any]:
        choice = choices[name]
        return [
            gr.update(info=choice.about),
            steps_value(choice),
            gr.update(visible=choice.boxes),
            stage_value(choice, keep=True),
        ]

    def estimate(name: str, steps: float, count: float, asked: str) -> dict[str, str]:
        costs = choices[name].evaluations(int(steps or 0), evaluations(asked))
        return {"text": context.pace.words(costs, count or 0)}

    def inspect(event: gr.EventData) -> list[Any]:
        return inspect_clip(str(event_data(event).get("id", "")))

    layout.pipeline.input(
        describe,
        layout.pipeline,
        [layout.pipeline, layout.steps, layout.boxes, layout.stage],
        **QUICK,
    )
    outputs = [layout.results, page.clips, scores, layout.view]
    inputs = [*layout.settings, layout.asked, page.clips, scores]
    send = with_value(inputs.index(layout.asked), ASKED)
    long_job(context).connect(layout.controls, ask, inputs, outputs, send)
    for shelf in (layout.results, layout.view):
        shelf.select(inspect, None, [page.inspected, page.tabs], **QUICK)
    gr.on(
        [
            *(part.change for part in (layout.pipeline, layout.steps, layout.count, scores)),
            layout.stage.select,
        ],
        estimate,
        [layout.pipeline, layout.steps, layout.count, layout.asked],
        layout.estimate,
        js=with_value(3, ASKED),
        **QUICK,
    )
    _connect_arrival(context, page, layout, scores, viewed, choices)
    _connect_examples(context, page, layout, choices)
    _connect_comparison(context, page, layout, scores)


def _connect_arrival(
    context: Context,
    page: Page,
    layout: Layout,
    scores: gr.State,
    viewed: gr.State,
    choices: Mapping[str, GenerateChoice],
) -> None:
    """What the page shows when it loads: the visitor's clips of before, and what a link asks for."""
    saved = gr.BrowserState([], storage_key="savg-shelf", secret="savg")

    def arrive(kept: Any, request: gr.Request) -> list[Any]:
        who = visitor(request)
        own = restored(context, kept, who)
        rows = context.library.rows(own)
        opened = open_link(context, choices, dict(request.query_params), own)
        key = opened[-1] or next((k for k in own if k in rows), None)
        key = key or next(iter(context.examples), None)
        shelf = _shelf(context, own, rows, None)
        choice = choices[opened[0] or next(iter(choices))]
        words = {"text": context.pace.words(choice.evaluations(choice.steps[1]), 1)}
        return [*opened[1:-1], own, rows, shelf, view_value(context, key), key, words]

    def complete(who: str, key: str | None) -> Iterator[list[Any]]:
        if context.library.get([key or ""]):
            yield [view_value(context, key, look=True), gr.skip()]

    shown = [*layout.settings, layout.controls.notice, layout.stage, page.clicks]
    shown += [page.clips, scores, layout.results, layout.view, viewed, layout.estimate]
    page.blocks.load(arrive, saved, shown, **QUICK)
    viewed.change(
        in_turns(context.looking, complete), viewed, [layout.view, layout.controls.notice], **SLOW
    )
    page.clips.change(lambda own: own, page.clips, saved, **QUICK)


def _connect_examples(
    context: Context, page: Page, layout: Layout, choices: Mapping[str, GenerateChoice]
) -> None:
    """The cards: two that generate, one that leads to Video to audio, one to Inspect."""
    settings, keep = [*layout.settings, layout.stage], gr.skip()

    def chosen(event: gr.EventData, own: list[str], request: gr.Request) -> list[Any]:
        name = str(event_data(event).get("id", ""))
        unchanged: list[Any] = [keep] * len(settings)
        if name == SCENE:
            stored = store_scene(context, own, visitor(request))
            clips = [stored.key, *(key for key in own if key != stored.key)]
            return [*unchanged, keep, clips, *inspect_clip(stored.key), keep]
        if name == AUDIO and context.examples:
            asked = components.click_value({"key": context.examples[-1]})
            return [*unchanged, keep, keep, keep, gr.Tabs(selected="video-to-audio"), asked]
        if name not in choices:
            return [keep] * (len(settings) + 5)
        choice = choices[name]
        steps = steps_value(choice)
        boxes = gr.update(value=True, visible=choice.boxes)
        pipeline = gr.update(value=name, info=choice.about)
        values = [pipeline, SEED, steps, 1, boxes, stage_value(choice)]
        return [*values, components.click_value({"target": START}), keep, keep, keep, keep]

    shown = [*settings, page.clicks, page.clips, page.inspected, page.tabs, page.resounded]
    layout.examples.select(chosen, page.clips, shown, **QUICK)


def _connect_comparison(context: Context, page: Page, layout: Layout, scores: gr.State) -> None:
    """The newest clips as one video."""

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
    """The tab's long work; its own outputs are results, the visitor's clips, their scores, the view."""
    return LongJob(context.board, HINT, outputs=4)


def task(
    context: Context, request: GenerateRequest, own: list[str], scores: dict[str, Any]
) -> Task:
    """A click; `own`: keys of the visitor's clips so far, `scores`: what the shelf shows of them."""

    def results(now: Snapshot) -> list[Any]:
        keys = [stored.key for stored, _ in reversed(now.results)] + own
        known = scores | {stored.key: row for stored, row in now.results}
        latest = now.results[0][0].key if now.results else None
        view = view_value(context, latest, look=True, autoplay=True) if latest else gr.skip()
        return [_shelf(context, keys, known, latest), keys, known, view]

    return Task(request, lambda now: _ends(now, request.total), results)


def view_value(
    context: Context, key: str | None, look: bool = False, autoplay: bool = False
) -> dict[str, Any] | None:
    """What the big view shows of a clip, None if it is no longer here.

    look: annotate it if that has not been done yet, which takes a second or two.
    """
    stored = next(iter(context.library.get([key or ""])), None)
    if stored is None:
        return None
    row = context.library.rows([stored.key]).get(stored.key, {})
    detector = row.get("by") or context.services.clip_detector("demo")
    cached = context.annotations.known(stored, detector)
    if cached is None and look:
        cached = context.annotations.annotation(stored, detector)
    crop = SAVGBENCH.top, SAVGBENCH.bottom
    annotation = None if cached is None else cached.to_json()
    value = components.player_value(stored, crop, annotation, stored.results(detector))
    asked = None if cached is None else asked_and_heard(stored.settings, cached)
    return value | {"autoplay": autoplay, "asked": asked}


def restored(context: Context, kept: Any, who: str) -> list[str]:
    """Keys of a visitor's clips that a browser has kept and the studio still has; they are the
    visitor's from now on, if whoever made them has left. Whatever a browser sends may come."""
    keys = [key for key in kept if isinstance(key, str)] if isinstance(kept, list) else []
    most = context.library.max_clips
    return context.library.adopt(keys[:most], who, lambda owner: context.presence.away(owner) > 0)


def open_link(
    context: Context,
    choices: Mapping[str, GenerateChoice],
    query: Mapping[str, Any],
    own: list[str],
) -> list[Any]:
    """Updates of pipeline, seed, steps, clips, boxes, notice, stage and clicks for the query of an
    address, after the key of the choice, and before the key of a clip that is there already."""
    keep = gr.skip()
    nothing = [None, *[keep] * 8, None]
    try:
        link = read_link(query, choices)
    except Exception as error:
        nothing[6] = components.notice(sentence(error))
        return nothing
    if link is None:
        return nothing
    choice, made = choices[link.choice], made_before(context, link, choices, own)
    return [
        link.choice,
        gr.update(value=link.choice, info=choice.about),
        link.seed,
        steps_value(choice, link.steps),
        link.count,
        gr.update(value=link.boxes, visible=choice.boxes),
        keep,
        stage_value(choice, link.direction),
        keep if made else components.click_value({"target": START}),
        made,
    ]


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
        clips, layout="cards", selected=latest, empty=EMPTY, judged=scores
    )
