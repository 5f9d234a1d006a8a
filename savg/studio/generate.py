"""The Generate tab: clips from a pipeline, with progress, a preview, and a Stop that stops."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.studio import parts
from savg.studio.context import Context, Page
from savg.studio.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING, Job, Snapshot, sentence

TITLE, NAME = "Generate", "generate"

MAX_SEED = 2**31 - 1
MAX_CLIPS = 8

HINT = "The clip takes shape here."
EMPTY = "Your clips appear here, each with its score."


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    services = context.services
    first = next(iter(services.pipelines))
    least, default, most = services.pipelines[first].steps
    notice = parts.notice_line("savg-generate-notice", services.missing)
    with gr.Row(elem_classes="savg-split", equal_height=False):
        with gr.Column(scale=2, min_width=280, elem_classes="savg-settings"):
            pipeline = gr.Dropdown(
                [(choice.label, name) for name, choice in services.pipelines.items()],
                value=first,
                label="Pipeline",
                info=services.pipelines[first].about,
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
            count = gr.Slider(1, MAX_CLIPS, 1, step=1, label="Clips", elem_id="savg-count")
            with gr.Row(elem_classes="savg-go"):
                go = gr.Button("Generate", variant="primary", elem_id="savg-go", scale=2)
                stop = gr.Button(
                    "Stop", elem_id="savg-stop", interactive=False, scale=1, min_width=80
                )
        with gr.Column(scale=3, min_width=300):
            progress = parts.progress("savg-progress", parts.progress_value(hint=HINT))
    results = parts.shelf("savg-results", _results(context, [], {}))
    judged = gr.State({})

    def new_seed() -> int:
        return random.randrange(MAX_SEED)

    def prepare(request: gr.Request) -> list[Any]:
        context.board.start(_visitor(request))
        waiting = parts.progress_value(
            WAITING, text="Waiting for the studio to be free …", hint=HINT
        )
        return [
            parts.notice(""),
            waiting,
            gr.update(interactive=False),
            gr.update(interactive=True),
        ]

    def run(
        pipeline: str,
        seed: float,
        steps: float,
        count: float,
        own: list[str],
        judged: dict[str, Any],
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        visitor = _visitor(request)
        job = context.board.job(visitor) or context.board.start(visitor)
        try:
            work = Order(context, pipeline, seed, steps, count)
            yield from follow(context, job, work, own, judged)
        except Exception as error:
            idle = parts.progress_value(hint=HINT)
            keep = gr.skip()
            yield [parts.notice(sentence(error)), idle, keep, keep, keep, *_buttons(False)]
        finally:
            context.board.forget(visitor, job)

    def halt(request: gr.Request) -> dict[str, Any]:
        context.board.stop(_visitor(request))
        return gr.update(interactive=False)

    def chosen(event: gr.EventData) -> list[Any]:
        key = str(event._data.get("id", ""))  # type: ignore[union-attr]
        return [key, gr.Tabs(selected="inspect")]

    def describe(name: str) -> list[Any]:
        choice = services.pipelines[name]
        least, default, most = choice.steps
        return [gr.update(info=choice.about), gr.update(minimum=least, maximum=most, value=default)]

    quick: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 8}
    pipeline.change(describe, pipeline, [pipeline, steps], **quick)
    dice.click(new_seed, None, seed, **quick)
    start = go.click(prepare, None, [notice, progress, go, stop], **quick)
    start.then(
        run,
        [pipeline, seed, steps, count, page.clips, judged],
        [notice, progress, results, page.clips, judged, go, stop],
        concurrency_limit=1,
        concurrency_id="gpu",
        show_progress="hidden",
    )
    stop.click(halt, None, stop, **quick)
    results.select(chosen, None, [page.wanted, page.tabs], **quick)


class Order:
    """What a visitor asked for, checked; called with a job, it does it."""

    def __init__(
        self, context: Context, pipeline: str, seed: float, steps: float, count: float
    ) -> None:
        self.context = context
        if pipeline not in context.services.pipelines:
            raise SavgError("This pipeline is not known: choose one of the list.")
        self.pipeline = pipeline
        least, _, most = context.services.pipelines[pipeline].steps
        self.seed = _whole(seed, "Seed", 0, MAX_SEED)
        self.steps = _whole(steps, "Steps", least, most)
        self.count = _whole(count, "Clips", 1, MAX_CLIPS)

    def __call__(self, job: Job) -> None:
        """Generate one clip after the other; results are (stored clip, summary of its score)."""
        from savg.pipelines.annotate import summary

        job.step(0, 1, "Loading the networks …")
        generate = self.context.services.pipeline(self.pipeline)
        detector = next(iter(self.context.services.persons))
        for i in range(self.count):
            job.check()
            name = f"Clip {i + 1} of {self.count}" if self.count > 1 else "Clip"

            def on_step(done: int, total: int, preview: Any, i: int = i, name: str = name) -> bool:
                share = (i + 0.95 * done / max(total, 1)) / self.count
                words = f"{name}: step {done} of {total}"
                return job.step(share, 1, words, preview_picture(preview))

            clip = one_clip(generate, i, self.seed, self.steps, on_step)
            job.step((i + 0.95) / self.count, 1, f"{name}: looking for persons and sounds …")
            title = f"Seed {self.seed}" + (f", clip {i + 1}" if i else "")
            label = self.context.services.pipelines[self.pipeline].label
            stored = self.context.library.add(clip, title, f"{label}, {self.steps} steps")
            annotation = self.context.analyst.annotation(stored, detector)
            job.result((stored, summary(annotation.alignment)))


def one_clip(generate: Any, index: int, seed: int, steps: int, on_step: Any) -> Any:
    """Clip `index` of a seed, by itself: a clip does not depend on the others of its batch."""
    return generate(1, seed=seed, first=index, steps=steps, on_step=on_step)[0]


def follow(
    context: Context, job: Job, work: Order, own: list[str], judged: dict[str, Any]
) -> Iterator[list[Any]]:
    """Updates of notice, progress, results, clips, scores and buttons while the work runs."""
    keep = gr.skip()
    shown = 0
    for now in job.run(work):
        ended = now.state in (DONE, STOPPED, FAILED)
        update = [keep, _progress(now, work.count), keep, keep, keep, *_buttons(not ended)]
        if len(now.results) > shown or ended:
            shown = len(now.results)
            keys = [stored.key for stored, _ in reversed(now.results)] + own
            scores = judged | {stored.key: score for stored, score in now.results}
            latest = now.results[0][0].key if now.results else None
            update[2:5] = [_results(context, keys, scores, latest), keys, scores]
        if now.state == FAILED:
            update[0] = parts.notice(now.error)
        yield update


def _progress(now: Snapshot, count: int) -> dict[str, Any]:
    made = len(now.results)
    clips = f"{made} clip{'s' * (made != 1)}"
    words = {
        RUNNING: f"{now.text}  ·  {now.seconds:.0f} s",
        DONE: f"Done: {clips} in {now.seconds:.1f} s.",
        STOPPED: f"Stopped after {now.seconds:.1f} s with {clips} of {count}.",
        FAILED: "",
    }.get(now.state, "")
    share = 1.0 if now.state == DONE else 0.0 if now.state == FAILED else now.done
    return parts.progress_value(now.state, share, words, HINT, now.preview)


def _buttons(running: bool) -> list[Any]:
    """Updates of Generate and Stop."""
    if running:
        return [gr.skip(), gr.skip()]
    return [gr.update(interactive=True), gr.update(interactive=False)]


def _results(
    context: Context, keys: list[str], judged: dict[str, Any], latest: str | None = None
) -> dict[str, Any]:
    clips = [clip for clip in context.library.get(keys) if clip.key in judged]
    return parts.shelf_value(clips, layout="cards", autoplay=latest, empty=EMPTY, judged=judged)


def _visitor(request: gr.Request) -> str:
    return str(request.session_hash)


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if not isinstance(value, int | float) or value != value or not least <= value <= most:
        raise SavgError(f"{name} is a whole number from {least} to {most}, not {value}.")
    return int(value)


def preview_picture(preview: Any) -> NDArray[np.uint8] | None:
    """The middle picture of a preview: uint8 pictures [..., h, w, 3], or None."""
    if preview is None:
        return None
    array = np.asarray(preview)
    if array.dtype != np.uint8 or array.ndim < 3 or array.shape[-1] != 3:
        return None
    pictures = array.reshape(-1, *array.shape[-3:])
    return pictures[len(pictures) // 2]
