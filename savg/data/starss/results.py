"""What the construction of clips is asked for and what it finds: settings, candidates, records.

Everything here is plain data that goes to JSON and back unchanged, so that a stopped construction can
be taken up again and two runs can be compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from savg.format import SAVGBENCH, ClipFormat
from savg.geometry import FIELD_OF_VIEW

RULES = ("class", "overlap", "activity", "off_screen", "clipping")
"""Why a window is dropped, in the order in which it is asked; the first rule that fails counts.

class: an event that is neither speech nor an instrument; overlap: two events at once; activity: sound
in too few label frames; off_screen: an event outside the picture; clipping: the sound is too loud after
the gain. The first three judge a window whatever the view, the fourth each view, the last the sound.
"""


@dataclass(frozen=True)
class Steps:
    """Distance of neighbouring windows (label frames of 0.1 s) and of viewing angles (degrees)."""

    window: int = 5
    view: int = 10

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"Steps.window is at least one label frame, not {self.window}.")
        if not 1 <= self.view <= 360 or 360 % self.view:
            raise ValueError(f"Steps.view divides 360 degrees, and {self.view} does not.")


@dataclass(frozen=True)
class Construction:
    """How clips are cut from recordings; the defaults are those of the development set [S1, S2].

    speech, instrument: steps for windows of either category; min_active: share of label frames with
    sound; high_pass: cut-off in Hz, 0 for none (the published one is not known); gain_db: gain of the
    sound; field_of_view: horizontal, in degrees; antialias: average the panorama before it is
    sampled (the published pictures are sampled as they are).
    """

    speech: Steps = field(default_factory=Steps)
    instrument: Steps = field(default_factory=Steps)
    min_active: float = 0.8
    high_pass: float = 100.0
    gain_db: float = 38.0
    field_of_view: float = FIELD_OF_VIEW
    antialias: bool = False
    format: ClipFormat = SAVGBENCH

    def __post_init__(self) -> None:
        if not 0.0 < self.min_active <= 1.0:
            raise ValueError(f"Construction.min_active lies in 0…1, not at {self.min_active}.")
        if not 0.0 <= self.high_pass < self.format.sample_rate / 2:
            raise ValueError(f"Construction.high_pass lies below 8 kHz, not at {self.high_pass}.")
        if not 0.0 < self.field_of_view < 180.0:
            raise ValueError(f"Construction.field_of_view: 0…180, not {self.field_of_view}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The settings of a JSON file; TypeError or ValueError for unknown or impossible values."""
        given = dict(values)
        for name, kind in (("speech", Steps), ("instrument", Steps), ("format", ClipFormat)):
            if name in given:
                given[name] = kind(**given[name])
        return cls(**given)


@dataclass(frozen=True, order=True)
class Candidate:
    """A window and a view of a recording that its labels allow.

    start: first label frame; view: azimuth of the view in whole degrees 0…359, positive to the left;
    category: 0 speech, 1 instrument.
    """

    start: int
    view: int
    category: int


@dataclass(frozen=True)
class ClipRecord:
    """One kept clip: who sounds, how long, where in the picture, how loud.

    active: share of label frames with sound; x: mean label position in pixels; level_db: of both
    channels together, difference_db: left minus right; peak: largest sample, 0…1.
    """

    name: str
    start: int
    view: int
    category: int
    active: float
    x: float
    level_db: float
    difference_db: float
    peak: float


@dataclass(frozen=True)
class RecordingResult:
    """What became of one recording: seconds that were searched, windows × views judged, how many each
    rule dropped, the clips that are kept, and the SHA-256 of its files by role."""

    name: str
    seconds: float
    windows: int
    dropped: dict[str, int]
    clips: tuple[ClipRecord, ...]
    sources: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The result in a JSON file."""
        given = {f.name: values[f.name] for f in fields(cls)}
        given["clips"] = tuple(ClipRecord(**clip) for clip in values["clips"])
        return cls(**given)


@dataclass(frozen=True)
class Problem:
    """A recording that could not be used, or not wholly, and why, in one sentence.

    skipped: nothing of it was used.
    """

    recording: str
    sentence: str
    skipped: bool = True
