"""Browsing a dataset: what the Dataset tab shows for what a visitor asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, INSTRUMENT, SPEECH
from savg.data.savgbench import SPLIT_NAMES
from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.studio.dataset.components import gallery_value
from savg.studio.dataset.samples import Samples
from savg.studio.dataset.selection import Selection
from savg.studio.dataset.sets import OpenSet, Sets
from savg.studio.shared import components
from savg.studio.shared.handlers import guarded, guarded_each, inspect_clip
from savg.studio.shared.library import NOBODY, Library
from savg.viz.panorama import signed_azimuth

PAGE = 20
"""Clips on a page of the gallery."""

NO_MATCH = "No clip fits these filters."

Rows = NDArray[np.int64]
"""Rows of a set's table that the filters leave, in their order."""


@dataclass(frozen=True)
class BrowserState:
    """What a visitor's page says: dataset, filters, page of the gallery, name of the open clip."""

    key: Any = None
    split: Any = None
    selection: Selection = field(default_factory=Selection)
    page: Any = 0
    name: Any = None

    @classmethod
    def of(cls, key: Any, split: Any, *rest: Any) -> BrowserState:
        """From the values of the controls in their order."""
        *filters, page, name = rest
        return cls(key, split, Selection(*filters), page, name)


class Browser:
    """What the tab does behind the page; every update is a list in the order of its outputs.

    That is: notice, gallery, player, page, name, what is counted.
    """

    def __init__(self, library: Library, sets: Sets) -> None:
        self.library, self.sets = library, sets
        self.samples = Samples(library.root / "dataset")

    def dataset_choices(self) -> list[tuple[str, str]]:
        """Titles and keys."""
        return [(choice.title, choice.key) for choice in self.sets.choices()]

    def arrive(self, state: BrowserState) -> Iterator[list[Any]]:
        """Updates of dataset, split and recording, and the rest, for another dataset or split."""
        choices = self.dataset_choices()
        keys = [key for _, key in choices]
        key = state.key if state.key in keys else (keys[0] if keys else None)
        chooser = [gr.update(choices=choices, value=key), gr.skip(), gr.skip()]
        yield from guarded_each(
            self._arrive(replace(state, key=key), chooser),
            lambda message, error: [*chooser, *_failed(message, error)],
        )

    def refine(self, state: BrowserState) -> list[Any]:
        """Another filter or order: the first page; the open clip stays if it still belongs."""
        return guarded(lambda: self._everything(replace(state, page=0)), _failed)

    def choose(self, state: BrowserState, data: dict[str, Any]) -> list[Any]:
        """A clip of the gallery, or a page."""
        if "page" in data:
            return guarded(lambda: self._page(state, data["page"]), _failed)
        return guarded(lambda: self._clip(state, data.get("name")), _failed)

    def step(self, state: BrowserState, step: Any) -> list[Any]:
        """The clip before or after the open one, and the page that it is on."""

        def update() -> list[Any]:
            opened, rows = self._rows(state)
            at = _position(opened, rows, state.name)
            place = 0 if at is None else at + (1 if step == 1 else -1)
            if not len(rows) or not 0 <= place < len(rows):
                return [gr.skip()] * 6
            name = str(opened.table.names[rows[place]])
            return self._clip(state, name, place // PAGE)

        return guarded(update, _failed)

    def inspect(self, state: BrowserState, own: list[str], owner: str = NOBODY) -> list[Any]:
        """Updates of the visitor's clips, the clip that Inspect opens and the tabs."""
        try:
            opened = self.sets.open(state.key, state.split)
            item = opened.item(state.name)
            stored = self.library.add(item.clip, item.name, opened.title, owner)
        except SavgError:
            return [gr.skip()] * 3
        return [[stored.key, *own], *inspect_clip(stored.key)]

    def _arrive(self, state: BrowserState, chooser: list[Any]) -> Iterator[list[Any]]:
        """Updates as of `arrive`; those of split and recording go into `chooser`."""
        keep = gr.skip()
        splits = list(self.sets.choice(state.key).splits)
        split = state.split if state.split in splits else next(iter(splits), None)
        chooser[1] = gr.update(
            choices=[(SPLIT_NAMES[s], s) for s in splits], value=split, visible=len(splits) > 1
        )
        if not self.sets.is_open(state.key, split):
            busy = components.notice("Reading what is known about the clips …", "busy")
            yield [*chooser, busy, keep, keep, keep, keep, keep]
        opened = self.sets.open(state.key, split)
        names = [str(n) for n in np.unique(opened.table.recordings)]
        recording = state.selection.recording if state.selection.recording in names else ""
        chooser[2] = gr.update(choices=[("All", ""), *names], value=recording)
        selection = replace(state.selection, recording=recording)
        name = state.name if state.name in opened.bench else None
        yield [*chooser, *self._everything(BrowserState(state.key, split, selection, 0, name))]

    def _rows(self, state: BrowserState) -> tuple[OpenSet, Rows]:
        opened = self.sets.open(state.key, state.split)
        return opened, state.selection.rows(opened.table)

    def _everything(self, state: BrowserState) -> list[Any]:
        """Everything anew: the first page that has the open clip, or the first clip."""
        opened, rows = self._rows(state)
        at = _position(opened, rows, state.name)
        name = state.name
        if at is None and len(rows):
            at, name = 0, str(opened.table.names[rows[0]])
        page = (at or 0) // PAGE
        gallery = self._gallery(opened, rows, page, name)
        counted = [state.key, opened.split, vars(state.selection) | {"order": "Name"}]
        if at is None:
            return [components.notice(""), gallery, None, page, None, counted]
        return [*self._player(opened, rows, str(name), gallery), page, name, counted]

    def _page(self, state: BrowserState, page: Any) -> list[Any]:
        opened, rows = self._rows(state)
        last = max(0, _pages(rows) - 1)
        page = min(max(page, 0), last) if isinstance(page, int) else 0
        gallery, keep = self._gallery(opened, rows, page, state.name), gr.skip()
        return [keep, gallery, keep, page, keep, keep]

    def _clip(self, state: BrowserState, name: Any, page: int | None = None) -> list[Any]:
        """One clip in the player; the gallery too if it is on another page than the visitor's."""
        opened, rows = self._rows(state)
        here = state.page if isinstance(state.page, int) else 0
        page = here if page is None else page
        item = opened.item(name)
        gallery = self._gallery(opened, rows, page, item.name)
        return [*self._player(opened, rows, item.name, gallery), page, name, gr.skip()]

    def _player(
        self, opened: OpenSet, rows: Rows, name: str, gallery: dict[str, Any]
    ) -> tuple[Any, Any, Any]:
        """Notice, gallery and value of the player for a clip."""
        try:
            value = self.samples.value(opened, opened.item(name))
        except SavgError as error:
            return components.notice(str(error)), gallery, None
        at = _position(opened, rows, name)
        value["place"] = {"at": 0 if at is None else at + 1, "of": len(rows)}
        return components.notice(value["problem"]), gallery, value

    def _gallery(self, opened: OpenSet, rows: Rows, page: int, selected: Any) -> dict[str, Any]:
        tiles = [self._tile(opened, row) for row in rows[page * PAGE : (page + 1) * PAGE].tolist()]
        words = _words(opened, rows)
        return gallery_value(tiles, page, _pages(rows), words, selected, NO_MATCH)

    def _tile(self, opened: OpenSet, row: int) -> dict[str, Any]:
        """A clip of the gallery, as `gallery_value` takes it."""
        table = opened.table
        item = opened.item(str(table.names[row]))
        code, x = int(table.categories[row]), float(table.x[row])
        seconds = None if item.start is None else item.start / item.format.label_fps
        notes = [
            signed_azimuth(item.view) if item.view is not None else None,
            f"{seconds:g} s" if seconds is not None else None,
        ]
        return {
            "name": item.name,
            "title": short_name(item.recording),
            "note": " · ".join(filter(None, notes)),
            "image": self.samples.poster(item),
            "category": CATEGORY_NAMES[code] if code >= 0 else None,
            "x": None if np.isnan(x) else x / SAVGBENCH.size,
        }


def short_name(recording: str) -> str:
    """A recording's room and take, where its name is of STARSS23's form, else its name."""
    match = re.fullmatch(r"fold\d+_(room\d+)_(mix\d+)", recording)
    return " ".join(match.groups()) if match else recording


def _pages(rows: Rows) -> int:
    return -(-len(rows) // PAGE)


def _words(opened: OpenSet, rows: Rows) -> str:
    """How many clips there are, of what, and of how many."""
    table = opened.table
    selected = table.select(rows)
    total = f" of {len(table):,}" if len(rows) != len(table) else ""
    clips = f"{len(rows):,}{total} clip{'s' * (len(table) != 1)}"
    if not len(rows):
        return clips
    speech, instrument = selected.count(SPEECH), selected.count(INSTRUMENT)
    return f"{clips}: {speech:,} speech, {instrument:,} instrument"


def _position(opened: OpenSet, rows: Rows, name: Any) -> int | None:
    """Where a clip is among the rows."""
    if not isinstance(name, str):
        return None
    places = np.flatnonzero(opened.table.names[rows] == name)
    return int(places[0]) if len(places) else None


def _failed(message: str, error: Exception) -> list[Any]:
    keep = gr.skip()
    gallery = gallery_value([], 0, 0, "", None, "") if isinstance(error, SavgError) else keep
    return [components.notice(message), gallery, keep, keep, keep, keep]
