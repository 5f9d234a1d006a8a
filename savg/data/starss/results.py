"""Settings and results of the construction of clips: candidates, records, problems.

All are plain data that JSON restores unchanged, so that a stopped construction can be resumed and two
runs can be compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from savg.format import SAVGBENCH, ClipFormat
from savg.geometry import FIELD_OF_VIEW

RULES = ("class", "overlap", "activity", "off_screen", "clipping")
"""Reasons to drop a window, in the order of their checks; the first rule that fails counts.

class: an event that is neither speech nor an instrument; overlap: two events at once; activity: events
in too few label frames; off_screen: an event outside the picture; clipping: the audio is too loud after
the gain. The first three judge a window for all views, the fourth each view, the last the audio.
"""

MAX_GAIN_DB = 200.0
"""Largest gain and attenuation; beyond it samples would not be finite."""


@dataclass(frozen=True)
class Steps:
    """Distance of neighbouring windows (label frames of 0.1 s) and of viewing angles (degrees).

    Raises ValueError for windows below one label frame and for views that do not divide 360.
    """

    window: int = 5
    view: int = 10

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"Steps.window must be ≥ 1 label frame, got {self.window}.")
        if not 1 <= self.view <= 360 or 360 % self.view:
            raise ValueError(f"Steps.view must be a divisor of 360 degrees, got {self.view}.")


@dataclass(frozen=True)
class Construction:
    """How clips are cut from recordings; the defaults are those of the development set [S1, S2].

    speech, instrument: steps for windows of either category; min_active: share of label frames with
    an event; high_pass: cut-off in Hz, 0 for none (the published one is unknown); gain_db: gain of the
    audio; field_of_view: horizontal, in degrees; antialias: average the panorama before it is
    sampled (the published frames are sampled without). Raises ValueError for impossible values.
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
            raise ValueError(f"min_active must be in 0…1, got {self.min_active}.")
        if not 0.0 <= self.high_pass < self.format.sample_rate / 2:
            raise ValueError(
                f"high_pass must be in 0…{self.format.sample_rate / 2:g} Hz, got {self.high_pass}."
            )
        if not 0.0 < self.field_of_view < 180.0:
            raise ValueError(f"field_of_view must be in 0…180°, got {self.field_of_view}.")
        if not abs(self.gain_db) <= MAX_GAIN_DB:
            raise ValueError(
                f"gain_db must be in {-MAX_GAIN_DB:g}…{MAX_GAIN_DB:g} dB, got {self.gain_db}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The settings of a JSON file; TypeError or ValueError for unknown or impossible values."""
        arguments = dict(values)
        for name, kind in (("speech", Steps), ("instrument", Steps), ("format", ClipFormat)):
            if name in arguments:
                arguments[name] = kind(**arguments[name])
        return cls(**arguments)


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
    """One accepted clip: category, activity, position in the picture and level.

    active: share of label frames with an event; x: mean label position in pixels; level_db: of both
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
    """Result of one recording: seconds searched, windows × views judged, how many each rule dropped,
    its clips, and the SHA-256 of its files by role."""

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
        arguments = {f.name: values[f.name] for f in fields(cls)}
        arguments["clips"] = tuple(ClipRecord(**clip) for clip in values["clips"])
        return cls(**arguments)


@dataclass(frozen=True)
class Problem:
    """A problem of a recording, in one sentence; skipped: no clip of it was built."""

    recording: str
    sentence: str
    skipped: bool = True
