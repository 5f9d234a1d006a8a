"""Nearest reference clips: by brute force, mirrored ones, and what the strips show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import studio_fakes

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.nearest import nearest_strips, strip
from savg.metrics.base import Item, Observation, Reference
from savg.metrics.nearest_clip import FEATURE, thumbnails

NO_EVENTS = SoundEvents(np.zeros(0), np.zeros(0), np.zeros(0))


def item(name: str, clip: Clip) -> Item:
    features = {FEATURE: thumbnails(clip)}
    return Item(name, Observation(NO_EVENTS, Boxes.empty(), clip.format, features=features))


def reference(clips: dict[str, Clip]) -> Reference:
    return Reference({name: {FEATURE: thumbnails(clip)} for name, clip in clips.items()})


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    return {f"train{i}": studio_fakes.scene(i, x=40.0 + 50 * i) for i in range(4)}


def test_nearest_first_against_brute_force(clips: dict[str, Clip], tmp_path: Path) -> None:
    own = {
        "copy": clips["train2"],
        "new": studio_fakes.scene(9, x=100.0),
        "flip": clips["train3"].mirrored(),
    }
    rows = nearest_strips(
        [item(n, c) for n, c in own.items()], reference(clips), None, tmp_path, most=2
    )
    for row in rows:
        x = thumbnails(own[row["clip"]]).astype(float)
        distances = {}
        for name, clip in clips.items():
            y = thumbnails(clip).astype(float)
            distances[name, False] = np.sqrt(((x - y) ** 2).mean())
            distances[name, True] = np.sqrt(((x - y[:, :, ::-1]) ** 2).mean())
        best = min(distances, key=distances.__getitem__)
        assert (row["reference"], row["mirrored"]) == best
        assert row["distance"] == pytest.approx(distances[best], rel=1e-5, abs=1e-9)
    assert [row["clip"] for row in rows] == ["copy", "flip", "new"]
    assert [row["image"] for row in rows] == ["nearest/01.jpg", "nearest/02.jpg", None]
    assert sorted(p.name for p in (tmp_path / "nearest").iterdir()) == ["01.jpg", "02.jpg"]


def test_a_strip_has_both_clips_in_order(clips: dict[str, Clip], tmp_path: Path) -> None:
    def read(which: str, name: str) -> Clip:
        if name not in clips:
            raise SavgError("gone")
        return clips[name]

    flipped = clips["train1"].mirrored()
    (row,) = nearest_strips([item("train1", flipped)], reference(clips), read, tmp_path)
    assert row["mirrored"]
    image = cv2.imread(str(tmp_path / row["image"])).astype(float)
    half = (image.shape[0] - 4) // 2
    upper, lower = image[:half, :128], image[half + 4 :, :128]
    # the reader gives train1 itself as the generated clip, so the lower row is its mirror image
    assert np.abs(upper[:, ::-1] - lower).mean() < 6 < np.abs(upper - lower).mean()
    (row,) = nearest_strips([item("lost", flipped)], reference(clips), read, tmp_path)
    assert (tmp_path / row["image"]).is_file(), "thumbnails where a clip cannot be read"


def test_other_shapes_are_not_compared(clips: dict[str, Clip], tmp_path: Path) -> None:
    long = item("long", clips["train0"])
    more = np.concatenate([long.observation.features[FEATURE]] * 2)
    odd = Item("odd", Observation(NO_EVENTS, Boxes.empty(), features={FEATURE: more}))
    assert nearest_strips([odd], reference(clips), None, tmp_path) == []
    assert not (tmp_path / "nearest").exists()


def test_strips_take_frames_of_any_size() -> None:
    image = strip(np.zeros((3, 36, 64, 3), np.uint8), np.zeros((2, 300, 200, 3), np.uint8))
    assert image.shape == (72 + 4 + 192, 3 * 128 + 2 * 4, 3)
