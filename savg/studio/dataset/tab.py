"""The Dataset tab: the clips of a built or published dataset, with labels, panorama and statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from savg.studio.dataset.browser import Browser, BrowserState
from savg.studio.dataset.layout import lay_out
from savg.studio.dataset.sets import Sets
from savg.studio.dataset.statistics import statistics
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import DARK, QUICK, event_data, visitor

TITLE, NAME = "Dataset", "dataset"

LATEST: dict[str, Any] = QUICK | {"concurrency_limit": 4, "trigger_mode": "always_last"}


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    sets = context.option(Sets, Sets.of_environment)
    if not sets:
        components.commands("savg-dataset-start", "dataset/no_dataset.html")
        return
    browser = Browser(context.library, sets)
    layout = lay_out(browser.dataset_choices())

    def arrive(*values: Any) -> Iterator[list[Any]]:
        yield from browser.arrive(BrowserState.of(*values))

    def choose(event: gr.EventData, *values: Any) -> Iterator[list[Any]]:
        data, state = event_data(event), BrowserState.of(*values)
        if data.get("arrived"):
            yield from browser.arrive(state)
        else:
            yield [gr.skip()] * 3 + browser.choose(state, data)

    def refine(*values: Any) -> list[Any]:
        return browser.refine(BrowserState.of(*values))

    def move(event: gr.EventData, request: gr.Request, own: list[str], *values: Any) -> list[Any]:
        data, state = event_data(event), BrowserState.of(*values)
        keep = gr.skip()
        if "inspect" in data:
            return [*[keep] * len(shown), *browser.inspect(state, own, visitor(request))]
        return [*browser.step(state, data.get("step")), keep, keep, keep]

    def count(counted: Any, dark: bool) -> list[Any]:
        return statistics(sets, counted, dark)

    chooser: list[Any] = [layout.dataset, layout.split, layout.recording]
    shown: list[Any] = [layout.notice, layout.gallery, layout.player]
    shown += [layout.page, layout.name, layout.counted]
    state = [layout.dataset, layout.split, *layout.filters, layout.page, layout.name]
    layout.gallery.select(choose, state, [*chooser, *shown], **LATEST)
    # One event for all controls, so that the answer to an older click never comes last.
    gr.on([control.input for control in chooser[:2]], arrive, state, [*chooser, *shown], **LATEST)
    search, *others = layout.filters
    gr.on([search.change, *(control.input for control in others)], refine, state, shown, **LATEST)
    inspected = [page.clips, page.inspected, page.tabs]
    layout.player.select(move, [page.clips, *state], [*shown, *inspected], **LATEST)
    layout.counted.change(
        count,
        [layout.counted, layout.dark],
        [layout.heading, layout.plots, *layout.figures],
        js=f"(key) => [key, {DARK}]",
        **LATEST,
    )
