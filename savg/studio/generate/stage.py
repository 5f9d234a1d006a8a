"""The stage: what clips shall be – who sounds, where over time, how many people are seen.

What a visitor asks for comes as a browser's text, which may be anything: what asks for nothing possible
is told in one sentence. Moments are rows seconds, x in pixels of the 256-wide frame.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from savg.errors import SavgError, brief
from savg.format import SAVGBENCH
from savg.geometry import on_path
from savg.pipelines.rows_file import is_row
from savg.studio.shared import components
from savg.studio.shared.web import component

if TYPE_CHECKING:
    from savg.pipelines.direction import Direction
    from savg.studio.generate.requests import GenerateChoice

STAGE = "savg-direction"
"""Id of the stage's element."""

ASKED = f"((window.savgStages || {{}})['{STAGE}'] || {{ text: () => '' }}).text()"
"""JavaScript: what is asked for on the stage, as `read_stage` takes it; empty for nothing."""

MAX_TEXT, MAX_MOMENTS = 20_000, 64

STRAIGHT = 1.001
"""Pixels by which a moment between two others may be off their line and is left out on the stage: twice
what rounding does."""

STRENGTHS = {"sound": "What is heard", "x": "Where", "people": "People"}
"""Conditions whose weight can be changed, by what the stage calls them."""

MAX_STRENGTH = 5.0
"""Of the stage's sliders."""

Moments = Sequence[tuple[float, float]]


def stage(choice: GenerateChoice) -> gr.HTML:
    """The component; its value is `stage_value(…)`, and `.select` tells that strengths changed.

    choice: of pipelines, at first.
    """
    scripts = [*components.STEERING, "generate/stage_path.js", "generate/stage.js"]
    return component("generate/stage.html", scripts, STAGE, stage_value(choice))


def stage_value(
    choice: GenerateChoice, direction: Direction | None = None, keep: bool = False
) -> dict[str, Any]:
    """What the stage shows for a choice of pipelines; a direction, None for all open.

    keep: what the visitor has asked for before stays, in place of the direction.
    """
    value: dict[str, Any] = {
        "refusal": choice.refusal,
        "warning": choice.warning,
        "seconds": SAVGBENCH.seconds,
        "frames": SAVGBENCH.frames,
        "strengths": STRENGTHS,
        "most": MAX_STRENGTH,
    }
    if not keep:
        value["asked"] = _asked(direction)
    return components.click_value(value)  # the same direction again is a change


def _asked(direction: Direction | None) -> dict[str, Any]:
    """A direction as the stage has it; `path`: as it was given, which goes back unless it is edited."""
    if direction is None:
        return {}
    path = direction.x and ",".join(f"{place:g}" for place in direction.x)
    return {
        "say": direction.sound or "",
        "people": direction.people or 0,
        "path": path or "",
        "moments": moments_of(direction.x) if direction.x else [],
        "strengths": dict(direction.weights),
    }


def read_stage(text: Any) -> Direction | None:
    """The direction in a browser's text, None where all is open; SavgError for anything else."""
    from savg.pipelines.direction import Direction
    from savg.pipelines.direction_text import read_direction

    if text in (None, ""):
        return None
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise SavgError(f"The stage must be a text of at most {MAX_TEXT} characters.")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SavgError("The stage must be JSON: reload the page.") from error
    if not isinstance(values, dict):
        raise SavgError(f"The stage must be an object, got {brief(values)}.")
    strengths = values.get("strengths", {})
    if not isinstance(strengths, dict):
        raise SavgError(f"The strengths must be an object, got {brief(strengths)}.")
    path = values.get("path") or None
    given = read_direction({"x_path": path}, lambda _: "path")
    x = given.x if given else _moved(values.get("moments", []))
    direction = Direction(values.get("say") or None, x, values.get("people") or None, strengths)
    if direction.is_open:
        return None
    return direction.with_weights_that_count()


def _moved(rows: Any) -> tuple[float, ...] | None:
    """The path of a list of moments, None for none; SavgError for another value."""
    most, seconds = MAX_MOMENTS, SAVGBENCH.seconds
    if not isinstance(rows, list) or len(rows) > most or not all(is_row(row, 2) for row in rows):
        raise SavgError(f"The moments must be at most {most} rows of 2 numbers, got {brief(rows)}.")
    moments = sorted((time, x) for time, x in rows)
    for time, x in moments:
        if not 0 <= time <= seconds:
            raise SavgError(f"A moment must be at 0 to {seconds:g} s, got {brief(time)}.")
        if not 0 <= x <= SAVGBENCH.size:
            raise SavgError(f"x must be in 0..{SAVGBENCH.size} pixels, got {brief(x)}.")
    if any(a == b for (a, _), (b, _) in pairwise(moments)):
        raise SavgError("Two moments must not be at one time.")
    return path_of(moments) if moments else None


def path_of(moments: Moments) -> tuple[float, ...]:
    """Moments, in order, as places spread evenly over the clip: as few as have one at every moment, at
    most one for each end of a frame. Between moments it moves straight on, outside them it stays."""
    if len(moments) == 1:
        return (float(moments[0][1]),)
    times, places = zip(*moments, strict=True)
    seconds, frames = SAVGBENCH.seconds, SAVGBENCH.frames
    parts = next(
        n for n in range(1, frames + 1)
        if n == frames or all(_is_near_whole(time / seconds * n) for time in times)
    )  # fmt: skip
    grid = np.linspace(0, seconds, parts + 1)
    return tuple(float(x) for x in np.interp(grid, times, places).round())


def moments_of(path: Sequence[float]) -> list[list[float]]:
    """The moments, at ends of frames, between which a path moves (about) straight on."""
    if len(path) == 1:
        return [[0.0, float(path[0])]]
    seconds, frames = SAVGBENCH.seconds, SAVGBENCH.frames
    times = np.linspace(0, seconds, frames + 1)
    places = on_path(path, times, seconds)
    chosen, start = [0], 0
    for end in range(2, frames + 1):
        between = np.interp(times[start:end], times[[start, end]], places[[start, end]])
        if np.abs(between - places[start:end]).max() > STRAIGHT:
            start = end - 1
            chosen.append(start)
    return [[round(float(times[i]), 3), round(float(places[i]), 1)] for i in [*chosen, frames]]


def _is_near_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-6


def evaluations(text: Any) -> int:
    """Evaluations of the network a step for a browser's text, 1 where it asks for nothing possible."""
    try:
        direction = read_stage(text)
    except SavgError:
        return 1
    return direction.evaluations if direction else 1
