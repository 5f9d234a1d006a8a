"""The Inspect tab: one clip with its overlay, score, timeline and spectrograms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from savg.errors import MediaError, SavgError
from savg.evaluation.annotate import Annotation
from savg.media.comment import read_png_comment
from savg.pipelines.audio_settings import settings_of
from savg.studio.inspect.layout import lay_out
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import (
    DARK,
    QUICK,
    SLOW,
    event_data,
    guarded,
    guarded_each,
    in_turns,
)
from savg.studio.shared.library import NOBODY, visible_rows, with_owners_name

TITLE, NAME = "Inspect", "inspect"

EMPTY = "No clips yet: open a file, or generate one."

LOOKING = "Looking for people and sounds …"


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    layout = lay_out(context.services.persons, _shelf(context, [], None))

    look = in_turns(context.looking, lambda who, *values: open_clip(context, *values))

    def receive(who: str, path: str | None, own: list[str]) -> Iterator[list[Any]]:
        yield receive_upload(context, path, own, who)

    def chosen(event: gr.EventData) -> str:
        return str(event_data(event).get("id", ""))

    def refresh(own: list[str], key: str | None) -> dict[str, Any]:
        return _shelf(context, own, key)

    opening: dict[str, Any] = {
        "fn": look,
        "inputs": [page.inspected, layout.detector, page.clips, layout.dark],
        "outputs": [
            layout.shelf,
            layout.notice,
            layout.player,
            layout.timeline,
            layout.spectrograms,
        ],
        "js": f"(...all) => [...all.slice(0, 3), {DARK}]",
        "trigger_mode": "always_last",
        **SLOW,
    }
    layout.shelf.select(chosen, None, page.inspected, **QUICK)
    page.inspected.change(**opening)
    layout.detector.change(**opening)
    received = [layout.notice, page.clips, page.inspected]
    layout.upload.upload(
        in_turns(context.looking, receive), [layout.upload, page.clips], received, **SLOW
    )
    page.clips.change(refresh, [page.clips, page.inspected], layout.shelf, **QUICK)


def open_clip(
    context: Context, key: str | None, detector: str, own: list[str], dark: bool = False
) -> Iterator[list[Any]]:
    """Updates of shelf, notice, player and both figures while a clip opens, best first."""
    if not key:
        return
    keep = gr.skip()
    busy = components.notice(LOOKING, "busy")
    yield [_shelf(context, own, key), busy, keep, keep, keep]
    yield from guarded_each(
        _opened(context, key, detector, dark),
        lambda message, _: [keep, components.notice(message), keep, keep, keep],
    )


def _opened(context: Context, key: str, detector: str, dark: bool) -> Iterator[list[Any]]:
    keep = gr.skip()
    if detector not in context.services.persons:
        detector = next(iter(context.services.persons))
    stored, annotations = context.library[key], context.annotations
    annotation = annotations.annotation(stored, detector)
    crop = visible_rows(annotation.clip)

    def player(annotation: Annotation) -> dict[str, Any]:
        folder = stored.results(detector)
        return components.player_value(stored, crop, annotation.to_json(), folder)

    yield [keep, components.notice(""), player(annotation), keep, keep]
    yield [keep, keep, keep, *figures(annotation, dark)]
    annotations.write_overlay(stored, detector)
    examples = context.library.get(context.examples)
    compared = annotations.with_other_clips(stored, detector, examples)
    yield [keep, keep, player(compared), keep, keep]


def figures(annotation: Annotation, dark: bool) -> list[Any]:
    """The plotly timeline and spectrograms of an annotation."""
    from savg.viz.spectrogram import spectrograms
    from savg.viz.timeline import timeline

    a = annotation
    return [
        timeline(a.clip, a.boxes, a.events, a.alignment, dark=dark),
        spectrograms(a.clip, dark=dark),
    ]


def receive_upload(
    context: Context, path: str | None, own: list[str], owner: str = NOBODY
) -> list[Any]:
    """Updates of notice, the visitor's clips and the clip to open after an upload."""
    keep = gr.skip()
    if not path:
        return [keep, keep, keep]

    def update() -> list[Any]:
        try:
            comment = read_png_comment(path)
        except MediaError as error:
            raise MediaError(with_owners_name(error, path, Path(path).name)) from error
        if comment is not None:
            return [components.notice(image_words(comment), "busy"), keep, keep]
        stored = context.library.add_upload(path, Path(path).name, owner)
        return [components.notice(""), [stored.key, *own], stored.key]

    try:
        return guarded(update, lambda message, _: [components.notice(message), keep, keep])
    finally:
        Path(path).unlink(missing_ok=True)


def image_words(comment: str) -> str:
    """What is said of an opened PNG: how its clip is made, by the settings that the image holds."""
    settings = settings_of(comment)
    if settings is None:
        raise SavgError("This image holds no settings of a clip: open a video.")
    return f"A frame of {settings.name}, which this command makes: {settings.command}"


def _shelf(context: Context, own: list[str], selected: str | None) -> dict[str, Any]:
    clips = context.library.get([*own, *context.examples])
    return components.shelf_value(clips, selected=selected, empty=EMPTY)
