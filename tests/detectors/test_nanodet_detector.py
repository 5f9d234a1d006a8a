"""The NanoDet detector on clips: whose boxes, where they lie, and which detector is the default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from savg.annotation import Boxes
from savg.cli import build_parser
from savg.cli.observing import load_detectors
from savg.clip import Clip
from savg.detectors import DETECTORS, default_detector, detector_of, detectors, person_detector
from savg.detectors.nanodet import NanodetDetector, prepare
from savg.detectors.persons import PublishedYoloxDetector, YoloxDetector
from savg.errors import CheckpointError, SavgError
from savg.evaluation.observe import Detectors
from savg.format import ClipFormat
from savg.hub import Card, save_component
from savg.hub.imported import NETWORKS_VARIABLE
from savg.media.clip_reader import MAX_SECONDS
from savg.models.nanodet import CONFIGS, Nanodet, normalise
from savg.models.nanodet_boxes import decode
from savg.models.yolox import CONFIGS as YOLOX
from savg.models.yolox import Yolox
from tests.videos import tiny_weights

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


@pytest.fixture(scope="module")
def bundled() -> NanodetDetector:
    return NanodetDetector.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip.read(EXAMPLES / "joint_seed0_0.mp4", max_seconds=MAX_SECONDS)


def shortened(clip: Clip, frames: int) -> Clip:
    format = ClipFormat(frames=frames)
    return Clip(clip.video[:frames], clip.audio[:, : format.samples], format)


def test_the_place_of_a_box_is_undone(bundled: NanodetDetector) -> None:
    """A wide frame lies in the middle of the input: pixels of its corners come back."""
    format = ClipFormat()
    video = np.zeros((1, 256, 256, 3), np.uint8)
    video[:, 100:120, 40:80] = (250, 0, 0)
    images, placement = prepare(video, format, bundled.model.config)
    assert images.shape == (1, 3, 256, 416) and images.dtype == np.uint8
    box = placement.to_input(np.array([[40.0, 100, 80, 120]]))
    x0, y0, x1, y1 = box[0].round().astype(int)
    assert (x0, y0, x1, y1) == (65, 82, 130, 115)  # 1.625 · 40, 11 + 1.625 · (100 − 56) …
    red = images[0, 2] > 200  # BGR
    ys, xs = np.nonzero(red)
    assert abs(xs.min() - x0) <= 1 and abs(xs.max() + 1 - x1) <= 1
    assert abs(ys.min() - y0) <= 1 and abs(ys.max() + 1 - y1) <= 1
    np.testing.assert_allclose(placement.to_frame(box), [[40, 100, 80, 120]])


@torch.inference_mode()
def test_boxes_are_those_of_the_network(bundled: NanodetDetector, clip: Clip) -> None:
    """The best box of a frame is the one of the best location, decoded in full, at its place."""
    short = shortened(clip, 2)
    boxes = bundled(short)
    assert len(boxes) and set(boxes.categories) == {0} and boxes.scores is not None
    images, placement = prepare(short.video, short.format, bundled.model.config)
    everywhere, scores = decode(bundled.model(normalise(torch.from_numpy(images))))
    for frame in np.unique(boxes.frames):
        best = int(scores[frame, :, 0].argmax())
        first = np.flatnonzero(boxes.frames == frame)[0]
        expected = placement.to_frame(everywhere[frame, best][None].numpy())
        np.testing.assert_allclose(boxes.xyxy[first], expected[0], atol=0.05)
        np.testing.assert_allclose(boxes.scores[first], scores[frame, best, 0], atol=1e-4)
        assert (boxes.scores[boxes.frames == frame] > bundled.score_threshold).all()


def test_batches_of_any_size_and_clips_together_give_the_same_boxes(
    bundled: NanodetDetector, clip: Clip
) -> None:
    clips = [shortened(clip, 3), shortened(clip, 2)]
    together = bundled.many(clips)
    single = NanodetDetector(bundled.model, batch_size=2)
    for one, expected in zip(clips, together, strict=True):
        boxes = single(one)
        np.testing.assert_array_equal(boxes.frames, expected.frames)
        np.testing.assert_allclose(boxes.xyxy, expected.xyxy, atol=0.02)
    assert bundled.many([]) == []


def test_other_objects_leave_persons_as_they_are(bundled: NanodetDetector, clip: Clip) -> None:
    short = shortened(clip, 2)
    both = NanodetDetector(bundled.model, 0.1, categories=(0, 56))
    alone = NanodetDetector(bundled.model, 0.1)(short)
    boxes = both(short)
    assert both.known == (0, 56)
    persons = boxes.select(boxes.categories == 0)
    np.testing.assert_allclose(persons.xyxy, alone.xyxy, atol=1e-4)
    assert both.provenance["categories"] == [0, 56]
    with pytest.raises(SavgError, match=r"must be in 0…79, got 99"):
        NanodetDetector(bundled.model, categories=(99,))


def test_what_the_boxes_depend_on(bundled: NanodetDetector) -> None:
    facts = bundled.provenance
    assert facts["detector"] == "NanoDet-g" and len(facts["sha256"]) == 64
    assert facts["input"] == "the picture's rows within 416×256"
    assert facts["score_threshold"] == DETECTORS["nanodet"].threshold == 0.22


def test_a_component_or_a_folder_of_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    card = Card("MIT", "a test")
    save_component(Nanodet(CONFIGS["test"]), tmp_path / "w" / "nanodet", "nanodet", card)
    for source in (tmp_path / "w", tmp_path / "w" / "nanodet"):
        assert NanodetDetector.from_pretrained(source).model.config == CONFIGS["test"]
        assert detector_of(source) == "nanodet"
    save_component(Nanodet(CONFIGS["test"]), tmp_path / "p" / "finder", "nanodet", card)
    (tmp_path / "p" / "pipeline.json").write_text('{"pipeline": "pan", "persons": "finder"}')
    assert type(person_detector(None, tmp_path / "p")) is NanodetDetector
    save_component(Yolox(YOLOX["test"]), tmp_path / "yolox", "yolox", card)
    with pytest.raises(CheckpointError, match="'nanodet', found 'yolox'"):
        NanodetDetector.from_pretrained(tmp_path / "yolox")


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path / "networks"))
    return tmp_path / "networks"


def test_the_default_is_the_published_yolox_once_it_is_imported(networks: Path) -> None:
    assert list(detectors("persons"))[:3] == ["yolox-tiny", "nanodet", "yolox"]
    assert default_detector("persons") == detector_of("demo") == "nanodet"
    with pytest.raises(
        SavgError, match=r"is not in .*networks: bring yolox_tiny_8x8.*weights import"
    ):
        person_detector("yolox-tiny")
    save_component(Yolox(YOLOX["test"]), networks / "yolox", "yolox", Card("MIT", "a test"))
    assert default_detector("persons") == detector_of("demo") == "yolox-tiny"
    published = person_detector()
    assert isinstance(published, PublishedYoloxDetector)
    assert published.model.config == YOLOX["test"]
    assert type(person_detector("yolox")) is YoloxDetector


def test_weights_of_a_pipeline_keep_their_own_detector(tmp_path: Path, networks: Path) -> None:
    weights = tiny_weights(tmp_path / "w")
    assert detector_of(weights) == detector_of(str(weights / "yolox")) == "yolox"
    assert type(person_detector(None, weights)) is YoloxDetector
    with pytest.raises(SavgError, match="expected 'demo', a folder"):
        detector_of(tmp_path / "none")


def test_clips_of_the_bundled_pipelines_are_measured_by_yolox(networks: Path) -> None:
    save_component(Yolox(YOLOX["test"]), networks / "yolox", "yolox", Card("MIT", "a test"))
    assert Detectors.load().names["persons"] == "yolox: demo"
    other = Detectors.load(person="nanodet", candidates=True)
    assert other.names["persons"] == "nanodet: demo" and other.threshold == 0.22


def test_nothing_is_found_in_black_frames(bundled: NanodetDetector) -> None:
    format = ClipFormat(frames=2)
    black = np.zeros((2, 256, 256, 3), np.uint8)
    clip = Clip(black, np.zeros((2, format.samples), np.float32), format)
    boxes = bundled(clip)
    assert isinstance(boxes, Boxes) and len(boxes) == 0


@pytest.mark.parametrize(
    ("command", "imported", "expected"),
    [
        (["annotate", "v", "--out", "o"], False, "nanodet"),
        (["annotate", "v", "--out", "o"], True, "yolox-tiny"),
        (["annotate", "v", "--out", "o", "--detector", "yolox"], True, "yolox"),
        (["annotate", "v", "--out", "o", "--weights", "WEIGHTS"], True, "yolox"),
        (["evaluate", "v"], False, "nanodet"),
        (["evaluate", "v"], True, "yolox-tiny"),
        (["evaluate", "v", "--detector", "nanodet"], True, "nanodet"),
        (["evaluate", "v", "--mode", "official"], True, "yolox-tiny"),
        (["evaluate", "v", "--mode", "official"], False, "nanodet"),
        (["evaluate", "v", "--mode", "official", "--weights", "WEIGHTS"], True, "yolox"),
    ],
)
def test_whose_boxes_a_command_takes(
    command: list[str],
    imported: bool,
    expected: str,
    tmp_path: Path,
    networks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if imported:
        save_component(Yolox(YOLOX["test"]), networks / "yolox", "yolox", Card("MIT", "a test"))
    weights = str(tiny_weights(tmp_path / "w"))
    names: list[str] = []
    monkeypatch.setattr(Detectors, "load", lambda weights, person, *rest: names.append(person))
    args = build_parser().parse_args([weights if c == "WEIGHTS" else c for c in command])
    load_detectors(args)
    assert names == [expected]
