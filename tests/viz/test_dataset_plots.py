"""Statistics of a set of clips: contents of the figures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from savg.data.bench_table import BenchTable
from savg.viz import dataset_plots as plots


def table(count: int, **columns: Any) -> BenchTable:
    """Clips of speech and instruments in turn, without measurements unless in `columns`."""
    missing = np.full(count, np.nan)
    values: dict[str, Any] = {
        "names": np.array([f"clip{i}" for i in range(count)], str),
        "recordings": np.array([f"take{i % 30:02d}" for i in range(count)], str),
        "views": np.arange(count) * 10 % 360,
        "starts": np.arange(count),
        "categories": np.arange(count) % 2,
        "x": np.linspace(0, 256, count),
        **dict.fromkeys(("active", "level_db", "difference_db", "peak"), missing),
    }
    return BenchTable(**(values | columns))


def totals(figure: Any, axis: str) -> dict[str, float]:
    return {trace.name: float(np.sum(getattr(trace, axis))) for trace in figure.data}


def test_every_clip_is_counted_once() -> None:
    clips = table(100, level_db=np.linspace(-40, -15, 100))
    for draw, axis in ((plots.positions, "y"), (plots.views, "r"), (plots.levels, "y")):
        assert totals(draw(clips), axis) == {"speech": 50, "instrument": 50}
    assert totals(plots.recordings(clips), "x") == {"speech": 50, "instrument": 50}


def test_many_recordings_share_a_bar() -> None:
    figure = plots.recordings(table(300))
    labels = list(figure.data[0].y)
    assert len(labels) == plots.MAX_RECORDINGS + 1 and labels[-1] == "16 more"
    assert sum(sum(trace.x[-1:]) for trace in figure.data) == 160


def test_views_are_counted_around_their_direction() -> None:
    figure = plots.views(table(4, views=np.array([355, 4, 94, -1]), categories=np.zeros(4, int)))
    (bars,) = figure.data
    counts = dict(zip(np.asarray(bars.theta).tolist(), np.asarray(bars.r).tolist(), strict=True))
    assert counts[0] == 2 and counts[90] == 1 and sum(counts.values()) == 3
    angular = figure.layout.polar.angularaxis
    assert (angular.rotation, angular.direction) == (90, "counterclockwise")  # 90° is on the left
    assert dict(zip(angular.tickvals, angular.ticktext, strict=True))[270] == "−90°"


def test_rules_are_in_the_order_in_which_they_are_applied() -> None:
    dropped = {"activity": 3, "class": 50, "clipping": 0, "off_screen": 200, "overlap": 7}
    figure = plots.dropped({"dropped": dropped, "kept": 40, "windows": 300}, dark=True)
    (bars,) = figure.data
    assert (bars.y[0], bars.y[-1]) == ("other class", "kept")
    assert list(bars.x) == [50, 7, 3, 200, None, 40] and bars.text[4] == "none"
    assert figure.layout.xaxis.type == "log"


def test_points_are_thinned_evenly() -> None:
    n = 9000
    figure = plots.sides(table(n, difference_db=np.zeros(n)))
    points = [trace for trace in figure.data if trace.mode == "markers"]
    for trace in points:
        assert 1000 < len(trace.x) <= plots.MAX_POINTS
        assert np.mean(trace.x) == pytest.approx(128, abs=1)


@pytest.mark.parametrize("name", ["recordings", "positions", "levels", "sides", "views"])
@pytest.mark.parametrize("count", [0, 1])
def test_small_sets(name: str, count: int) -> None:
    figure = getattr(plots, name)(table(count, categories=np.full(count, -1)))
    assert json.loads(figure.to_json())
