"""Does a built clip show, say and let hear the same place? Through real files and the real build.

Recordings with one person at a known azimuth, who speaks or plays where the camera is level with the
head, and the same recordings filmed without the person: where two built pictures differ is the figure.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import numpy as np
import pytest
from scene_takes import one_person

from savg.data.clip_names import parse_clip_name
from savg.data.savgbench import SavgBench
from savg.data.scenes.render import without_people
from savg.data.starss.build import build
from savg.data.starss.panorama_video import write_panorama_video
from savg.data.starss.results import Construction
from savg.data.starss.synth import GROUP, RATE, write_take
from savg.geometry import FIELD_OF_VIEW

PEOPLE = {
    "mix001": (15.0, ""),
    "mix002": (-95.0, ""),
    "mix003": (175.0, ""),
    "mix004": (104.0, "guitar"),
}
SIZE = (960, 480)
SECONDS = 5.2
FOCAL = 128 / np.tan(np.deg2rad(FIELD_OF_VIEW / 2))


@dataclass(frozen=True)
class Seen:
    """What one clip tells: x of the label, of the head in its pictures, and left minus right in dB."""

    truth: float
    label: float
    head: float
    decibel: float


def _truth(azimuth: float, view: int) -> float:
    """The tangent law, written out."""
    away = (azimuth - view + 180) % 360 - 180
    return float(128 - FOCAL * np.tan(np.deg2rad(away)))


def _head(picture: np.ndarray, empty: np.ndarray) -> float:
    change = np.abs(picture.astype(int) - empty.astype(int)).sum(axis=2) > 40
    top = np.flatnonzero(change.sum(axis=1) >= 3)[0]
    columns = np.flatnonzero(change[top + 2 : top + 10].any(axis=0))
    return float(columns.min() + columns.max() + 1) / 2


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, int], Seen]:
    root = tmp_path_factory.mktemp("truth")
    with_person, without = root / "with", root / "without"
    for mix, (azimuth, instrument) in PEOPLE.items():
        name = f"fold3_room1_{mix}"
        scene = one_person(azimuth, SECONDS, 1.5, instrument)
        write_take(with_person, name, scene, SIZE)
    for folder in ("foa_dev", "metadata_dev"):
        shutil.copytree(with_person / folder, without / folder)
    empty = without_people(one_person(0.0, SECONDS))
    film = without / "video_dev" / GROUP / "empty.mp4"
    write_panorama_video(film, empty, SIZE, [], RATE)
    for mix in PEOPLE:
        shutil.copy(film, film.with_name(f"fold3_room1_{mix}.mp4"))
    film.unlink()
    for folder in (with_person, without):
        build(folder, folder / "clips", Construction(), split="dev", processes=1)
    shown, bare = SavgBench(with_person / "clips"), SavgBench(without / "clips")
    assert [item.name for item in shown] == [item.name for item in bare]
    found = {}
    for item, other in zip(shown, bare, strict=True):
        name = parse_clip_name(item.name)
        assert name is not None
        recording, view, start = name
        pictures = (item.clip.picture[8], other.clip.picture[8])
        level = np.sqrt(np.mean(np.square(item.clip.audio.astype(float)), axis=1))
        found[recording[-6:], start, view] = Seen(
            _truth(PEOPLE[recording[-6:]][0], view),
            float(item.labels.x.mean()),
            _head(*pictures),
            float(20 * np.log10(level[0] / level[1])),
        )
        assert np.ptp(item.labels.x) == 0
        assert item.category == ("instrument" if PEOPLE[recording[-6:]][1] else "speech")
    return found


def test_every_view_that_shows_the_person_makes_a_clip(clips) -> None:
    for mix, (azimuth, _) in PEOPLE.items():
        views = {view for name, _, view in clips if name == mix}
        near = {v for v in range(0, 360, 10) if abs((azimuth - v + 180) % 360 - 180) <= 50}
        assert views == near
        assert {start for name, start, _ in clips if name == mix} == {0}


def test_label_sound_and_figure_agree(clips) -> None:
    assert len(clips) >= 40
    for seen in clips.values():
        assert seen.label == pytest.approx(seen.truth, abs=3)
        assert seen.head == pytest.approx(seen.label, abs=6)
        assert (seen.decibel > 0) == (seen.label < 128)


def test_turning_the_view_moves_all_three_together(clips) -> None:
    pairs = 0
    for (mix, start, view), seen in clips.items():
        turned = clips.get((mix, start, (view + 10) % 360))
        if turned is None:
            continue
        moved = turned.truth - seen.truth
        assert moved > 15
        assert turned.label - seen.label == pytest.approx(moved, abs=3)
        assert turned.head - seen.head == pytest.approx(moved, abs=6)
        assert turned.decibel < seen.decibel
        pairs += 1
    assert pairs >= 35
