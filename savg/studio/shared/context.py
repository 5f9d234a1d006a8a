"""What the tabs of one running studio share, and what a tab is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import gradio as gr

from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.jobs import Board
from savg.studio.shared.library import Library
from savg.studio.shared.services import Services

T = TypeVar("T")


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
    decided for single tabs, by the type of the decision."""

    services: Services
    library: Library
    annotations: AnnotationCache
    examples: tuple[str, ...] = ()
    board: Board = field(default_factory=Board)
    options: Mapping[type, Any] = field(default_factory=dict)
    _leaving: list[Callable[[str], None]] = field(default_factory=list, repr=False)

    def option(self, kind: type[T], default: Callable[[], T]) -> T:
        """The operator's decision of that type, else the default."""
        return self.options[kind] if kind in self.options else default()

    def on_leave(self, forget: Callable[[str], None]) -> None:
        """Call `forget(visitor)` when a visitor closes the page."""
        self._leaving.append(forget)

    def leave(self, visitor: str) -> None:
        """A visitor closes the page: the work stops, and tabs forget what was theirs."""
        self.board.stop(visitor)
        for forget in self._leaving:
            forget(visitor)


@dataclass
class Page:
    """The components by which tabs reach each other, filled in while the page is built.

    clips: the keys of the visitor's own clips, newest first; tabs: the tab bar; inspected: the key
    of the clip that Inspect should open next.
    """

    clips: gr.State
    tabs: gr.Tabs
    inspected: gr.State
