"""Names of clips, `RECORDING_degDDD_startFFFF`: recording, view, first label frame [S1]."""

from __future__ import annotations

import re


def clip_name(recording: str, view: int, start: int) -> str:
    """The published form, for instance `fold3_room12_mix001_deg359_start2246`."""
    return f"{recording}_deg{view}_start{start}"


_NAME = re.compile(r"(?P<recording>.+)_deg(?P<view>\d{1,3})_start(?P<start>\d+)")


def parse_clip_name(name: str) -> tuple[str, int, int] | None:
    """Recording, viewing azimuth and first label frame of a clip's name; None for other names."""
    found = _NAME.fullmatch(name)
    if found is None or int(found["view"]) > 359:
        return None
    return found["recording"], int(found["view"]), int(found["start"])
