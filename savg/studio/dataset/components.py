"""The web components of the Dataset tab: gallery, player of a dataset's clips, heading."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.web import component


def sample_player(elem_id: str) -> gr.HTML:
    """The player of a dataset's clips; its value is that of `Samples` with its place, or None.

    `.select` gets {"step": -1 or 1} or {"inspect": name}.
    """
    side, script, steps = "dataset/sample.html", "dataset/sample.js", "dataset/steps.js"
    return components.player(elem_id, side, [script], [steps])


def clip_gallery(elem_id: str) -> gr.HTML:
    """A page of a dataset's clips; its value is `gallery_value(…)` or None.

    `.select` gets {"arrived": true} when it is first seen, {"name": clip}, or {"page": number}.
    """
    return component("dataset/gallery.html", [components.DOM, "dataset/gallery.js"], elem_id)


def gallery_value(
    clips: list[dict[str, Any]], page: int, pages: int, words: str, selected: Any, empty: str
) -> dict[str, Any]:
    """What a gallery shows: clips as {name, title, note, image, category, x}, x from 0 to 1."""
    return {
        "clips": clips,
        "page": page,
        "pages": pages,
        "words": words,
        "selected": selected,
        "empty": empty,
    }


def heading_line(elem_id: str) -> gr.HTML:
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
