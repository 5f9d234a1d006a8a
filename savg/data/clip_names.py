"""Names of clips, `RECORDING_degDDD_startFFFF` [S1].

deg: azimuth in the clip = azimuth in the recording + deg, in whole degrees 0…359. Azimuths being
positive to the left, the view of `deg30` looks at azimuth −30, 30° to the right. start: first label
frame of 0.1 s. Only names carry deg; everywhere else a view is the azimuth that it looks at.
"""

from __future__ import annotations

import re


def deg_of_view(view: int) -> int:
    """The deg 0…359 of a clip whose view looks at azimuth `view`, positive to the left."""
    return -view % 360


def view_of_deg(deg: int) -> int:
    """The azimuth 0…359, positive to the left, at which the view of a clip with this deg looks."""
    return -deg % 360


def clip_name(recording: str, view: int, start: int) -> str:
    """The published name: `fold3_room12_mix001_deg359_start2246` for azimuth 1, label frame 2246."""
    return f"{recording}_deg{deg_of_view(view)}_start{start}"


_NAME = re.compile(
    r"(?P<recording>.+)_deg(?P<deg>[0-9]{1,3})_start(?P<start>[0-9]{1,9})", re.DOTALL
)


def parse_clip_name(name: str) -> tuple[str, int, int] | None:
    """Recording, azimuth of the view (0…359, positive to the left) and first label frame of a clip.

    None for names of another pattern.
    """
    parts = _NAME.fullmatch(name)
    if parts is None or int(parts["deg"]) > 359:
        return None
    return parts["recording"], view_of_deg(int(parts["deg"])), int(parts["start"])
