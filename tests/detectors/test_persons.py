"""The person detector: placement of boxes, thresholds, and batches."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from savg.clip import Clip
from savg.detectors import person_detector
from savg.detectors.persons import Placement, YoloxDetector, detect_persons, prepare
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.hub import Card, save_component
from savg.json_files import read_object
from savg.models.yolox import CONFIGS, Level, Yolox, YoloxConfig
from savg.paths import assets_dir

FULL_FRAME = YoloxConfig(
    num_classes=3, widen_factor=0.125, neck_out=16, feat_channels=16, input_size=(416, 416)
)


class Oracle(torch.nn.Module):
    """A stand-in network that finds a person wherever the input is bright red (BGR channel 2).

    The box has the location's cell as its centre and a width and height of two cells.
    """

    def __init__(self, config, label=0):
        super().__init__()
        self.config, self.label = config, label
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        levels = []
        for stride in (8, 16, 32):
            red = torch.nn.functional.avg_pool2d(images[:, 2:] - images[:, :1], stride)
            logits = torch.full((len(images), self.config.num_classes, *red.shape[2:]), -9.0)
            logits[:, self.label] = 9.0
            box = torch.full((len(images), 4, *red.shape[2:]), 0.5)
            box[:, 2:] = np.log(2.0)
            sure = 9.0 if stride == 8 else -9.0
            levels.append(Level(logits, box, torch.where(red > 200, sure, -9.0)))
        return tuple(levels)


def clip_with_red(column, row, format=None):
    """20 frames with one red 8×8 square; it moves right by 8 pixels in frame 10."""
    format = format or ClipFormat()
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    video[:10, row : row + 8, column : column + 8, 0] = 255
    video[10:, row : row + 8, column + 8 : column + 16, 0] = 255
    return Clip(video, np.zeros((2, format.samples), np.float32), format)


def test_boxes_are_in_pixels_of_the_frame():
    clip = clip_with_red(64, 56 + 80)
    boxes = YoloxDetector(Oracle(CONFIGS["demo"]), batch_size=7)(clip)
    assert boxes.frames.tolist() == list(range(20)) and set(boxes.categories) == {0}
    np.testing.assert_allclose(boxes.xyxy[:10], [[60, 132, 76, 148]] * 10, atol=1e-4)
    np.testing.assert_allclose(boxes.xyxy[10:], [[68, 132, 84, 148]] * 10, atol=1e-4)
    assert (boxes.scores > 0.99).all()


def test_whole_frames_and_other_sizes_give_the_same_pixels():
    config = YoloxConfig(input_size=(256, 256))
    boxes = detect_persons(Oracle(config), clip_with_red(64, 136).video)
    np.testing.assert_allclose(boxes.xyxy[0], [60, 132, 76, 148], atol=1e-4)
    small = clip_with_red(16, 32, ClipFormat().with_size(64))
    boxes = detect_persons(Oracle(YoloxConfig(input_size=(64, 64))), small.video, small.format)
    np.testing.assert_allclose(boxes.xyxy[0], [48, 112, 112, 176], atol=1e-4)


def test_only_persons_count():
    clip = clip_with_red(64, 136)
    config = YoloxConfig(num_classes=3, input_size=(256, 256))
    assert len(YoloxDetector(Oracle(config, label=1))(clip)) == 0
    assert len(YoloxDetector(Oracle(config, label=0))(clip)) == 20
    assert len(YoloxDetector(Oracle(config, label=0), score_threshold=1.0)(clip)) == 0


def test_other_categories_are_found_where_they_are_asked_for():
    clip = clip_with_red(64, 136)
    config = YoloxConfig(num_classes=3, input_size=(256, 256))
    found = YoloxDetector(Oracle(config, label=2), categories=(0, 2, 62))(clip)
    assert set(found.categories) == {2} and len(found) == 20
    persons = YoloxDetector(Oracle(config, label=0), categories=(0, 2))(clip)
    alone = YoloxDetector(Oracle(config, label=0))(clip)
    np.testing.assert_array_equal(persons.xyxy, alone.xyxy)
    np.testing.assert_array_equal(persons.scores, alone.scores)
    with pytest.raises(SavgError, match=r"one that the detector knows, 0…0, got 16, 62"):
        YoloxDetector(Oracle(CONFIGS["demo"]), categories=(16, 62))
    with pytest.raises(SavgError, match=r"A category must be in 0…79, got 80"):
        person_detector("yolox", "demo", categories=(0, 80))


def test_objects_do_not_suppress_each_other():
    """Boxes of a category are the same whatever else is asked for."""
    torch.manual_seed(3)
    config = YoloxConfig(
        num_classes=80, widen_factor=0.125, neck_out=16, feat_channels=16, input_size=(64, 64)
    )
    model = Yolox(config)
    with torch.no_grad():
        for conv in (*model.bbox_head.multi_level_conv_obj, *model.bbox_head.multi_level_conv_cls):
            conv.weight.normal_(0, 3)
            conv.bias.fill_(1.0)
    video = np.random.default_rng(1).integers(0, 255, (3, 256, 256, 3), np.uint8)
    clip = Clip(video, np.zeros((2, 12_000), np.float32), ClipFormat(frames=3))
    everything = YoloxDetector(model, categories=range(80))(clip)
    most = int(np.bincount(everything.categories).argmax())
    one = YoloxDetector(model, categories=(most,))(clip)
    assert len(set(everything.categories.tolist())) > 3 and len(one) > 0
    rows = everything.categories == most
    np.testing.assert_array_equal(everything.xyxy[rows], one.xyxy)


def test_no_frames_no_boxes():
    assert len(detect_persons(Oracle(FULL_FRAME), np.zeros((0, 256, 256, 3), np.uint8))) == 0


def test_input_is_bgr_of_the_right_rows():
    rng = np.random.default_rng(0)
    video = rng.integers(0, 255, (2, 256, 256, 3), np.uint8)
    images, placement = prepare(video, ClipFormat(), CONFIGS["demo"])
    assert images.shape == (2, 3, 160, 256) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 0, :144], video[:, 56:200, :, 2])
    np.testing.assert_array_equal(images[:, 2, :144], video[:, 56:200, :, 0])
    assert placement == Placement((1.0, 1.0), 56)
    images, placement = prepare(video, ClipFormat(), FULL_FRAME)
    assert images.shape == (2, 3, 416, 416) and placement == Placement((1.625, 1.625), 0)


def test_placement_goes_there_and_back():
    placement = Placement((2.0, 3.0), 10)
    frame = np.array([[1.0, 12.0, 5.0, 20.0]])
    assert placement.to_input(frame).tolist() == [[2.0, 6.0, 10.0, 30.0]]
    np.testing.assert_allclose(placement.to_frame(placement.to_input(frame)), frame)


def test_batches_do_not_change_the_boxes(tmp_path):
    torch.manual_seed(0)
    model = Yolox(FULL_FRAME)
    with torch.no_grad():
        for conv in model.bbox_head.multi_level_conv_obj:
            conv.bias.fill_(2.0)
        for conv in model.bbox_head.multi_level_conv_cls:
            conv.bias[0] = 2.0
    save_component(model, tmp_path / "yolox", "yolox", Card("MIT", "random"))
    (tmp_path / "pipeline.json").write_text('{"pipeline": "x", "persons": "yolox"}')
    video = np.random.default_rng(1).integers(0, 255, (4, 256, 256, 3), np.uint8)
    clip = Clip(video, np.zeros((2, 16_000), np.float32), ClipFormat(frames=4))
    detector = YoloxDetector.from_pretrained(tmp_path, device="cpu")
    by_name = person_detector("yolox", tmp_path / "yolox", device="cpu")
    by_name.batch_size = 1
    together, alone = detector(clip), by_name(clip)
    assert len(together) > 4 and set(together.frames) == {0, 1, 2, 3}
    np.testing.assert_array_equal(together.frames, alone.frames)
    np.testing.assert_allclose(together.xyxy, alone.xyxy, atol=1e-3)
    mine = together.frames == 2
    assert (np.diff(together.scores[mine]) <= 0).all()


def test_a_missing_source_is_one_sentence(tmp_path):
    with pytest.raises(SavgError, match="nowhere"):
        YoloxDetector.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(SavgError, match="persons"):
        (tmp_path / "pipeline.json").write_text("{}")
        YoloxDetector.from_pretrained(tmp_path)


def test_mmdet_asks_to_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "mmcv", None)
    with pytest.raises(SavgError, match=r"needs mmdet.*savg-studio\[mmdet\]"):
        person_detector("mmdet", "demo")


def test_a_published_file_is_a_source(tmp_path):
    state = Yolox(YoloxConfig()).state_dict()
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "tiny.pth")
    detector = YoloxDetector.from_pretrained(tmp_path / "tiny.pth", device="cpu")
    assert detector.model.config == CONFIGS["full"]
    everything = YoloxDetector.from_pretrained(tmp_path / "tiny.pth", categories=range(80))
    assert everything.known == tuple(range(80)) and detector.known == (0,)
    for key, value in detector.model.state_dict().items():
        assert torch.equal(value, state[key])


def test_several_clips_share_batches_and_get_their_own_boxes():
    formats = (ClipFormat(frames=3), ClipFormat(frames=17), ClipFormat(frames=11).with_size(128))
    clips = [clip_with_red(24 + 16 * n, 64, format) for n, format in enumerate(formats)]
    model, seen = Oracle(CONFIGS["demo"]), []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    detector = YoloxDetector(model, batch_size=7)
    together = detector.many(clips)
    assert seen == [7, 7, 7, 7, 3]
    for clip, boxes in zip(clips, together, strict=True):
        alone = detector(clip)
        assert set(boxes.frames) == set(range(clip.format.frames))
        for column in ("frames", "categories", "xyxy", "scores"):
            np.testing.assert_array_equal(getattr(boxes, column), getattr(alone, column))
    assert detector.many([]) == []


def test_provenance_tells_weights_and_settings():
    bundled = person_detector("yolox", "demo").provenance
    card = read_object(assets_dir() / "demo" / "yolox" / "config.json")["card"]
    assert bundled["sha256"] == card["sha256"]
    assert bundled["precision"] == "float32 on cpu" and bundled["score_threshold"] == 0.3
    one, other = (YoloxDetector(Yolox(FULL_FRAME), t).provenance for t in (0.3, 0.01))
    assert one["sha256"] != other["sha256"] and len(one["sha256"]) == 64
    assert other["score_threshold"] == 0.01
