"""The studio's own web components, each a folder of HTML, CSS and JavaScript in this package.

Templates are static; what they show comes as JSON through the component's value, so no text of a
visitor ever becomes markup.
"""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from savg.studio.shared.library import POSTER, RESULTS, VIDEO, StoredClip, jpeg, media_url

SIDE = "<!-- side -->"
"""Where the right column goes in the player's template."""


def text(*names: str) -> str:
    """The files of this package, joined."""
    folder = files("savg.studio")
    return "\n".join(folder.joinpath(*n.split("/")).read_text(encoding="utf-8") for n in names)


def player(elem_id: str) -> gr.HTML:
    """The overlay player; its value is `player_value(…)` or None."""
    return _player(elem_id, "player/score.html", ["player/side.js", "player/timeline.js"], [])


def sample_player(elem_id: str) -> gr.HTML:
    """The player of a dataset's clips; its value is that of `Samples` with its place, or None.

    `.select` gets {"step": -1 or 1} or {"inspect": name}.
    """
    return _player(elem_id, "browse/sample.html", ["browse/sample.js"], ["browse/steps.js"])


def take_player(elem_id: str) -> gr.HTML:
    """The player of a video with new sound and its own; its value is `take_value(…)` or None."""
    return _player(
        elem_id, "player/score.html", ["player/side.js", "sound/before.js"], ["sound/sound.js"]
    )


def gallery(elem_id: str) -> gr.HTML:
    """A page of a dataset's clips; its value is `gallery_value(…)` or None.

    `.select` gets {"arrived": true} when it is first seen, {"name": clip}, or {"page": number}.
    """
    return _component("browse/gallery.html", ["player/dom.js", "browse/gallery.js"], elem_id)


def _player(elem_id: str, side: str, scripts: list[str], more: list[str]) -> gr.HTML:
    """A player with a right column: its template, what it needs, and what needs the player."""
    before = [f"player/{name}.js" for name in ("dom", "overlay", "meters", "strip")]
    middle = ["player/player.js", "player/keys.js"]
    html = text("player/player.html").replace(SIDE, text(side))
    return _html(html, [*before, *scripts, *middle, *more, "player/start.js"], elem_id)


def shelf(elem_id: str, value: dict[str, Any]) -> gr.HTML:
    """Clips to choose from; `.select` gets {"id": key}; its value is `shelf_value(…)`."""
    scripts = ["player/dom.js", "player/overlay.js", "shelf/shelf.js"]
    return _component("shelf/shelf.html", scripts, elem_id, value)


def progress(elem_id: str, value: dict[str, Any]) -> gr.HTML:
    """A progress bar with a picture; its value is `progress_value(…)`."""
    return _component("progress/progress.html", ["progress/progress.js"], elem_id, value)


def _component(html: str, scripts: list[str], elem_id: str, value: Any = None) -> gr.HTML:
    return _html(text(html), scripts, elem_id, value)


def _html(template: str, scripts: list[str], elem_id: str, value: Any = None) -> gr.HTML:
    return gr.HTML(
        value,
        html_template=template,
        js_on_load=text(*scripts),
        apply_default_css=False,
        elem_id=elem_id,
    )


def first_dataset(elem_id: str) -> gr.HTML:
    """How to make a dataset and name it to the studio."""
    return _component("browse/empty.html", ["browse/empty.js"], elem_id)


def listening_tests(elem_id: str, served: bool) -> gr.HTML:
    """What a listening test is, and the organiser's page, or how to make and serve one."""
    if served:
        return _component("about/served.html", [], elem_id)
    return _component("about/no_study.html", ["browse/empty.js"], elem_id)


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


def player_value(
    clip: StoredClip, crop: tuple[int, int], annotation: dict[str, Any], results: Path
) -> dict[str, Any]:
    """What the player shows: rows `crop` of the frame, and links to the files that exist by now.

    results: the folder with the annotation's files.
    """
    files_by_label = {
        "Clip": (clip.path(VIDEO), ".mp4"),
        "Overlay video": (results / f"{RESULTS}.overlay.mp4", "-overlay.mp4"),
        "Boxes CSV": (results / f"{RESULTS}.boxes.csv", "-boxes.csv"),
        "Sounds CSV": (results / f"{RESULTS}.events.csv", "-sounds.csv"),
        "JSON": (results / f"{RESULTS}.json", ".json"),
    }
    downloads = [
        {
            "label": label,
            "name": clip.stem + suffix,
            "url": media_url(path) if path.is_file() else None,
        }
        for label, (path, suffix) in files_by_label.items()
    ]
    return {
        "id": clip.key,
        "title": clip.title,
        "origin": clip.origin,
        "video": media_url(clip.path(VIDEO)),
        "crop": {"top": crop[0], "bottom": crop[1]},
        "annotation": annotation,
        "downloads": downloads,
    }


def take_value(
    key: str, versions: list[dict[str, Any]], level: str, missing: str = ""
) -> dict[str, Any]:
    """What the player of a take shows: versions as `player_value(…)` with the name of their "sound"
    and the dB by which it is played "quieter"; words on the level, and on a version that is missing."""
    return {"id": key, "versions": versions, "level": level, "missing": missing}


def gallery_value(
    clips: list[dict[str, Any]], page: int, pages: int, words: str, selected: Any, empty: str
) -> dict[str, Any]:
    """What a gallery shows: clips as {name, title, note, picture, category, x}, x from 0 to 1."""
    return {
        "clips": clips,
        "page": page,
        "pages": pages,
        "words": words,
        "selected": selected,
        "empty": empty,
    }


def board(elem_id: str, value: dict[str, Any] | None = None) -> gr.HTML:
    """Headings, lines, tables and downloads; its value is `board_value(…)` or None.

    `.select` gets {"arrived": true, "dark": …} when it is first seen.
    """
    return _component("board/board.html", ["player/dom.js", "board/board.js"], elem_id, value)


def board_value(
    title: str,
    lines: list[str],
    tables: list[dict[str, Any]],
    *,
    badge: str = "",
    notes: list[str] | None = None,
    downloads: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """What a board shows: tables as {caption, how, head, rows}; downloads as {label, name, url}."""
    return {
        "title": title,
        "badge": badge,
        "lines": lines,
        "notes": notes or [],
        "tables": tables,
        "downloads": downloads or [],
    }


def heading(elem_id: str) -> gr.HTML:
    """A heading with a line below; its value is `heading_value(…)` or None."""
    return gr.HTML(
        None,
        html_template='<div class="sb-title"><h3></h3><p></p></div>',
        js_on_load=(
            "const show = () => { const value = props.value || {};"
            " element.querySelector('h3').textContent = value.title || '';"
            " element.querySelector('.sb-title p').textContent = value.words || ''; };"
            "watch('value', show); show();"
        ),
        apply_default_css=False,
        elem_id=elem_id,
    )


def heading_value(title: str, words: str) -> dict[str, Any]:
    """What a heading shows."""
    return {"title": title, "words": words}


def shelf_value(
    clips: list[StoredClip],
    *,
    layout: str = "strip",
    selected: str | None = None,
    autoplay: str | None = None,
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
            "crop": {"size": 256, "top": 56, "bottom": 200},
        }
        rows.append(row | (judged or {}).get(clip.key, {"tp": None}))
    return {
        "layout": layout,
        "clips": rows,
        "selected": selected,
        "autoplay": autoplay,
        "empty": empty,
    }


def progress_value(
    state: str = "idle",
    share: float = 0.0,
    text: str = "",
    hint: str = "",
    preview: NDArray[np.uint8] | None = None,
) -> dict[str, Any]:
    """What the progress shows; preview: a picture [h, w, 3] RGB."""
    picture = None
    if preview is not None:
        picture = "data:image/jpeg;base64," + base64.b64encode(jpeg(preview, 80)).decode()
    return {"state": state, "share": share, "text": text, "hint": hint, "preview": picture}
