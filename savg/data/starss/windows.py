"""Which windows and views of a recording make clips, judged from its labels alone.

A window is `ClipFormat.label_frames` label frames long; a view is the azimuth of the picture's
centre, in degrees, positive to the left. Rules and their order: `results.RULES`.

How windows are counted. A window belongs to the category that sounds in more of its label frames
(speech where both last equally long, or neither does). It is judged only if its start is a multiple of
that category's window step, and then counts once for each view of that category's view step, also
where a rule drops it for all views. So `sum(dropped.values()) + len(candidates) == windows`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import INSTRUMENT, LABEL_CLASSES, SPEECH, ClipLabels
from savg.data.starss.labels import CLASSES, RecordingLabels
from savg.data.starss.results import RULES, Candidate, Construction, Steps
from savg.geometry import focal_length, project, wrap_degrees

_EDGE = 1e-9
"""Degrees by which a direction may lie beyond the picture's edge from rounding alone."""

_CATEGORY = np.array([LABEL_CLASSES.get(label, -1) for label in range(CLASSES)])
_WINDOW_RULES = ("class", "overlap", "activity")


@dataclass(frozen=True)
class Verdict:
    """Windows and views that the labels of a recording allow: `candidates` in order of start and view;
    `windows`, the number of windows × views judged; `dropped`, the number that each rule of RULES
    dropped (audio is not judged here, so "clipping" is 0)."""

    candidates: tuple[Candidate, ...]
    windows: int
    dropped: dict[str, int]


@dataclass(frozen=True, eq=False)
class Windows:
    """Every window of a recording, at any step: arrays [S], one entry for each start.

    category: 0 speech, 1 instrument; rule: index into RULES of the rule that drops the window for
    all views, or -1.
    """

    category: NDArray[np.int64]
    rule: NDArray[np.int64]


def judge(labels: RecordingLabels, seconds: float, settings: Construction) -> Verdict:
    """Candidates among all windows that lie wholly within the first `seconds` of a recording."""
    length = settings.format.label_frames
    windows = judge_windows(labels, seconds, settings)
    half = visible_half_width(labels.elevations, settings)
    dropped = dict.fromkeys(RULES, 0)
    accepted: list[tuple[int, int, int]] = []
    judged = 0
    for category, steps in category_steps(settings):
        views = np.arange(0, 360, steps.view)
        starts = np.flatnonzero(windows.category == category)
        starts = starts[starts % steps.window == 0]
        rules = windows.rule[starts]
        judged += len(starts) * len(views)
        for index, rule in enumerate(_WINDOW_RULES):
            dropped[rule] += int((rules == index).sum()) * len(views)
        open_starts = starts[rules < 0]
        visible = on_screen(labels, half, open_starts, length, views)
        dropped["off_screen"] += int(visible.size - visible.sum())
        which, at = np.nonzero(visible)
        pairs = zip(open_starts[which].tolist(), views[at].tolist(), strict=True)
        accepted += [(start, view, category) for start, view in pairs]
    return Verdict(tuple(Candidate(*place) for place in sorted(accepted)), judged, dropped)


def category_steps(settings: Construction) -> tuple[tuple[int, Steps], ...]:
    """Each category with its steps."""
    return ((SPEECH, settings.speech), (INSTRUMENT, settings.instrument))


def judge_windows(labels: RecordingLabels, seconds: float, settings: Construction) -> Windows:
    """The rules that do not depend on the view, for the windows that start at each label frame."""
    format = settings.format
    length = format.label_frames
    frames = int(np.floor(seconds * format.label_fps + 1e-6))
    inside = labels.frames < frames
    at = labels.frames[inside]
    category = _CATEGORY[labels.classes[inside]]

    def rows(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(at[chosen], minlength=max(frames, 0))

    sounding = rows(np.ones(len(at), bool))
    other = _in_windows(rows(category < 0) > 0, length)
    overlap = _in_windows(sounding > 1, length)
    active = _in_windows(sounding > 0, length)
    speech = _in_windows(rows(category == SPEECH) > 0, length)
    instrument = _in_windows(rows(category == INSTRUMENT) > 0, length)

    quiet = active < settings.min_active * length - 1e-9
    rule = np.select([other > 0, overlap > 0, quiet], range(len(_WINDOW_RULES)), -1)
    return Windows(np.where(instrument > speech, INSTRUMENT, SPEECH), rule)


def _in_windows(flags: NDArray[np.bool_], length: int) -> NDArray[np.int64]:
    """Number of set flags among `length` neighbouring ones [F - L + 1], by their first."""
    if len(flags) < length:
        return np.zeros(0, np.int64)
    total = np.concatenate([[0], np.cumsum(flags)])
    return total[length:] - total[:-length]


def visible_half_width(
    elevations: NDArray[np.float64], settings: Construction
) -> NDArray[np.float64]:
    """Largest offset in degrees from the view's azimuth at which each elevation is on screen [N].

    A direction leaves the picture at its sides (half the field of view) or above or below: y =
    focal · tan(elevation) / cos(azimuth) reaches half the height. -1 where no azimuth is on screen.
    """
    format = settings.format
    focal = focal_length(format.size, settings.field_of_view)
    steep = np.tan(np.deg2rad(np.minimum(np.abs(elevations), 89.9)))
    cosine = focal * steep / (format.picture_height / 2.0)
    limit = np.rad2deg(np.arccos(np.minimum(cosine, 1.0)))
    half = np.minimum(limit, settings.field_of_view / 2.0)
    return np.where(cosine <= 1.0 + 1e-12, half, -1.0)


def on_screen(
    labels: RecordingLabels,
    half_width: NDArray[np.float64],
    starts: NDArray[np.int64],
    length: int,
    views: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether all events of each window are in the picture of each view [len(starts), len(views)].

    half_width: of each row of `labels`, from `visible_half_width`.
    """
    if not len(starts):
        return np.zeros((0, len(views)), bool)
    end = int(starts.max()) + length
    covered = np.zeros(end + 1, np.int64)
    np.add.at(covered, starts, 1)
    np.add.at(covered, starts + length, -1)
    used = np.flatnonzero(labels.frames < end)
    used = used[np.cumsum(covered)[labels.frames[used]] > 0]
    away = np.abs(wrap_degrees(labels.azimuths[used, None] - views))
    outside = away > half_width[used, None] + _EDGE
    row, view = np.nonzero(outside)
    place = (labels.frames[used[row]] + 1) * len(views) + view
    hidden = np.bincount(place, minlength=(end + 1) * len(views)).reshape(end + 1, len(views))
    total = np.cumsum(hidden, axis=0)
    return total[starts + length] == total[starts]


def clip_labels(
    labels: RecordingLabels, candidate: Candidate, settings: Construction
) -> ClipLabels:
    """The events of a candidate in its picture: frames from the clip's start, pixels of the picture
    (256×144 as published), rounded to hundredths so that files are equal on every machine."""
    format = settings.format
    frames = labels.frames - candidate.start
    rows = np.flatnonzero((frames >= 0) & (frames < format.label_frames))
    rows = rows[np.argsort(frames[rows], kind="stable")]
    azimuths = wrap_degrees(labels.azimuths[rows] - candidate.view)
    x, y = project(
        azimuths,
        labels.elevations[rows],
        format.size,
        format.picture_height,
        settings.field_of_view,
    )
    return ClipLabels(frames[rows], labels.classes[rows], np.round(x, 2), np.round(y, 2))
