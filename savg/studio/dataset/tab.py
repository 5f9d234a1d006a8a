"""The Dataset tab: the clips of a built or published dataset, with labels, panorama and statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from savg.studio.dataset.browser import FIGURES, Asked, Browser
from savg.studio.dataset.components import clip_gallery, heading_line, sample_player
from savg.studio.dataset.selection import CATEGORIES, ORDERS, PLACES
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page

TITLE, NAME = "Dataset", "dataset"


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    if not context.sets:
        components.commands("savg-dataset-start", "dataset/no_dataset.html")
        return
    browser = Browser(context)
    choices = browser.dataset_choices()
    notice = components.notice_line("savg-dataset-notice")
    with gr.Row(elem_classes="savg-split", equal_height=False):
        with gr.Column(scale=2, min_width=270, elem_classes="savg-settings"):
            dataset = gr.Dropdown(
                choices, value=choices[0][1], label="Dataset", elem_id="savg-dataset-name"
            )
            split = gr.Radio(
                [],
                label="Split",
                visible=False,
                elem_id="savg-dataset-split",
                elem_classes="sb-chips",
            )
            search = gr.Textbox(
                label="Search", placeholder="part of a name", elem_id="savg-dataset-search"
            )
            category = gr.Radio(
                list(CATEGORIES),
                value="All",
                label="Category",
                elem_id="savg-dataset-category",
                elem_classes="sb-chips",
            )
            place = gr.Radio(
                list(PLACES),
                value="All",
                label="Position of the sound",
                elem_id="savg-dataset-place",
                elem_classes="sb-chips",
            )
            order = gr.Dropdown(
                list(ORDERS), value="Name", label="Order", elem_id="savg-dataset-order"
            )
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
        with gr.Column(scale=5, min_width=300):
            gallery = clip_gallery("savg-dataset-gallery")
    player = sample_player("savg-sample")
    heading = heading_line("savg-dataset-heading")
    with gr.Column(visible=False, elem_id="savg-dataset-plots") as plots:
        figures = [
            gr.Plot(show_label=False, elem_id=f"savg-dataset-plot-{name}") for name in FIGURES
        ]
    number, name, counted = gr.State(0), gr.State(None), gr.State(None)
    dark = gr.Checkbox(visible=False)

    filters: list[Any] = [search, category, place, recording, towards, reach, order]
    asked = [dataset, split, *filters, number, name]
    shown = [notice, gallery, player, number, name, counted]
    quick: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 4}
    latest = quick | {"trigger_mode": "always_last"}

    def arrive(*values: Any) -> Iterator[list[Any]]:
        yield from browser.arrive(Asked.of(*values))

    def choose(event: gr.EventData, *values: Any) -> Iterator[list[Any]]:
        data, now = _data(event), Asked.of(*values)
        if data.get("arrived"):
            yield from browser.arrive(now)
        else:
            yield [gr.skip()] * 3 + browser.chosen(now, data)

    def refine(*values: Any) -> list[Any]:
        return browser.refined(Asked.of(*values))

    def move(event: gr.EventData, own: list[str], *values: Any) -> list[Any]:
        data, now = _data(event), Asked.of(*values)
        keep = gr.skip()
        if "inspect" in data:
            return [*[keep] * len(shown), *browser.inspect(now, own)]
        return [*browser.stepped(now, data.get("step")), keep, keep, keep]

    def count(key: Any, dark: bool) -> list[Any]:
        return browser.statistics(key, dark)

    chooser: list[Any] = [dataset, split, recording]
    gallery.select(choose, asked, [*chooser, *shown], **latest)
    # One event for all controls, so that the answer to an older click never comes last.
    gr.on([control.input for control in chooser[:2]], arrive, asked, [*chooser, *shown], **latest)
    refining = [search.change, *(control.input for control in filters[1:])]
    gr.on(refining, refine, asked, shown, **latest)
    steps = [page.clips, *asked]
    player.select(move, steps, [*shown, page.clips, page.wanted, page.tabs], **latest)
    counted.change(
        count,
        [counted, dark],
        [heading, plots, *figures],
        js="(key) => [key, document.body.classList.contains('dark')]",
        **latest,
    )


def _data(event: gr.EventData) -> dict[str, Any]:
    data = event._data  # type: ignore[attr-defined]
    return data if isinstance(data, dict) else {}
