"""Web components of the studio's own: HTML templates, scripts and style sheets of this package.

Templates are static; what they show comes as JSON through the component's value, so no text of a
visitor ever becomes markup.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr


def text(*names: str) -> str:
    """The files of `savg/studio` (paths from there, with slashes), joined."""
    folder = files("savg.studio")
    return "\n".join(folder.joinpath(*n.split("/")).read_text(encoding="utf-8") for n in names)


def styles(package: str) -> list[str]:
    """The style sheets that lie in a package, in the order of their names."""
    sheets = [file for file in files(package).iterdir() if file.name.endswith(".css")]
    return [file.read_text(encoding="utf-8") for file in sorted(sheets, key=lambda f: f.name)]


def component(template: str, scripts: list[str], elem_id: str, value: Any = None) -> gr.HTML:
    """A component of a template and scripts, each a file as `text` takes it."""
    return from_html(text(template), scripts, elem_id, value)


def from_html(html: str, scripts: list[str], elem_id: str, value: Any = None) -> gr.HTML:
    """A component of HTML and scripts."""
    return gr.HTML(
        value,
        html_template=html,
        js_on_load=text(*scripts),
        apply_default_css=False,
        elem_id=elem_id,
    )
