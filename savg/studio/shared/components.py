"""The web components that several tabs use, and the values that they show."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON
from savg.folders import VIDEO_SUFFIXES
from savg.format import SAVGBENCH
from savg.studio.shared.images import data_url
from savg.studio.shared.library import FRAME, POSTER, RESULTS, VIDEO, StoredClip, media_url
from savg.studio.shared.web import component, from_html, text

if TYPE_CHECKING:
    from savg.evaluation.annotate import Annotation

DOM = "shared/dom.js"
OVERLAY = "shared/player/overlay.js"

PLACES = "shared/steer/places.js"
STEERING = (DOM, PLACES, "shared/steer/controls.js")
"""Scripts that editors need."""

SCORE, SCORE_SCRIPT = "shared/player/score.html", "shared/player/side.js"
"""The player's right column with a score, and its script."""

SIDE = "<!-- side -->"
"""Where the right column goes in the player's template."""


DRAWN = {"Drawn boxes": "boxes.json", "Drawn envelope": "envelope.json"}
"""Files that the command line of a clip with new audio reads, by what links to them are called."""


def player(elem_id: str, side: str, before: Sequence[str], after: Sequence[str] = ()) -> gr.HTML:
    """The overlay player with a right column; its value is `player_value(…)` or None.

    side: template of the column; before, after: scripts that the player needs (they define
    `showScore`, `showNow`, `showDownloads` and `movePlayhead`), and scripts that need the player.
    """
    parts = [f"shared/player/{name}.js" for name in ("meters", "strip")]
    player = [f"shared/player/{name}.js" for name in ("player", "keys")]
    html = text("shared/player/player.html").replace(SIDE, text(side))
    scripts = [DOM, OVERLAY, *parts, *before, *player, *after, "shared/player/start.js"]
    return from_html(html, scripts, elem_id)


def player_value(
    clip: StoredClip, crop: tuple[int, int], annotation: dict[str, Any] | None, results: Path
) -> dict[str, Any]:
    """What the player shows: rows `crop` of the frame, and links to the files that exist by now.

    annotation: its JSON form, or None while it is made; results: the folder with its files.
    """
    files_by_label = {
        "Clip": (clip.path(VIDEO), ".mp4"),
        "Frame": (clip.path(FRAME), ".png"),
        "Overlay video": (results / f"{RESULTS}.overlay.mp4", "-overlay.mp4"),
        "Boxes CSV": (results / f"{RESULTS}.boxes.csv", "-boxes.csv"),
        "Sound events CSV": (results / f"{RESULTS}.events.csv", "-events.csv"),
        "JSON": (results / f"{RESULTS}.json", "-annotation.json"),
    }
    downloads = [
        {
            "label": label,
            "name": clip.stem + suffix,
            "url": media_url(path) if path.is_file() else None,
        }
        for label, (path, suffix) in files_by_label.items()
        if label != "Frame" or clip.settings
    ]
    for label, name in DRAWN.items():
        if clip.path(name).is_file():
            downloads.append({"label": label, "name": name, "url": media_url(clip.path(name))})
    return {
        "id": clip.key,
        "title": clip.title,
        "origin": clip.origin,
        "video": media_url(clip.path(VIDEO)),
        "crop": {"top": crop[0], "bottom": crop[1]},
        "annotation": annotation,
        "downloads": downloads,
        **made_again(clip),
    }


def made_again(clip: StoredClip) -> dict[str, str]:
    """How a clip is made again: the "command" line, and the "link" to the studio if it is generated."""
    if clip.settings is None:
        is_upload = clip.title.lower().endswith(VIDEO_SUFFIXES)
        file = clip.title if is_upload else f"{clip.stem}.mp4"
        return {"command": shlex.join(["python", "-m", "savg", "annotate", file, "--out", "."])}
    return {"command": clip.settings.command, "link": clip.settings.query}


def shelf(elem_id: str, value: dict[str, Any]) -> gr.HTML:
    """Clips to choose from; `.select` gets {"id": key}; its value is `shelf_value(…)`."""
    scripts = [DOM, OVERLAY, "shared/shelf/shelf.js"]
    return component("shared/shelf/shelf.html", scripts, elem_id, value)


def shelf_value(
    clips: list[StoredClip],
    *,
    layout: str = "strip",
    selected: str | None = None,
    empty: str = "",
    judged: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """What a shelf shows; `judged` holds by key the summary of an alignment, and where wanted the
    address of the annotation and the pair that a clip belongs to, with its place in it."""
    rows = []
    for clip in clips:
        row = {
            "id": clip.key,
            "title": clip.title,
            "origin": clip.origin,
            "file": f"{clip.stem}.mp4",
            "video": media_url(clip.path(VIDEO)),
            "poster": media_url(clip.path(POSTER)),
            "crop": {"size": SAVGBENCH.size, "top": SAVGBENCH.top, "bottom": SAVGBENCH.bottom},
        }
        rows.append(row | (judged or {}).get(clip.key, {"tp": None}))
    return {
        "layout": layout,
        "clips": rows,
        "selected": selected,
        "empty": empty,
    }


def judged(annotation: Annotation) -> dict[str, Any]:
    """What a shelf shows of an annotation: counts, score, distance; no score where nobody was found."""
    from savg.evaluation.annotate import distance_json, summary

    found = bool((annotation.boxes.categories == PERSON).any())
    counts = summary(annotation.alignment)
    return {**counts, "found": found, "distance": distance_json(annotation.distance)}


def progress(elem_id: str, value: dict[str, Any]) -> gr.HTML:
    """A progress bar with an image; its value is `progress_value(…)`."""
    return component(
        "shared/progress/progress.html", ["shared/progress/progress.js"], elem_id, value
    )


def progress_value(
    state: str = "idle",
    share: float = 0.0,
    text: str = "",
    hint: str = "",
    preview: NDArray[np.uint8] | None = None,
    ready: bool = False,
) -> dict[str, Any]:
    """What the progress shows; preview: an image [h, w, 3] RGB; ready: whether there are results."""
    image = None if preview is None else data_url(preview, 80)
    shown = {"state": state, "share": share, "text": text, "hint": hint, "preview": image}
    return shown | {"ready": ready}


def commands(elem_id: str, template: str) -> gr.HTML:
    """A first explanation with commands to copy; `template` has a `pre` and a button `.sb-copy`."""
    return component(template, ["shared/start/copy.js"], elem_id)


def quiet_line(elem_id: str) -> gr.HTML:
    """A line of quiet words; its value is {"text": words}."""
    return gr.HTML(
        {"text": ""},
        html_template='<p class="savg-hint savg-quiet" role="status"></p>',
        js_on_load=(
            "const line = element.querySelector('p');"
            "const show = () => { line.textContent = (props.value || {}).text || ''; };"
            "watch('value', show); show();"
        ),
        apply_default_css=False,
        elem_id=elem_id,
    )


def clicker(elem_id: str) -> gr.HTML:
    """Nothing to see: it presses the button that its value, of `click_value`, names, once that is there
    and may be pressed."""
    return component("shared/clicks.html", ["shared/clicks.js"], elem_id, {})


def click_value(what: dict[str, Any]) -> dict[str, Any]:
    """`what` as a value that differs from all before, so that it is a change; {"target": selector} is
    what `clicker` takes."""
    return what | {"once": secrets.token_hex(8)}


def notice(message: str, kind: str = "problem") -> dict[str, Any]:
    """An update for a Markdown-free message line: shown with a message, hidden without."""
    return gr.update(value={"text": message, "kind": kind}, visible=bool(message))


def notice_line(elem_id: str, message: str = "") -> gr.HTML:
    """A line that says what is wrong, read out at once by screen readers."""
    return gr.HTML(
        {"text": message, "kind": "problem"},
        html_template='<p class="sn" role="alert"></p>',
        js_on_load=(
            "const line = element.querySelector('.sn');"
            "const show = () => { line.textContent = (props.value || {}).text || '';"
            " line.dataset.kind = (props.value || {}).kind || 'problem'; };"
            "watch('value', show); show();"
        ),
        apply_default_css=False,
        visible=bool(message),
        elem_id=elem_id,
    )
