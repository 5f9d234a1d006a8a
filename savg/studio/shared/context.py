"""What the tabs of one running studio share, and what a tab is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import gradio as gr

from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.guard.presence import Presence
from savg.studio.shared.job_queue import JobQueue, short_jobs
from savg.studio.shared.jobs import Board
from savg.studio.shared.library import Library
from savg.studio.shared.pace import Pace
from savg.studio.shared.services import Services

T = TypeVar("T")

AWAY_SECONDS = 1800.0
"""How long a visitor's clips outlast the page: a connection that was lost may come back."""


class Tab(Protocol):
    """A tab is a module with these names; style sheets beside it are served too."""

    TITLE: str
    """What visitors read on the tab."""

    NAME: str
    """Short and unique, of letters and hyphens; its element is `savg-tab-NAME`."""

    def build(self, context: Context, page: Page) -> None:
        """Lay out the tab within the open Gradio blocks and connect it."""


@dataclass(frozen=True)
class Context:
    """Shared state of a studio: `examples` are keys of bundled clips, `options` what its operator
    decided for single tabs, by the type of the decision.

    board: the jobs that generate; looking: the queue of those that annotate, compose and convert;
    pace: how long clips take here.
    """

    services: Services
    library: Library
    annotations: AnnotationCache
    examples: tuple[str, ...] = ()
    board: Board = field(default_factory=Board)
    presence: Presence = field(default_factory=Presence)
    looking: JobQueue = field(default_factory=short_jobs)
    pace: Pace = field(default_factory=Pace)
    options: Mapping[type, Any] = field(default_factory=dict)
    _leaving: list[Callable[[str], None]] = field(default_factory=list, repr=False)
    _owners: list[Callable[[], set[str]]] = field(default_factory=list, repr=False)

    def option(self, kind: type[T], default: Callable[[], T]) -> T:
        """The operator's decision of that type, else the default."""
        return self.options[kind] if kind in self.options else default()

    def on_leave(self, forget: Callable[[str], None], owners: Callable[[], set[str]] = set) -> None:
        """Call `forget(visitor)` when a visitor closes the page, or one of `owners()` is long away."""
        self._leaving.append(forget)
        self._owners.append(owners)

    def leave(self, visitor: str) -> None:
        """A visitor closes the page: the work stops, and tabs forget what was theirs."""
        self.board.stop(visitor)
        for forget in self._leaving:
            forget(visitor)

    def clean_up(self, seconds: float = AWAY_SECONDS) -> None:
        """Delete what belongs to visitors who have been away for so long, and old uploads."""
        self.library.storage.remove_old_uploads()
        for visitor in self.library.owners().union(*(owners() for owners in self._owners)):
            if self.presence.away(visitor) > seconds:
                self.leave(visitor)
                self.library.forget_owner(visitor)


@dataclass
class Page:
    """The components by which tabs reach each other, filled in while the page is built.

    clips: the keys of the visitor's own clips, newest first; tabs: the tab bar; inspected: the key
    of the clip that Inspect should open next; resounded: {"key": a clip's} that Video to audio should
    take next without its audio; clicks: presses the button that its value names; blocks: the whole
    page, for what is done when it loads.
    """

    clips: gr.State
    tabs: gr.Tabs
    inspected: gr.State
    resounded: gr.State
    clicks: gr.HTML
    blocks: gr.Blocks
