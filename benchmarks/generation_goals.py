"""The figures that generated clips shall reach, beside those that they reach.

Alignment is a multiple of the truth's by the same detectors, with a bootstrap interval over the clips
of both; a goal is reached where the figure is, whatever its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.generated_sets import SETS
from benchmarks.judging import Judged
from savg.evaluation import directed
from savg.evaluation.report import markdown_rows
from savg.evaluation.result_files import SetResult
from savg.metrics.base import format_number
from savg.metrics.looks import CHANGE, EDGES
from savg.metrics.paired import share_difference
from savg.metrics.people_count import WRONG_PEOPLE
from savg.metrics.statistics import relative_interval

Row = dict[str, Any]

OF_TRUTH = (
    ("joint", "spatial_av_align", 0.95),
    ("joint", "spatial_off_centre", 0.90),
    ("two_stage_boxes", "spatial_av_align", 0.90),
    ("two_stage", "spatial_av_align", 0.80),
)
"""Sets and measures of alignment, and the least multiple of the truth's."""

AT_LEAST = (
    ("joint", "pan_person", 0.9),
    ("joint", "person_share", 0.95),
    *((name, directed.SOUND_HEARD, 0.95) for name in ("joint_directed", "two_stage_directed")),
    *((name, directed.PATH_SOUND, 0.8) for name in ("joint_directed", "two_stage_directed")),
    *((name, EDGES, 0.8) for name in ("joint", "two_stage_boxes")),
    *((name, CHANGE, 0.6) for name in ("joint", "two_stage_boxes")),
)
AT_MOST = (
    *((name, directed.SOUND_X, 15.0) for name in ("joint_directed", "two_stage_directed")),
    *((name, directed.PERSON_X, 15.0) for name in ("joint_directed", "two_stage_directed")),
    *(
        (name, WRONG_PEOPLE, 0.05)
        for name in ("joint", "two_stage_boxes", "joint_directed", "two_stage_directed")
    ),
)


def goals(judged: Mapping[str, Judged], results: Mapping[str, SetResult], judge: str) -> list[Row]:
    """A row {set, measure, value, low, high, n, goal, reached} for each goal whose set was measured."""
    rows = [_of_truth(judged, name, measure, goal, judge) for name, measure, goal in OF_TRUTH]
    rows.append(_gain_of_boxes(judged, judge))
    for least, wanted in ((True, AT_LEAST), (False, AT_MOST)):
        for name, measure, goal in wanted:
            one = results[name].metrics.get(measure) if name in results else None
            if one is not None:
                rows.append(_row(name, measure, (one.value, one.low, one.high), one.n, goal, least))
    return [row for row in rows if row is not None]


def _of_truth(
    judged: Mapping[str, Judged], name: str, measure: str, goal: float, judge: str
) -> Row | None:
    """A set's alignment as a multiple of the truth's."""
    if name not in judged or "ground_truth" not in judged:
        return None
    own, truth = (judged[key].alignment_counts(judge, measure) for key in (name, "ground_truth"))
    shares = [(c[:, 0].sum(), c.sum()) for c in (own, truth)]
    value = None
    if shares[0][1] and shares[1][0]:
        value = float(shares[0][0] / shares[0][1] / (shares[1][0] / shares[1][1]))
    low, high = relative_interval(
        *(np.column_stack([c[:, 0], c.sum(axis=1)]) for c in (own, truth))
    )
    return _row(name, f"{measure} of the truth's", (value, low, high), len(own), goal, True)


def _gain_of_boxes(judged: Mapping[str, Judged], judge: str) -> Row | None:
    """Alignment with boxes minus without, of the same frames: shall be surely above 0."""
    if "two_stage" not in judged or "two_stage_boxes" not in judged:
        return None
    pair = (
        judged[name].alignment_counts(judge, "spatial_av_align")
        for name in ("two_stage_boxes", "two_stage")
    )
    first, second = pair
    if len(first) != len(second):
        return None
    gain = share_difference(first, second)
    if gain is None:
        return None
    row = _row(
        "two_stage_boxes", "spatial_av_align minus that without boxes",
        (gain.value, gain.low, gain.high), gain.pairs, 0.0, True,
    )  # fmt: skip
    return row | {"reached": gain.low is not None and gain.low > 0}


def _row(
    name: str,
    measure: str,
    figure: tuple[float | None, float | None, float | None],
    n: int,
    goal: float,
    least: bool,
) -> Row:
    value, low, high = figure
    met = value is not None and (value >= goal if least else value <= goal)
    words = f"{'≥' if least else '≤'} {goal:g}"
    return {
        "set": name, "measure": measure, "value": value, "low": low, "high": high, "n": n,
        "goal": words, "reached": met,
    }  # fmt: skip


def goals_table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = [["set", "figure", "reached (95 % interval)", "n", "goal", "met"], ["---"] * 6]
    for row in rows:
        figure = format_number(row["value"])
        if row["low"] is not None:
            figure += f" ({format_number(row['low'])}…{format_number(row['high'])})"
        measure = row["measure"].replace("_", " ")
        met = "yes" if row["reached"] else "no"
        lines.append([SETS[row["set"]], measure, figure, str(row["n"]), row["goal"], met])
    return markdown_rows(lines)
