"""Meaning of `deg` in a clip's name, with numbers worked out by hand.

The picture is 256 pixels and 100° wide, so its focal length is 128 / tan 50° = 107.405 pixels, and
something at azimuth a in the clip (positive to the left) is at x = 128 − 107.405 · tan a:

    a = 0     x = 128.00
    a = 10    x = 128 − 18.94 = 109.06
    a = 40    x = 128 − 90.12 = 37.88
    a = 50    x = 128 − 128.00 = 0.00
    a = −30   x = 128 + 62.01 = 190.01

A dry source at a = 40 is 20 · log10((1 + sin 40°) / (1 − sin 40°)) = 13.25 dB louder on the left.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scene_takes import one_person

from savg.audio.levels import level_difference_db
from savg.data.clip_names import clip_name, deg_of_view, parse_clip_name, view_of_deg
from savg.data.savgbench import BenchItem, SavgBench
from savg.data.starss.build import build
from savg.data.starss.labels import RecordingLabels
from savg.data.starss.results import Candidate, Construction, Steps
from savg.data.starss.synth import write_take
from savg.data.starss.windows import clip_labels
from savg.viz.panorama import View, directions, draw_view, panorama_position


@pytest.mark.parametrize(("deg", "view"), [(0, 0), (30, 330), (90, 270), (180, 180), (359, 1)])
def test_deg_counts_to_the_right(deg: int, view: int) -> None:
    assert deg_of_view(view) == deg and view_of_deg(deg) == view
    name = f"fold3_room1_mix001_deg{deg}_start25"
    assert clip_name("fold3_room1_mix001", view, 25) == name
    assert parse_clip_name(name) == ("fold3_room1_mix001", view, 25)


def test_views_beyond_360_degrees_have_the_deg_of_their_direction() -> None:
    assert deg_of_view(-30) == 30 and deg_of_view(360) == 0 and deg_of_view(725) == 355


@pytest.mark.parametrize("name", ["clip", "a_deg360_start0", "a_deg-5_start0", "a_deg10", "deg1"])
def test_names_of_another_pattern_are_none(name: str) -> None:
    assert parse_clip_name(name) is None


X_IN_DEG30 = {-30: 128.0, -20: 109.06, 10: 37.88, 20: 0.0, -60: 190.01}
"""Azimuth of a sound in the recording → x of its label in the clip `deg30`."""


@pytest.mark.parametrize(("azimuth", "x"), X_IN_DEG30.items())
def test_labels_in_deg30(azimuth: int, x: float) -> None:
    frames, constant = np.arange(50), np.ones(50, int)
    labels = RecordingLabels(frames, constant, constant, azimuth * constant, 0 * constant)
    table = clip_labels(labels, Candidate(0, view_of_deg(30), 0), Construction())
    assert table.x == pytest.approx(np.full(50, x), abs=0.01)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BenchItem]:
    """The clip `deg30` of a take with a person at azimuth −30, and of one with a person at 10."""
    folder = tmp_path_factory.mktemp("deg")
    for mix, azimuth in (("mix001", -30.0), ("mix002", 10.0)):
        write_take(folder, f"fold3_room1_{mix}", one_person(azimuth, 5.2, 1.5), (480, 240))
    steps = Steps(view=30)
    build(folder, folder / "clips", Construction(steps, steps), processes=1)
    bench = SavgBench(folder / "clips")
    assert "fold3_room1_mix001_deg330_start0" not in bench  # azimuth 30, where nobody stands
    return {mix: bench[f"fold3_room1_{mix}_deg30_start0"] for mix in ("mix001", "mix002")}


def test_a_person_at_minus_30_stands_in_the_middle_of_deg30(clips: dict[str, BenchItem]) -> None:
    middle, left = clips["mix001"], clips["mix002"]
    assert (middle.view, middle.start) == (330, 0)
    assert middle.labels.x.mean() == pytest.approx(128.0, abs=2)
    assert left.labels.x.mean() == pytest.approx(37.88, abs=2)
    # The same room: only the people differ.
    images = (item.clip.picture[8].astype(int) for item in (middle, left))
    change = np.abs(np.subtract(*images)).sum(axis=2) > 60
    columns = np.flatnonzero(change.sum(axis=0) >= 3)
    assert columns[columns < 83].mean() == pytest.approx(37.88, abs=10)
    assert columns[columns > 83].mean() == pytest.approx(128.0, abs=10)
    assert abs(level_difference_db(middle.clip.audio)) < 1.5
    assert 4 < level_difference_db(left.clip.audio) < 13.25


def test_the_panorama_is_bright_where_deg30_looks(clips: dict[str, BenchItem]) -> None:
    """Azimuth a is at column 640 · (0.5 − a / 360): −30 at 373.3, 10 at 302.2, 20 at 284.4."""
    item = clips["mix001"]
    assert item.view is not None and item.panorama is not None
    view = View(item.view)
    columns, _ = panorama_position(*directions(view, [128.0, 37.88, 0.0], [72.0, 72.0, 72.0]))
    assert columns == pytest.approx([373.33, 302.22, 284.44], abs=0.01)
    bright = np.flatnonzero(
        draw_view(np.full((320, 640, 3), 200, np.uint8), view)[160, :, 0] == 200
    )
    assert (bright.min() + bright.max() + 1) / 2 == pytest.approx(373.3, abs=1)
    panoramas = [cv2.imread(str(clips[mix].panorama)).astype(int) for mix in sorted(clips)]
    change = np.abs(np.subtract(*panoramas)).sum(axis=2) > 60
    across = np.flatnonzero(change.sum(axis=0) >= 3) * 640 / change.shape[1]
    assert across[across < 338].mean() == pytest.approx(302.2, abs=10)
    assert across[across > 338].mean() == pytest.approx(373.3, abs=10)


def test_the_manifest_states_the_meaning_of_deg(clips: dict[str, BenchItem]) -> None:
    bench = SavgBench(clips["mix001"].path.parents[2])
    assert bench.manifest is not None
    assert bench.manifest["names"] == "azimuth in the clip = azimuth in the recording + deg"
    views = {clip["name"]: clip["view"] for clip in bench.manifest["clips"]}
    assert views["fold3_room1_mix001_deg30_start0"] == 330
    assert views == {item.name: item.view for item in bench}
    assert "`deg30` looks 30° to the right" in (bench.root / "report.md").read_text()
