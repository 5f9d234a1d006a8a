"""Image, label and audio of a built clip agree on the place. Through real files and the real build.

Recordings with one person at a known azimuth, who speaks or plays where the camera is level with the
head, and the same recordings rendered without the person: the figure is where two built frames differ.
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
class Positions:
    """Of one clip: x by the tangent law, of the label and of the head, and left minus right in dB."""

    truth: float
    label: float
    head: float
    decibel: float


def _truth(azimuth: float, view: int) -> float:
    """The tangent law, written out."""
    away = (azimuth - view + 180) % 360 - 180
    return float(128 - FOCAL * np.tan(np.deg2rad(away)))


def _head(image: np.ndarray, empty: np.ndarray) -> float:
    change = np.abs(image.astype(int) - empty.astype(int)).sum(axis=2) > 40
    top = np.flatnonzero(change.sum(axis=1) >= 3)[0]
    columns = np.flatnonzero(change[top + 2 : top + 10].any(axis=0))
    return float(columns.min() + columns.max() + 1) / 2


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, int], Positions]:
    root = tmp_path_factory.mktemp("truth")
    with_person, without = root / "with", root / "without"
    for mix, (azimuth, instrument) in PEOPLE.items():
        name = f"fold3_room1_{mix}"
        scene = one_person(azimuth, SECONDS, 1.5, instrument)
        write_take(with_person, name, scene, SIZE)
    for folder in ("foa_dev", "metadata_dev"):
        shutil.copytree(with_person / folder, without / folder)
    empty = without_people(one_person(0.0, SECONDS))
    video = without / "video_dev" / GROUP / "empty.mp4"
    write_panorama_video(video, empty, SIZE, [], RATE)
    for mix in PEOPLE:
        shutil.copy(video, video.with_name(f"fold3_room1_{mix}.mp4"))
    video.unlink()
    for folder in (with_person, without):
        build(folder, folder / "clips", Construction(), split="dev", processes=1)
    shown, bare = SavgBench(with_person / "clips"), SavgBench(without / "clips")
    assert [item.name for item in shown] == [item.name for item in bare]
    positions = {}
    for item, other in zip(shown, bare, strict=True):
        name = parse_clip_name(item.name)
        assert name is not None
        recording, view, start = name
        images = (item.clip.picture[8], other.clip.picture[8])
        level = np.sqrt(np.mean(np.square(item.clip.audio.astype(float)), axis=1))
        positions[recording[-6:], start, view] = Positions(
            _truth(PEOPLE[recording[-6:]][0], view),
            float(item.labels.x.mean()),
            _head(*images),
            float(20 * np.log10(level[0] / level[1])),
        )
        assert np.ptp(item.labels.x) == 0
        assert item.category == ("instrument" if PEOPLE[recording[-6:]][1] else "speech")
    return positions


def test_every_view_that_shows_the_person_makes_a_clip(clips) -> None:
    for mix, (azimuth, _) in PEOPLE.items():
        views = {view for name, _, view in clips if name == mix}
        near = {v for v in range(0, 360, 10) if abs((azimuth - v + 180) % 360 - 180) <= 50}
        assert views == near
        assert {start for name, start, _ in clips if name == mix} == {0}


def test_label_audio_and_figure_agree(clips) -> None:
    assert len(clips) >= 40
    for clip in clips.values():
        assert clip.label == pytest.approx(clip.truth, abs=3)
        assert clip.head == pytest.approx(clip.label, abs=6)
        assert (clip.decibel > 0) == (clip.label < 128)


def test_rotating_the_view_moves_all_three_together(clips) -> None:
    pairs = 0
    for (mix, start, view), clip in clips.items():
        rotated = clips.get((mix, start, (view + 10) % 360))
        if rotated is None:
            continue
        moved = rotated.truth - clip.truth
        assert moved > 15
        assert rotated.label - clip.label == pytest.approx(moved, abs=3)
        assert rotated.head - clip.head == pytest.approx(moved, abs=6)
        assert rotated.decibel < clip.decibel
        pairs += 1
    assert pairs >= 35
