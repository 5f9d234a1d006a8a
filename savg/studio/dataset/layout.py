"""What lies where in the Dataset tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.studio.dataset.components import clip_gallery, heading_line, sample_player
from savg.studio.dataset.selection import CATEGORIES, ORDERS, PLACES
from savg.studio.dataset.statistics import FIGURES
from savg.studio.shared import components


@dataclass(frozen=True)
class Layout:
    """The components of the tab; `filters` are the fields of a `Selection` in their order, `page`,
    `name` and `counted` the page of the gallery, the open clip, and what is counted; `dark` tells
    handlers whether the page is."""

    dataset: gr.Dropdown
    split: gr.Radio
    filters: list[Any]
    recording: gr.Dropdown
    notice: gr.HTML
    gallery: gr.HTML
    player: gr.HTML
    heading: gr.HTML
    plots: gr.Column
    figures: list[gr.Plot]
    page: gr.State
    name: gr.State
    counted: gr.State
    dark: gr.Checkbox


def lay_out(datasets: list[tuple[str, str]]) -> Layout:
    """Filters on the left, the gallery on the right, player and statistics below.

    datasets: titles and keys.
    """
    notice = components.notice_line("savg-dataset-notice")
    with gr.Row(elem_classes="savg-split", equal_height=False):
        with gr.Column(scale=2, min_width=270, elem_classes="savg-settings"):
            dataset = gr.Dropdown(
                datasets, value=datasets[0][1], label="Dataset", elem_id="savg-dataset-name"
            )
            split = _chips([], "Split", "split", visible=False)
            filters, recording = _filters()
        with gr.Column(scale=5, min_width=300):
            gallery = clip_gallery("savg-dataset-gallery")
    player = sample_player("savg-sample")
    heading = heading_line("savg-dataset-heading")
    with gr.Column(visible=False, elem_id="savg-dataset-plots") as plots:
        figures = [
            gr.Plot(show_label=False, elem_id=f"savg-dataset-plot-{name}") for name in FIGURES
        ]
    return Layout(
        dataset,
        split,
        filters,
        recording,
        notice,
        gallery,
        player,
        heading,
        plots,
        figures,
        page=gr.State(0),
        name=gr.State(None),
        counted=gr.State(None),
        dark=gr.Checkbox(visible=False),
    )


def _filters() -> tuple[list[Any], gr.Dropdown]:
    """The fields of a `Selection` in their order, and the recording among them."""
    search = gr.Textbox(label="Search", placeholder="part of a name", elem_id="savg-dataset-search")
    category = _chips(list(CATEGORIES), "Category", "category")
    place = _chips(list(PLACES), "Position of the sound", "place")
    order = gr.Dropdown(list(ORDERS), value="Name", label="Order", elem_id="savg-dataset-order")
    with gr.Accordion("Recording and view", open=False, elem_id="savg-dataset-more"):
        recording = gr.Dropdown(
            [("All", "")], value="", label="Recording", elem_id="savg-dataset-recording"
        )
        towards = gr.Slider(
            -180, 180, 0, step=10, label="View, azimuth", elem_id="savg-dataset-towards"
        )
        reach = gr.Slider(
            0,
            180,
            180,
            step=10,
            label="View, give or take",
            info="Degrees, positive to the left (deg in names counts to the right); "
            "180 keeps every view.",
            elem_id="savg-dataset-reach",
        )
    return [search, category, place, recording, towards, reach, order], recording


def _chips(choices: list[str], label: str, name: str, visible: bool = True) -> gr.Radio:
    return gr.Radio(
        choices,
        value="All" if choices else None,
        label=label,
        visible=visible,
        elem_id=f"savg-dataset-{name}",
        elem_classes="sb-chips",
    )
