"""Inputs that tabs have in common, and the check of numbers that visitors give."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from savg.studio.shared.handlers import QUICK

if TYPE_CHECKING:
    from savg.studio.shared.choices import DetectorChoice

MAX_SEED = 2**31 - 1


def seed_row(prefix: str) -> gr.Number:
    """A seed with a button that draws another; elements `PREFIX-seed` and `PREFIX-dice`."""
    with gr.Row(equal_height=True, elem_classes="savg-seed"):
        seed = gr.Number(0, label="Seed", precision=0, min_width=120, elem_id=f"{prefix}-seed")
        dice = gr.Button("New seed", scale=0, min_width=110, size="sm", elem_id=f"{prefix}-dice")
    dice.click(lambda: random.randrange(MAX_SEED), None, seed, **QUICK)
    return seed


def start_and_stop(prefix: str, label: str) -> tuple[gr.Button, gr.Button]:
    """The buttons of long work; elements `PREFIX-go` and `PREFIX-stop`."""
    with gr.Row(elem_classes="savg-go"):
        start = gr.Button(label, variant="primary", elem_id=f"{prefix}-go", scale=2)
        stop = gr.Button("Stop", elem_id=f"{prefix}-stop", interactive=False, scale=1, min_width=80)
    return start, stop


def person_detectors(
    detectors: Mapping[str, DetectorChoice], elem_id: str, **place: Any
) -> gr.Dropdown:
    """A choice of person detectors, the first one chosen; hidden where there is one alone."""
    return gr.Dropdown(
        [(choice.label, name) for name, choice in detectors.items()],
        value=next(iter(detectors)),
        label="Person detector",
        visible=len(detectors) > 1,
        elem_id=elem_id,
        **place,
    )


def entered(value: Any) -> Any:
    """A number as a browser sends it, an int where it is one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
