"""What lies where in the Generate tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.studio.generate.examples import ExampleCard, example_cards
from savg.studio.generate.requests import MAX_CLIPS, GenerateChoice
from savg.studio.generate.stage import stage
from savg.studio.shared import components, web
from savg.studio.shared.inputs import seed_row, start_and_stop
from savg.studio.shared.long_job import Controls

HINT = "Your clip will appear here."
EMPTY = "Your clips will appear here, each with its score."

VIEW_SCRIPTS = [
    components.SCORE_SCRIPT,
    components.PLACES,
    "generate/stage_path.js",
    "generate/view.js",
]


@dataclass(frozen=True)
class Layout:
    """The components of the tab; `asked` brings what is asked for on the stage to the studio."""

    controls: Controls
    examples: gr.HTML
    pipeline: gr.Dropdown
    seed: gr.Number
    steps: gr.Slider
    boxes: gr.Checkbox
    count: gr.Slider
    estimate: gr.HTML
    view: gr.HTML
    stage: gr.HTML
    asked: gr.Textbox
    results: gr.HTML
    export: gr.Button
    comparison: gr.HTML

    @property
    def settings(self) -> list[Any]:
        """Pipeline, seed, steps, clips and boxes."""
        return [self.pipeline, self.seed, self.steps, self.count, self.boxes]


def lay_out(
    choices: Mapping[str, GenerateChoice], cards: list[ExampleCard], problem: str
) -> Layout:
    """Examples above, settings and stage on the left, the clip on the right, further clips below;
    `problem` is shown at once."""
    notice = components.notice_line("savg-generate-notice", problem)
    examples = example_cards(cards)
    with gr.Row(elem_classes="savg-split", equal_height=False, elem_id="savg-generate-split"):
        with gr.Column(scale=2, min_width=280, elem_classes="savg-settings"):
            pipeline, seed, steps, boxes, count = _settings(choices)
            start, stop = start_and_stop("savg", "Generate")
            estimate = components.quiet_line("savg-estimate")
        with gr.Column(scale=5, min_width=300, elem_id="savg-stage"):
            progress = components.progress("savg-progress", components.progress_value(hint=HINT))
            view = components.player("savg-view", components.SCORE, VIEW_SCRIPTS)
        with gr.Column(scale=2, min_width=280, elem_id="savg-directing"):
            direction = stage(next(iter(choices.values())))
    asked = gr.Textbox(visible=False)
    results = components.shelf(
        "savg-results", components.shelf_value([], layout="cards", empty=EMPTY)
    )
    with gr.Row(elem_classes="savg-row-tools"):
        export = gr.Button(
            "Export comparison", elem_id="savg-export", visible=False, min_width=200, size="md"
        )
        comparison = web.component(
            "generate/comparison.html",
            [components.DOM, "generate/comparison.js"],
            "savg-comparison",
        )
    controls = Controls(notice, progress, start, stop)
    return Layout(
        controls,
        examples,
        pipeline,
        seed,
        steps,
        boxes,
        count,
        estimate,
        view,
        direction,
        asked,
        results,
        export,
        comparison,
    )


def _settings(
    choices: Mapping[str, GenerateChoice],
) -> tuple[gr.Dropdown, gr.Number, gr.Slider, gr.Checkbox, gr.Slider]:
    name, choice = next(iter(choices.items()))
    pipeline = gr.Dropdown(
        [(choice.label, name) for name, choice in choices.items()],
        value=name,
        label="Pipeline",
        info=choice.about,
        elem_id="savg-pipeline",
    )
    seed = seed_row("savg")
    steps = gr.Slider(
        **_steps(choice),
        step=1,
        label="Steps",
        elem_id="savg-steps",
        info="More steps take longer and follow the model more closely.",
    )
    boxes = gr.Checkbox(
        True,
        label="Pass person boxes to the audio model",
        info="The flow network gets the boxes of the people that YOLOX detects.",
        visible=choice.boxes,
        elem_id="savg-boxes",
    )
    count = gr.Slider(1, MAX_CLIPS, 1, step=1, label="Clips", elem_id="savg-count")
    return pipeline, seed, steps, boxes, count


def steps_value(choice: GenerateChoice, steps: int | None = None) -> dict[str, Any]:
    """What the slider of steps shows for a choice of pipelines: `steps`, or the choice's own number.
    There is none for weights that were distilled for one number."""
    shown: dict[str, Any] = gr.update(**_steps(choice, steps))
    return shown


def _steps(choice: GenerateChoice, steps: int | None = None) -> dict[str, Any]:
    least, default, most = choice.steps
    return {
        "minimum": least,
        "maximum": max(most, least + 1),  # Gradio's slider has no single place, not even unseen
        "value": default if steps is None else steps,
        "visible": choice.takes_steps,
    }
