"""Browsing a dataset: what the Dataset tab shows for what a visitor asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, INSTRUMENT, SPEECH
from savg.data.savgbench import SPLIT_NAMES
from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.studio.dataset.components import gallery_value, heading_value
from savg.studio.dataset.samples import Samples
from savg.studio.dataset.selection import Selection
from savg.studio.dataset.sets import OpenSet
from savg.studio.shared import components
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import sentence
from savg.viz.panorama import signed_azimuth

PAGE = 20
"""Clips on a page of the gallery."""

NO_MATCH = "No clip fits these filters."

FIGURES = ("recordings", "positions", "views", "dropped", "sides", "levels")
"""Statistics, in the order of the page."""


@dataclass(frozen=True)
class Asked:
    """What a visitor's page says: dataset, filters, page of the gallery, name of the open clip."""

    key: Any = None
    split: Any = None
    selection: Selection = field(default_factory=Selection)
    page: Any = 0
    name: Any = None

    @classmethod
    def of(cls, key: Any, split: Any, *rest: Any) -> Asked:
        """From the values of the controls in their order."""
        *filters, page, name = rest
        return cls(key, split, Selection(*filters), page, name)


class Browser:
    """What the tab does behind the page; every update is a list in the order of its outputs.

    That is: notice, gallery, player, page, name, what is counted.
    """

    def __init__(self, context: Context) -> None:
        self.context, self.sets = context, context.sets
        self.samples = Samples(context.library.root / "dataset")

    def dataset_choices(self) -> list[tuple[str, str]]:
        """Titles and keys."""
        return [(choice.title, choice.key) for choice in self.sets.choices()]

    def arrive(self, asked: Asked) -> Iterator[list[Any]]:
        """Updates of dataset, split and recording, and the rest, for another dataset or split."""
        keep = gr.skip()
        choices = self.dataset_choices()
        keys = [key for _, key in choices]
        key = asked.key if asked.key in keys else (keys[0] if keys else None)
        chooser = [gr.update(choices=choices, value=key), keep, keep]
        try:
            splits = list(self.sets.choice(key).splits)
            split = asked.split if asked.split in splits else next(iter(splits), None)
            chooser[1] = gr.update(
                choices=[(SPLIT_NAMES[s], s) for s in splits], value=split, visible=len(splits) > 1
            )
            if not self.sets.is_open(key, split):
                busy = components.notice("Reading what is known about the clips …", "busy")
                yield [*chooser, busy, keep, keep, keep, keep, keep]
            opened = self.sets.open(key, split)
            names = [str(n) for n in np.unique(opened.table.recordings)]
            recording = asked.selection.recording if asked.selection.recording in names else ""
            chooser[2] = gr.update(choices=[("All", ""), *names], value=recording)
            selection = Selection(**{**vars(asked.selection), "recording": recording})
            name = asked.name if asked.name in opened.bench else None
            yield [*chooser, *self._shown(Asked(key, split, selection, 0, name))]
        except Exception as error:
            yield [*chooser, *_failed(error)]

    def refined(self, asked: Asked) -> list[Any]:
        """Another filter or order: the first page; the open clip stays if it still belongs."""
        return _guarded(
            lambda: self._shown(Asked(asked.key, asked.split, asked.selection, 0, asked.name))
        )

    def chosen(self, asked: Asked, data: dict[str, Any]) -> list[Any]:
        """A clip of the gallery, or a page."""
        if "page" in data:
            return _guarded(lambda: self._page(asked, data["page"]))
        return _guarded(lambda: self._clip(asked, data.get("name")))

    def stepped(self, asked: Asked, step: Any) -> list[Any]:
        """The clip before or after the open one, and the page that it is on."""

        def update() -> list[Any]:
            opened, rows = self._rows(asked)
            at = _position(opened, rows, asked.name)
            place = 0 if at is None else at + (1 if step == 1 else -1)
            if not len(rows) or not 0 <= place < len(rows):
                return [gr.skip()] * 6
            name = str(opened.table.names[rows[place]])
            return self._clip(asked, name, place // PAGE)

        return _guarded(update)

    def inspect(self, asked: Asked, own: list[str]) -> list[Any]:
        """Updates of the visitor's clips, the wanted clip and the tabs: the open clip in Inspect."""
        keep = gr.skip()
        try:
            opened = self.sets.open(asked.key, asked.split)
            item = opened.item(asked.name)
            stored = self.context.library.add(item.clip, item.name, opened.title)
        except SavgError:
            return [keep, keep, keep]
        return [[stored.key, *own], stored.key, gr.Tabs(selected="inspect")]

    def statistics(self, counted: Any, dark: bool) -> list[Any]:
        """Updates of the heading, the plots' frame and the figures, for what is counted."""
        from savg.viz import dataset_plots

        keep = gr.skip()
        nothing = [keep, gr.update(visible=False), *[keep] * len(FIGURES)]
        if not isinstance(counted, list) or len(counted) != 3 or not isinstance(counted[2], dict):
            return nothing
        try:
            opened = self.sets.open(counted[0], counted[1])
            rows = Selection(**counted[2]).rows(opened.table)
        except (SavgError, TypeError):
            return nothing
        if not len(rows):
            return [heading_value("", ""), *nothing[1:]]
        table = opened.table.select(rows)
        updates = []
        for name in FIGURES:
            draw = getattr(dataset_plots, name)
            if name == "dropped":
                known: Any = opened.report
            elif name in ("levels", "sides"):
                known = table if np.isfinite(table.level_db).any() else None
            else:
                known = table
            figure = None if known is None else draw(known, dark=bool(dark))
            updates.append(gr.update(value=figure, visible=figure is not None))
        return [_heading(opened, len(rows)), gr.update(visible=True), *updates]

    def _rows(self, asked: Asked) -> tuple[OpenSet, NDArray[np.int64]]:
        opened = self.sets.open(asked.key, asked.split)
        return opened, asked.selection.rows(opened.table)

    def _shown(self, asked: Asked) -> list[Any]:
        """Everything anew: the first page that has the open clip, or the first clip."""
        opened, rows = self._rows(asked)
        at = _position(opened, rows, asked.name)
        name = asked.name
        if at is None and len(rows):
            at, name = 0, str(opened.table.names[rows[0]])
        page = (at or 0) // PAGE
        gallery = self._gallery(opened, rows, page, name)
        counted = [asked.key, opened.split, vars(asked.selection) | {"order": "Name"}]
        if at is None:
            return [components.notice(""), gallery, None, page, None, counted]
        try:
            notice, player = self._player(opened, rows, str(name))
        except SavgError as error:
            notice, player = components.notice(str(error)), None
        return [notice, gallery, player, page, name, counted]

    def _page(self, asked: Asked, page: Any) -> list[Any]:
        opened, rows = self._rows(asked)
        last = max(0, -(-len(rows) // PAGE) - 1)
        page = min(max(page, 0), last) if isinstance(page, int) else 0
        gallery, keep = self._gallery(opened, rows, page, asked.name), gr.skip()
        return [keep, gallery, keep, page, keep, keep]

    def _clip(self, asked: Asked, name: Any, page: int | None = None) -> list[Any]:
        """One clip in the player; the gallery too if it is on another page than the visitor's."""
        opened, rows = self._rows(asked)
        here = asked.page if isinstance(asked.page, int) else 0
        page = here if page is None else page
        item = opened.item(name)
        gallery = self._gallery(opened, rows, page, item.name)
        keep = gr.skip()
        try:
            notice, player = self._player(opened, rows, item.name)
        except SavgError as error:
            return [components.notice(str(error)), gallery, None, page, name, keep]
        return [notice, gallery, player, page, name, keep]

    def _player(self, opened: OpenSet, rows: NDArray[np.int64], name: str) -> tuple[Any, Any]:
        """Notice and value of the player."""
        value = self.samples.value(opened, opened.item(name))
        at = _position(opened, rows, name)
        value["place"] = {"at": 0 if at is None else at + 1, "of": len(rows)}
        return components.notice(value["problem"]), value

    def _gallery(
        self, opened: OpenSet, rows: NDArray[np.int64], page: int, selected: Any
    ) -> dict[str, Any]:
        table = opened.table
        clips = []
        for row in rows[page * PAGE : (page + 1) * PAGE].tolist():
            item = opened.item(str(table.names[row]))
            code, x = int(table.categories[row]), float(table.x[row])
            category = CATEGORY_NAMES[code] if code >= 0 else None
            seconds = None if item.start is None else item.start / item.format.label_fps
            notes = [
                signed_azimuth(item.view) if item.view is not None else None,
                f"{seconds:g} s" if seconds is not None else None,
            ]
            clips.append(
                {
                    "name": item.name,
                    "title": short_name(item.recording),
                    "note": " · ".join(filter(None, notes)),
                    "picture": self.samples.poster(item),
                    "category": category,
                    "x": None if np.isnan(x) else x / SAVGBENCH.size,
                }
            )
        return gallery_value(
            clips, page, -(-len(rows) // PAGE), _words(opened, rows), selected, NO_MATCH
        )


def short_name(recording: str) -> str:
    """A recording's room and take, where its name is of STARSS23's form, else its name."""
    found = re.fullmatch(r"fold\d+_(room\d+)_(mix\d+)", recording)
    return " ".join(found.groups()) if found else recording


def _words(opened: OpenSet, rows: NDArray[np.int64]) -> str:
    """How many clips there are, of what, and of how many."""
    table = opened.table
    found = table.select(rows)
    total = f" of {len(table):,}" if len(rows) != len(table) else ""
    clips = f"{len(rows):,}{total} clip{'s' * (len(table) != 1)}"
    if not len(rows):
        return clips
    return f"{clips}: {found.count(SPEECH):,} speech, {found.count(INSTRUMENT):,} instrument"


def _heading(opened: OpenSet, count: int) -> dict[str, Any]:
    total = len(opened.table)
    clips = f"all {total:,} clips" if count == total else f"{count:,} of {total:,} clips"
    words = f"{opened.title}: {clips}"
    if opened.report is None:
        words += ". Levels and dropped windows are known for sets that were built here."
    elif count != total:
        words += ". What each rule dropped is that of the whole split."
    return heading_value("Statistics", words)


def _position(opened: OpenSet, rows: NDArray[np.int64], name: Any) -> int | None:
    """Where a clip is among the rows."""
    if not isinstance(name, str):
        return None
    found = np.flatnonzero(opened.table.names[rows] == name)
    return int(found[0]) if len(found) else None


def _guarded(update: Callable[[], list[Any]]) -> list[Any]:
    try:
        return update()
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> list[Any]:
    keep = gr.skip()
    gallery = gallery_value([], 0, 0, "", None, "") if isinstance(error, SavgError) else keep
    return [components.notice(sentence(error)), gallery, keep, keep, keep, keep]
