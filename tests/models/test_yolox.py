"""YOLOX against mmdet's outputs (golden cases), and its decoding and NMS against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.yolox import (
    CONFIGS,
    Level,
    Yolox,
    YoloxConfig,
    decode,
    from_published,
    letterbox,
    non_maximum_suppression,
    rename,
)
from savg.models.yolox_boxes import detections
from tests.goldens import case, find


def official(golden_case, folder, layout="mmdet"):
    """The network loaded from a file laid out as its authors publish it."""
    state = golden_case.state
    if layout == "megvii":
        names = case("yolox_tiny_raw").meta["megvii_key_of_mmdet_key"]
        content = {"model": {names[key]: value for key, value in state.items()}, "start_epoch": 3}
    else:
        content = {"state_dict": state, "meta": {"CLASSES": ("person",)}}
    path = folder / f"{layout}.pth"
    torch.save(content, path)
    return load_official("yolox", path, golden_case.meta["constructor"])


def close(outputs, golden_case, name):
    spec = golden_case.meta["outputs"][name]
    values = outputs.reshape(-1)[:: spec["flat_stride"]].numpy()
    expected = golden_case[f"out__{name}"].reshape(-1)
    np.testing.assert_allclose(
        values, expected, rtol=spec["suggested_rtol"], atol=spec["suggested_atol"], err_msg=name
    )


@pytest.mark.parametrize("layout", ["mmdet", "megvii"])
@torch.no_grad()
def test_raw_predictions_equal_the_published_network(tmp_path, layout):
    golden_case = case("yolox_tiny_raw")
    model = official(golden_case, tmp_path, layout)
    assert sum(p.numel() for p in model.parameters()) == golden_case.meta["n_parameters"]
    assert list(model.state_dict()) == [key for key, _ in golden_case.meta["state_dict"]]
    image = (golden_case.input("image") + 110).clamp(0, 255)

    close(model.backbone.stem(image), golden_case, "stem")
    features = model.backbone(image)
    necks = model.neck(features)
    for stride, feature, neck, level in zip(
        (8, 16, 32), features, necks, model(image), strict=True
    ):
        close(feature, golden_case, f"backbone_s{stride}")
        close(neck, golden_case, f"neck_s{stride}")
        close(level.classes, golden_case, f"cls_score_s{stride}")
        close(level.box, golden_case, f"bbox_pred_s{stride}")
        close(level.objectness, golden_case, f"objectness_s{stride}")


@pytest.mark.skipif(find("yolox_tiny_detect") is None, reason="its image is not in the project")
@torch.no_grad()
def test_detections_equal_the_published_detector(tmp_path):
    golden_case = case("yolox_tiny_detect")
    model = official(golden_case, tmp_path)
    image = golden_case["in__picture_bgr"]
    padded, scale = letterbox(image[None], (416, 416))
    np.testing.assert_array_equal(padded.transpose(0, 3, 1, 2), golden_case["out__preprocessed"])
    assert scale == tuple(golden_case.meta["metainfo"]["scale_factor"])

    raw = model(torch.from_numpy(padded).permute(0, 3, 1, 2).float())
    candidates = decode(raw)
    enough = candidates.scores[0] >= 0.01
    assert int(enough.sum()) == golden_case.meta["n_candidates"]
    close(candidates.scores[0][enough], golden_case, "candidates_scores")
    close(
        candidates.boxes[0][enough] / torch.tensor([*scale, *scale]),
        golden_case,
        "candidates_bboxes",
    )
    labels = golden_case["out__candidates_labels"]
    np.testing.assert_array_equal(candidates.labels[0][enough].numpy(), labels)

    (result,) = detections(candidates, 0.01, 0.65, scale)
    close(result.scores, golden_case, "scores")
    order = np.lexsort(result.boxes.numpy().T)
    expected = np.lexsort(golden_case["out__bboxes"].T)
    np.testing.assert_allclose(
        result.boxes.numpy()[order], golden_case["out__bboxes"][expected], atol=0.02, rtol=1e-4
    )
    np.testing.assert_array_equal(
        result.labels.numpy()[order], golden_case["out__labels"][expected]
    )


def test_rename_knows_every_megvii_name():
    names = case("yolox_tiny_raw").meta["megvii_key_of_mmdet_key"]
    value = torch.zeros(1)
    renamed = rename({megvii: value for megvii in names.values()})
    assert list(renamed) == list(names)
    assert list(rename({**dict.fromkeys(names, value), "ema_x": value})) == list(names)


def test_a_wrong_file_is_named(tmp_path):
    torch.save({"state_dict": {"backbone.stem.conv.conv.weight": torch.zeros(1)}}, tmp_path / "x")
    with pytest.raises(CheckpointError, match=r"yolox.*missing.*misshapen"):
        load_official("yolox", tmp_path / "x")
    with pytest.raises(CheckpointError, match="neck_in"):
        torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "y")
        load_official("yolox", tmp_path / "y", {"neck_in": [1, 2, 3]})


def test_published_arguments_and_configurations():
    constructor = case("yolox_tiny_raw").meta["constructor"]
    assert from_published(constructor) == from_published(None) == CONFIGS["full"]
    with pytest.raises(ValueError, match="act"):
        from_published({**constructor, "act": "ReLU"})
    with pytest.raises(ValueError, match="multiples of 32"):
        YoloxConfig(input_size=(100, 416))
    with pytest.raises(ValueError, match="num_classes"):
        YoloxConfig(num_classes=0)
    parameters = sum(p.numel() for p in Yolox(CONFIGS["demo"]).parameters())
    assert 1_000_000 < parameters < 1_300_000


def test_component_round_trip(tmp_path):
    model = Yolox(CONFIGS["test"]).eval()
    save_component(model, tmp_path / "yolox", "yolox", Card("MIT", "test"))
    loaded, _ = load_component(tmp_path / "yolox", "yolox")
    image = torch.rand(2, 3, 64, 64) * 255
    assert loaded.config == model.config
    with torch.no_grad():
        for a, b in zip(model(image), loaded(image), strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@torch.no_grad()
def test_memory_layout_and_bfloat16_give_the_same_boxes():
    model = Yolox(CONFIGS["test"]).eval()
    image = torch.rand(2, 3, 64, 64) * 255
    plain = decode(model(image))
    last = decode(model.to(memory_format=torch.channels_last)(image))
    torch.testing.assert_close(last.boxes, plain.boxes, atol=1e-4, rtol=1e-4)
    half = decode(model.bfloat16()(image.bfloat16()))
    assert half.boxes.dtype == torch.float32
    torch.testing.assert_close(half.boxes, plain.boxes, atol=1.0, rtol=0.05)


@torch.no_grad()
def test_an_untrained_network_finds_little():
    candidates = decode(Yolox(CONFIGS["test"]).eval()(torch.rand(1, 3, 64, 64) * 255))
    assert candidates.scores.shape == (1, 64 + 16 + 4)
    assert float(candidates.scores.max()) < 0.01


def test_input_shape_is_checked():
    with pytest.raises(ValueError, match="multiples of 32"):
        Yolox(CONFIGS["test"])(torch.zeros(1, 3, 40, 64))


def test_decode_is_the_formula_cell_by_cell():
    generator = torch.Generator().manual_seed(1)
    raw = [
        Level(*(torch.randn(2, c, h, w, generator=generator) for c in (3, 4, 1)))
        for h, w in ((4, 8), (2, 4), (1, 2))
    ]
    candidates = decode(raw)
    index = 0
    for level, stride in zip(raw, (8, 16, 32), strict=True):
        _, _, height, width = level.objectness.shape
        for y in range(height):
            for x in range(width):
                dx, dy, lw, lh = (float(v) for v in level.box[1, :, y, x])
                cx, cy = (x + dx) * stride, (y + dy) * stride
                w, h = math.exp(lw) * stride, math.exp(lh) * stride
                expected = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                assert candidates.boxes[1, index].tolist() == pytest.approx(expected, abs=1e-3)
                logits = level.classes[1, :, y, x].tolist()
                score = 1 / (1 + math.exp(-max(logits)))
                score *= 1 / (1 + math.exp(-float(level.objectness[1, 0, y, x])))
                assert float(candidates.scores[1, index]) == pytest.approx(score, rel=1e-5)
                assert int(candidates.labels[1, index]) == logits.index(max(logits))
                index += 1
    assert index == candidates.scores.shape[1]


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def test_suppression_is_greedy_within_a_label():
    rng = np.random.default_rng(2)
    start = rng.uniform(0, 40, (60, 2))
    boxes = np.concatenate([start, start + rng.uniform(10, 40, (60, 2))], axis=1)
    scores, labels = rng.permutation(60) / 60, rng.integers(0, 2, 60)
    indices: list[int] = []
    for i in np.argsort(-scores):
        rivals = [j for j in indices if labels[j] == labels[i]]
        if all(iou(boxes[i], boxes[j]) <= 0.3 for j in rivals):
            indices.append(int(i))
    result = non_maximum_suppression(*map(torch.from_numpy, (boxes, scores, labels)), 0.3)
    assert result.tolist() == indices


@pytest.mark.parametrize("count", [0, 1, 300, 1_200])  # the last beyond what is done at once
def test_suppression_is_torchvisions(count):
    generator = torch.Generator().manual_seed(count)
    start = 300 * torch.rand(count, 2, generator=generator)
    boxes = torch.cat((start, start + 80 * torch.rand(count, 2, generator=generator)), dim=1)
    scores = torch.rand(count, generator=generator)
    labels = torch.randint(0, 3, (count,), generator=generator)
    kept = non_maximum_suppression(boxes, scores, labels, 0.4)
    from torchvision.ops import batched_nms  # imported later, it finds its operations there

    assert kept.dtype == torch.int64 and torch.equal(kept, batched_nms(boxes, scores, labels, 0.4))
    assert len(kept) < count or count < 2


def test_letterbox_keeps_the_ratio_and_pads_below_or_right():
    image = np.zeros((2, 144, 256, 3), np.uint8)
    image[1] = 200
    padded, scale = letterbox(image, (160, 256))
    assert padded.shape == (2, 160, 256, 3) and scale == (1.0, 1.0)
    assert (padded[:, :144] == image).all() and (padded[:, 144:] == 114).all()
    tall, scale = letterbox(np.full((1, 100, 30, 3), 7, np.uint8), (64, 64))
    assert scale == (19 / 30, 0.64)
    assert (tall[:, :, :19] == 7).all() and (tall[:, :, 19:] == 114).all()
    with pytest.raises(ValueError, match="uint8"):
        letterbox(image.astype(np.float32), (160, 256))
