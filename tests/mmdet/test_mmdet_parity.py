"""Our detector and AP50 beside mmdet and pycocotools; run by `make test-mmdet`."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from savg.annotation import Boxes
from savg.clip import Clip
from savg.detectors import person_detector
from savg.format import ClipFormat
from savg.hub import Card, save_component
from savg.metrics.person_detection import person_ap50
from savg.models.yolox import CONFIGS, Yolox
from savg.models.yolox_loss import yolox_loss
from tests.goldens import case, find

pytestmark = pytest.mark.mmdet


def some_clip(seed=0, frames=6):
    """Blocks and noise, so that the network has something to say."""
    rng = np.random.default_rng(seed)
    format = ClipFormat(frames=frames)
    video = np.zeros((frames, 256, 256, 3), np.uint8)
    picture = rng.integers(0, 256, (frames, 18, 32, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    video[:, format.top : format.bottom] = picture // 2 + rng.integers(
        0, 128, picture.shape, np.uint8
    )
    return Clip(video, np.zeros((2, format.samples), np.float32), format)


def talkative(config, seed=0):
    """A random network with measured normalisation that finds many persons, at unequal scores."""
    torch.manual_seed(seed)
    model = Yolox(config)
    with torch.no_grad():
        model.train()(torch.rand(4, 3, *config.input_size) * 255)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
        head = model.bbox_head
        for objectness, classes in zip(
            head.multi_level_conv_obj, head.multi_level_conv_cls, strict=True
        ):
            objectness.weight.mul_(20)
            objectness.bias.fill_(1.0)
            classes.weight.mul_(10)
            classes.bias.fill_(0.0)
            classes.bias[0] = 2.0
    return model.eval()


def assert_same(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for frame in np.unique(np.concatenate([ours.frames, theirs.frames])):
        a, b = (t.select(t.frames == frame) for t in (ours, theirs))
        assert len(a) == len(b)
        twin = np.abs(a.xyxy[:, None] - b.xyxy[None]).max(axis=2).argmin(axis=1)
        assert sorted(twin) == list(range(len(b)))
        np.testing.assert_allclose(a.xyxy, b.xyxy[twin], atol=0.02, rtol=1e-4)
        np.testing.assert_allclose(a.scores, b.scores[twin], atol=2e-4)


@pytest.mark.parametrize(
    "config",
    [
        CONFIGS["demo"],
        CONFIGS["full"],
        replace(CONFIGS["demo"], num_classes=3, picture_only=False, input_size=(256, 256)),
    ],
    ids=["demo", "published", "three classes"],
)
def test_same_weights_same_boxes(config, tmp_path):
    save_component(talkative(config), tmp_path / "yolox", "yolox", Card("MIT", "random"))
    clip = some_clip()
    ours = person_detector("yolox", tmp_path / "yolox", device="cpu")(clip)
    theirs = person_detector("mmdet", tmp_path / "yolox", device="cpu")(clip)
    assert_same(ours, theirs)


@pytest.mark.skipif(find("yolox_tiny_raw") is None, reason="golden cases are elsewhere")
def test_a_published_file_gives_the_same_boxes(tmp_path):
    state = {key: value.clone() for key, value in case("yolox_tiny_raw").state.items()}
    for level, (weight, bias) in enumerate(((2.0, -10.6), (16.0, -9.6), (32.0, -15.0))):
        state[f"bbox_head.multi_level_conv_obj.{level}.weight"] *= weight
        state[f"bbox_head.multi_level_conv_obj.{level}.bias"] += bias + 6
        state[f"bbox_head.multi_level_conv_cls.{level}.bias"][0] += 9
        state[f"bbox_head.multi_level_conv_reg.{level}.bias"] += 1.9
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "tiny.pth")
    ours = person_detector("yolox", tmp_path / "tiny.pth", device="cpu")(some_clip())
    theirs = person_detector("mmdet", tmp_path / "tiny.pth", device="cpu")(some_clip())
    assert_same(ours, theirs)


@pytest.mark.parametrize("seed", range(3))
def test_losses_equal_mmdet(seed):
    from mmengine.structures import InstanceData

    from savg.detectors.mmdet_persons import _import_mmdet, model_config

    build, _ = _import_mmdet()
    config = replace(CONFIGS["test"], num_classes=2)
    settings = model_config(config)
    settings["train_cfg"] = {"assigner": {"type": "SimOTAAssigner", "center_radius": 2.5}}
    head = build(settings).bbox_head
    head.use_l1 = True
    generator = torch.Generator().manual_seed(seed)
    raw = Yolox(config).eval()(torch.rand(3, 3, 64, 96, generator=generator) * 255)
    raw = tuple(level._replace(box=level.box + 0.7) for level in raw)
    boxes = []
    for count in (3, 1, 0):
        start = torch.rand(count, 2, generator=generator) * 40
        boxes.append(
            torch.cat((start, start + 5 + 30 * torch.rand(count, 2, generator=generator)), 1)
        )
    labels = [torch.arange(len(b)) % 2 for b in boxes]
    truth = [InstanceData(bboxes=b, labels=label) for b, label in zip(boxes, labels, strict=True)]
    facts = [{"img_shape": (64, 96), "batch_input_shape": (64, 96)}] * 3
    theirs = head.loss_by_feat(*(list(part) for part in zip(*raw, strict=True)), truth, facts)
    ours = yolox_loss(raw, boxes, labels, l1=True)
    for a, b in (
        (ours.classes, "loss_cls"),
        (ours.box, "loss_bbox"),
        (ours.objectness, "loss_obj"),
        (ours.l1, "loss_l1"),
    ):
        torch.testing.assert_close(a, theirs[b], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_ap50_equals_pycocotools(seed):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(seed)
    found, truth, annotations, results = [], [], [], []
    for clip in range(4):
        frames = rng.integers(0, 5, 12)
        start = rng.uniform(0, 200, (12, 2))
        real = np.concatenate([start, start + rng.uniform(20, 60, (12, 2))], axis=1)
        guess = np.concatenate([real + rng.normal(0, 5, real.shape), np.roll(real, 1, axis=0)])
        truth.append(Boxes(frames, np.zeros(12), real))
        found.append(Boxes(np.tile(frames, 2), np.zeros(24), guess, rng.random(24)))
        for f, b in zip(frames, real, strict=True):
            size = (b[2:] - b[:2]).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": int(clip * 10 + f),
                    "category_id": 1,
                    "bbox": [*b[:2].tolist(), *size],
                    "area": size[0] * size[1],
                    "iscrowd": 0,
                }
            )
        for f, b, s in zip(found[-1].frames, guess, found[-1].scores, strict=True):
            box = [*b[:2].tolist(), *(b[2:] - b[:2]).tolist()]
            results.append(
                {"image_id": int(clip * 10 + f), "category_id": 1, "bbox": box, "score": float(s)}
            )
    coco = COCO()
    coco.dataset = {
        "images": [{"id": clip * 10 + f} for clip in range(4) for f in range(5)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert person_ap50(found, truth) == pytest.approx(evaluation.stats[1], abs=1e-6)
