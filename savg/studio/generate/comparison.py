"""The newest clips beside each other as one video file, to be downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from savg.clip import Clip
from savg.errors import SavgError
from savg.studio.shared.context import Context
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, VIDEO, StoredClip, media_url

MOST = 4
"""Clips of a comparison."""

TOO_FEW = "A comparison needs two clips: generate another one."


def newest(context: Context, own: Sequence[str], scores: Mapping[str, Any]) -> list[StoredClip]:
    """The clips to compare, oldest first: the newest pair, or else the newest few; none for one."""
    keys = [stored.key for stored in context.library.get(own) if stored.key in scores]
    if len(keys) < 2:
        return []
    pair = scores[keys[0]].get("pair")
    chosen = [key for key in keys if pair and scores[key].get("pair") == pair]
    return context.library.get((chosen if len(chosen) > 1 else keys)[:MOST][::-1])


def export(context: Context, clips: Sequence[StoredClip]) -> dict[str, str]:
    """Address and name of the comparison, which lies with the first clip and goes with it.

    Each clip is heard in turn. SavgError for fewer than two clips.
    """
    from savg.viz.compose import Entry, compose

    if len(clips) < 2:
        raise SavgError(TOO_FEW)
    which = hashlib.sha256(" ".join(stored.key for stored in clips).encode()).hexdigest()[:16]
    path = clips[0].path(f"comparison-{which}") / f"{_name(clips)}.mp4"
    if not path.is_file():
        entries = [
            Entry(Clip.read(stored.path(VIDEO), max_seconds=MAX_UPLOAD_SECONDS), stored.title)
            for stored in clips
        ]
        compose(path, entries)
    return {"url": media_url(path), "name": path.name}


def _name(clips: Sequence[StoredClip]) -> str:
    """The first clip's name, the second's or how many follow, and that this is a comparison."""
    others = clips[1].stem if len(clips) == 2 else f"{len(clips) - 1}-more"
    return f"{clips[0].stem}-and-{others}-comparison"
