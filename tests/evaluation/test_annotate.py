"""Annotation: the JSON form that players and scripts read, and files that appear whole."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import savg.evaluation.annotate as module
from savg.annotation import Alignment, Boxes, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.annotate import MONO, NOBODY, UNINFORMATIVE, Annotation, annotate, judge
from savg.format import SAVGBENCH, ClipFormat

FORMAT = ClipFormat(frames=8)


def clip(format: ClipFormat = FORMAT) -> Clip:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, format.samples)).astype(np.float32)
    noise[1] *= 0.1
    return Clip(np.full((format.frames, format.size, format.size, 3), 60, np.uint8), noise, format)


def persons(clip: Clip) -> Boxes:
    """One person on the left in every frame, the last first."""
    n = clip.format.frames
    xyxy = np.tile([20.256, 70.0, 60.0, 190.0], (n, 1))
    return Boxes(np.arange(n)[::-1], np.zeros(n), xyxy, np.linspace(0.5, 0.9, n))


def sounds(clip: Clip) -> SoundEvents:
    """A voice on the left, an instrument on the right, and one event after the end."""
    late = round(clip.format.seconds * clip.format.label_fps)
    return SoundEvents(
        np.array([0, 5, 9, late]), np.array([0, 0, 1, 0]), np.array([50, 30, 230, 9])
    )


@pytest.fixture
def annotation() -> Annotation:
    return annotate(clip(), persons, sounds, {"persons": "by hand"})


def test_the_json_form_is_the_documented_one(annotation: Annotation) -> None:
    data = json.loads(json.dumps(annotation.to_json(), allow_nan=False))
    documented = json.loads(
        json.dumps(
            {
                "version": 1,
                "format": {
                    "frames": 8,
                    "fps": 4,
                    "seconds": 2.0,
                    "sample_rate": 16000,
                    "size": 256,
                    "picture_height": 144,
                    "top": 56,
                    "bottom": 200,
                    "label_fps": 10,
                },
                "alignment": {"tp": 2, "fn": 1, "score": 0.6667},
                "nulls": {"centre": 0.0, "swapped": 0.3333, "shuffled": None},
                "band": {"half_width": 40.0},
                "detectors": {"persons": "by hand"},
            }
        )
    )
    assert {key: data[key] for key in documented} == documented
    assert set(data) == {*documented, "boxes", "events", "distance", "warnings", "levels", "colors"}
    named = module.__doc__ or ""
    assert all(f'"{key}"' in named for key in [*data, *data["format"], *data["colors"]])


def test_rows_of_the_json_form(annotation: Annotation) -> None:
    data = annotation.to_json()
    assert data["boxes"][0] == {
        "frame": 0,
        "category": 0,
        "x0": 20.26,
        "y0": 70.0,
        "x1": 60.0,
        "y1": 190.0,
        "score": 0.9,
    }
    assert [box["frame"] for box in data["boxes"]] == list(range(8))
    rows = [(e["frame"], e["label"], e["x"], e["matched"]) for e in data["events"]]
    assert rows == [
        (0, "speech", 50.0, True),
        (5, "speech", 30.0, True),
        (9, "instrument", 230.0, False),
    ]
    levels = data["levels"]
    assert levels["rate"] == 20 and len(levels["left_db"]) == len(levels["right_db"]) == 40
    difference = np.subtract(levels["left_db"], levels["right_db"])
    assert np.mean(difference) == pytest.approx(20.0, abs=0.5)


def test_the_distance_of_sound_and_person_stands_beside_the_score(annotation: Annotation) -> None:
    """The box's middle is at 40.128; a view of 100° has its edges at 50° to either side."""
    focal, middle = 128 / math.tan(math.radians(50)), 40.128
    angles = [math.degrees(math.atan((128 - x) / focal)) for x in (middle, 50, 30, 230)]
    distance = annotation.to_json()["distance"]
    assert distance["px"] == pytest.approx((9.872 + 10.128 + 189.872) / 3, abs=0.01)
    assert distance["degrees"] == pytest.approx(
        sum(abs(angle - angles[0]) for angle in angles[1:]) / 3, abs=0.01
    )
    assert distance["events"] == 3 and annotation.warnings == []


def test_what_a_score_does_not_say_is_said() -> None:
    one = clip()
    mono = Clip(one.video, np.stack([one.audio[0]] * 2), one.format)
    centre = SoundEvents(np.array([0, 3]), np.array([0, 0]), np.array([128.0, 128.0]))
    wide = Boxes(np.arange(8), np.zeros(8), np.tile([100.0, 70.0, 150.0, 190.0], (8, 1)))
    assert judge(mono, wide, centre).warnings == [MONO, UNINFORMATIVE.format(centre=1.0)]
    nobody = judge(one, Boxes.empty(), centre)
    assert nobody.warnings == [NOBODY]
    assert nobody.to_json()["distance"] == {"px": None, "degrees": None, "events": 0}


def test_nothing_detected_is_an_annotation_too() -> None:
    quiet = judge(clip(ClipFormat(frames=1)), Boxes.empty(), SoundEvents.empty())
    data = quiet.to_json()
    assert data["alignment"] == {"tp": 0, "fn": 0, "score": None}
    assert data["boxes"] == data["events"] == []
    assert set(data["nulls"].values()) == {None}


def test_a_small_clip_is_judged_in_the_pixels_of_the_tables() -> None:
    small, large = (
        judge(clip(format), persons(clip(FORMAT)), SoundEvents([0], [0], [200]))  # type: ignore[arg-type]
        for format in (FORMAT.with_size(64), FORMAT)
    )
    assert small.to_json()["nulls"] == large.to_json()["nulls"]
    assert small.nulls["swapped"] == 1.0 and small.alignment.tp == 0


def test_every_event_has_a_judgement() -> None:
    with pytest.raises(ValueError, match="must have 1 rows, one for each sound event, got 2"):
        Annotation(
            clip(),
            Boxes.empty(),
            SoundEvents([0], [0], [1.0]),  # type: ignore[arg-type]
            Alignment(np.ones(2, bool)),
        )


def test_files_hold_the_annotation(annotation: Annotation, tmp_path: Path) -> None:
    written = annotation.write(tmp_path / "new" / "folder", "a clip")
    names = ["a clip.boxes.csv", "a clip.events.csv", "a clip.overlay.mp4", "a clip.json"]
    assert [path.name for path in written] == names
    assert sorted(p.name for p in written[0].parent.iterdir()) == sorted(names)
    np.testing.assert_array_equal(Boxes.read_csv(written[0]).xyxy, annotation.boxes.xyxy)
    np.testing.assert_array_equal(SoundEvents.read_csv(written[1]).x, annotation.events.x)
    assert Clip.read(written[2], max_seconds=5).format.seconds == 2.0
    assert json.loads(written[3].read_text()) == annotation.to_json()
    paths = annotation.write(written[0].parent, "a clip", overlay=False)
    assert [path.suffix for path in paths] == [".csv", ".csv", ".json"]


def test_a_failure_leaves_the_old_files_and_nothing_new(
    annotation: Annotation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotation.write(tmp_path, "clip")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_overlay", full)
    changed = judge(clip(SAVGBENCH), Boxes.empty(), SoundEvents.empty())
    with pytest.raises(
        SavgError, match=r"clip could not be written to .*: No space left on device"
    ):
        changed.write(tmp_path, "clip")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file_is_refused(annotation: Annotation, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(SavgError, match="taken cannot hold results: File exists"):
        annotation.write(tmp_path / "taken", "clip")
