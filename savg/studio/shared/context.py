"""What the tabs of one running studio share."""

from __future__ import annotations

from dataclasses import dataclass, field

import gradio as gr

from savg.studio.dataset.sets import Sets
from savg.studio.results.result_files import Reports
from savg.studio.shared.annotation_cache import Analyst
from savg.studio.shared.jobs import Board
from savg.studio.shared.library import Library
from savg.studio.shared.services import Services
from savg.studio.video_to_audio.uploads import Films


@dataclass(frozen=True)
class Context:
    """Shared state of a studio; `examples` are keys of bundled clips, `sets` those of its operator,
    `hosted` whether listening tests are served beside it, `reports` those of the Results tab."""

    services: Services
    library: Library
    analyst: Analyst
    board: Board = field(default_factory=Board)
    examples: tuple[str, ...] = ()
    sets: Sets = field(default_factory=Sets)
    hosted: bool = False
    reports: Reports = field(default_factory=Reports.of_environment)
    films: Films = field(default_factory=Films)


@dataclass
class Page:
    """The components by which tabs reach each other, filled in while the page is built.

    clips: the keys of the visitor's own clips, newest first; tabs: the tab bar; wanted: the key of
    the clip that Inspect should open next.
    """

    clips: gr.State
    tabs: gr.Tabs
    wanted: gr.State
