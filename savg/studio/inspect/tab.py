"""The Inspect tab: one clip with its overlay, score, timeline and spectrograms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from savg.evaluation.annotate import Annotation
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.jobs import sentence
from savg.studio.shared.library import visible_rows

TITLE, NAME = "Inspect", "inspect"

SCRIPTS = [components.SCORE_SCRIPT, "inspect/timeline.js"]

EMPTY = "No clips yet: open a file, or generate one."


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    shelf = components.shelf("savg-inspect-shelf", _shelf(context, [], None))
    with gr.Row(elem_classes="savg-row-tools"):
        upload = gr.UploadButton(
            "Open a file …",
            file_count="single",
            elem_id="savg-upload",
            scale=0,
            size="md",
            min_width=170,
        )
        detector = gr.Dropdown(
            [(choice.label, name) for name, choice in context.services.persons.items()],
            value=next(iter(context.services.persons)),
            label="Person detector",
            visible=len(context.services.persons) > 1,
            scale=0,
            min_width=220,
            elem_id="savg-detector",
        )
        gr.HTML(
            '<p class="savg-hint">Any video of up to 30 s with stereo sound. '
            "It stays on this server and goes when the studio stops.</p>",
            apply_default_css=False,
            elem_id="savg-upload-hint",
        )
    notice = components.notice_line("savg-inspect-notice")
    player = components.player("savg-player", components.SCORE, SCRIPTS)
    # Hidden by its style until it holds a plot: a figure that comes together with `visible=True` can be
    # lost before the browser has made the component.
    with gr.Column(elem_id="savg-plots"):
        timeline = gr.Plot(label="Timeline", show_label=False, elem_id="savg-timeline")
        spectrograms = gr.Plot(label="Spectrograms", show_label=False, elem_id="savg-spectrograms")
    outputs = [shelf, notice, player, timeline, spectrograms]

    dark = gr.Checkbox(visible=False)

    def look(key: str | None, detector: str, own: list[str], dark: bool) -> Iterator[list[Any]]:
        yield from open_clip(context, key, detector, own, dark)

    def receive(path: str | None, own: list[str]) -> list[Any]:
        return receive_upload(context, path, own)

    def chosen(event: gr.EventData) -> str:
        return str(event._data.get("id", ""))  # type: ignore[union-attr]

    opening: dict[str, Any] = {
        "fn": look,
        "inputs": [page.wanted, detector, page.clips, dark],
        "outputs": outputs,
        "js": "(...all) => [...all.slice(0, 3), document.body.classList.contains('dark')]",
        "concurrency_limit": 1,
        "concurrency_id": "look",
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    quick: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 8}
    shelf.select(chosen, None, page.wanted, **quick)
    page.wanted.change(**opening)
    detector.change(**opening)
    upload.upload(receive, [upload, page.clips], [notice, page.clips, page.wanted], **quick)
    page.clips.change(
        lambda own, wanted: _shelf(context, own, wanted), [page.clips, page.wanted], shelf, **quick
    )


def open_clip(
    context: Context, key: str | None, detector: str, own: list[str], dark: bool = False
) -> Iterator[list[Any]]:
    """Updates of shelf, notice, player and both figures while a clip opens, best first."""
    if not key:
        return
    keep = gr.skip()
    shelf = _shelf(context, own, key)
    yield [shelf, components.notice("Looking for persons and sounds …", "busy"), keep, keep, keep]
    try:
        if detector not in context.services.persons:
            detector = next(iter(context.services.persons))
        stored = context.library[key]
        annotation = context.analyst.annotation(stored, detector)
        crop = visible_rows(annotation.clip)
        shown = annotation.to_json()
        value = components.player_value(stored, crop, shown, stored.results(detector))
        yield [keep, components.notice(""), value, keep, keep]
        yield [keep, keep, keep, *figures(annotation, dark)]
        context.analyst.write_overlay(stored, detector)
        examples = context.library.get(context.examples)
        shown = context.analyst.compared(stored, detector, examples).to_json()
        value = components.player_value(stored, crop, shown, stored.results(detector))
        yield [keep, keep, value, keep, keep]
    except Exception as error:
        yield [keep, components.notice(sentence(error)), keep, keep, keep]


def figures(annotation: Annotation, dark: bool) -> list[Any]:
    """The plotly timeline and spectrograms of an annotation."""
    from savg.viz.spectrogram import spectrograms
    from savg.viz.timeline import timeline

    a = annotation
    return [
        timeline(a.clip, a.boxes, a.events, a.alignment, dark=dark),
        spectrograms(a.clip, dark=dark),
    ]


def receive_upload(context: Context, path: str | None, own: list[str]) -> list[Any]:
    """Updates of notice, the visitor's clips and the wanted clip after an upload."""
    keep = gr.skip()
    if not path:
        return [keep, keep, keep]
    try:
        stored = context.library.add_upload(path, Path(path).name)
    except Exception as error:
        return [components.notice(sentence(error)), keep, keep]
    finally:
        Path(path).unlink(missing_ok=True)
    return [components.notice(""), [stored.key, *own], stored.key]


def _shelf(context: Context, own: list[str], selected: str | None) -> dict[str, Any]:
    clips = context.library.get([*own, *context.examples])
    return components.shelf_value(clips, selected=selected, empty=EMPTY)
