"""The tour above the tabs: its colours and figures are those of the overlay and the metric."""

from __future__ import annotations

from savg.studio.shared import tour
from savg.viz import palette


def test_the_tour_has_the_colours_and_figures_of_the_studio() -> None:
    page = tour.html()
    for name in ("tp", "fn", "person"):
        assert f"--{name}: {palette.names()[name]}" in page
    assert "±40 px" in page and "about 20° in the middle of the frame" in page
    for baseline in ("centre", "swapped", "shuffled"):
        assert f"({baseline})" in page
    assert "{" not in page
