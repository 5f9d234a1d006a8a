"""YOLOX's losses against mmdet's (golden case), and SimOTA against a plain search."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from savg.models.yolox import CONFIGS, Level, Yolox
from savg.models.yolox_boxes import corners, decode, flatten, locations
from savg.models.yolox_loss import SimOta, aligned_iou, assign, pairwise_iou, yolox_loss
from tests.goldens import case

LOSSES = {"classes": "loss_cls", "box": "loss_bbox", "objectness": "loss_obj", "l1": "loss_l1"}


@pytest.fixture(scope="module")
def golden_case():
    return case("yolox_loss")


def predictions(golden_case):
    shift = torch.tensor([0.5, 0.5, 1.2, 1.2])[:, None, None]
    return [
        Level(
            (golden_case.input(f"cls_s{s}") - 2).requires_grad_(),
            (golden_case.input(f"box_s{s}") + shift).requires_grad_(),
            (golden_case.input(f"obj_s{s}") - 1).requires_grad_(),
        )
        for s in (8, 16, 32)
    ]


def objects(golden_case):
    boxes = [torch.from_numpy(golden_case[f"in__gt_bboxes_{i}"]) for i in range(3)]
    labels = [torch.from_numpy(golden_case[f"in__gt_labels_{i}"]) for i in range(3)]
    return boxes, labels


def close(value, golden_case, name):
    spec = golden_case.meta["outputs"][name]
    np.testing.assert_allclose(
        value.detach().reshape(-1)[:: spec["flat_stride"]].numpy(),
        golden_case[f"out__{name}"].reshape(-1),
        rtol=spec["suggested_rtol"],
        atol=spec["suggested_atol"],
        err_msg=name,
    )


def test_losses_and_gradients_equal_mmdet(golden_case):
    raw = predictions(golden_case)
    losses = yolox_loss(raw, *objects(golden_case), l1=True)
    for loss, published in LOSSES.items():
        close(getattr(losses, loss), golden_case, published)
    losses.total.backward()
    for stride, level in zip((8, 16, 32), raw, strict=True):
        for name, tensor in zip(("cls", "box", "obj"), level, strict=True):
            close(tensor.grad, golden_case, f"grad_{name}_s{stride}")


def test_assignment_equals_mmdet(golden_case):
    raw = [Level(*(t.detach() for t in level)) for level in predictions(golden_case)]
    logits, box, objectness = flatten(raw)
    places = locations(raw)
    probabilities = logits.sigmoid() * objectness.sigmoid()[..., None]
    for i, (truth, labels) in enumerate(zip(*objects(golden_case), strict=True)):
        assigned = assign(corners(box[i], places), probabilities[i], places, truth, labels)
        np.testing.assert_array_equal(assigned.target + 1, golden_case[f"out__assigned_gt_{i}"])
        if len(truth):
            close(assigned.iou, golden_case, f"assigned_iou_{i}")


def plain_iou(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def plain_assign(boxes, probabilities, places, truth, labels, rule):
    """SimOTA as one would say it: loops over locations and objects."""
    costs, overlaps = {}, {}
    for row, (x, y, stride) in enumerate(places):
        centre = (x + stride / 2, y + stride / 2)
        inside = [g[0] < centre[0] < g[2] and g[1] < centre[1] < g[3] for g in truth]
        square = [
            abs(centre[0] - (g[0] + g[2]) / 2) < rule.centre_radius * stride
            and abs(centre[1] - (g[1] + g[3]) / 2) < rule.centre_radius * stride
            for g in truth
        ]
        if not any(inside) and not any(square):
            continue
        for k, g in enumerate(truth):
            overlaps[row, k] = plain_iou(boxes[row], g)
            cost = -rule.iou_weight * math.log(overlaps[row, k] + 1e-8)
            for c, p in enumerate(probabilities[row]):
                cost -= math.log(math.sqrt(p) if c == labels[k] else 1 - math.sqrt(p))
            costs[row, k] = cost + (0 if inside[k] and square[k] else 1e5)
    rows = sorted({row for row, _ in costs})
    wishes: dict[int, list[int]] = {}
    for k in range(len(truth)):
        best = sorted((overlaps[row, k] for row in rows), reverse=True)[: rule.candidates]
        for row in sorted(rows, key=lambda row: costs[row, k])[: max(int(sum(best)), 1)]:
            wishes.setdefault(row, []).append(k)
    target = [-1] * len(places)
    for row, wanting in wishes.items():
        everyone = range(len(truth))
        target[row] = (
            wanting[0] if len(wanting) == 1 else min(everyone, key=lambda k: costs[row, k])
        )
    return target


@pytest.mark.parametrize("seed", range(4))
def test_assignment_equals_a_plain_search(seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((8, 8), (4, 4), (2, 2))
    raw = [
        Level(*(torch.randn(1, c, h, w, generator=generator) * 0.5 for c in (2, 4, 1)))
        for h, w in shapes
    ]
    logits, box, objectness = (t[0] for t in flatten(raw))
    places = locations(raw)
    start = torch.rand(3, 2, generator=generator) * 30
    truth = torch.cat((start, start + 8 + torch.rand(3, 2, generator=generator) * 30), dim=1)
    labels = torch.tensor([0, 1, 0])
    probabilities = logits.sigmoid() * objectness.sigmoid()[:, None]
    args = (corners(box + 0.5, places), probabilities, places, truth, labels)
    rule = SimOta()
    expected = plain_assign(*(a.double().tolist() for a in args[:4]), labels.tolist(), rule)
    assert assign(*args, rule).target.tolist() == expected
    assert any(t >= 0 for t in expected)


def test_iou_against_a_closed_form():
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[2.0, 0.0, 6.0, 4.0], [5.0, 5.0, 6.0, 6.0]])
    assert pairwise_iou(a, b).tolist() == [[pytest.approx(1 / 3), 0.0], [0.0, 0.0]]
    assert aligned_iou(a, a).tolist() == [1.0, 1.0]


def test_one_class_images_without_objects_and_l1():
    model = Yolox(CONFIGS["test"]).train()
    raw = model(torch.rand(2, 3, 64, 64) * 255)
    nothing = yolox_loss(raw, [torch.zeros(0, 4)] * 2)
    assert nothing.positives == 0 and nothing.box.item() == nothing.l1.item() == 0
    nothing.total.backward(retain_graph=True)
    one = yolox_loss(raw, [torch.tensor([[8.0, 8.0, 40.0, 60.0]]), torch.zeros(0, 4)], l1=True)
    assert one.positives >= 1 and float(one.l1.detach()) > 0
    with pytest.raises(ValueError, match="must be 2, one for each image, got 1"):
        yolox_loss(raw, [torch.zeros(0, 4)])


def test_bfloat16_predictions_train_in_float32():
    model = Yolox(CONFIGS["test"]).train().bfloat16()
    raw = model((torch.rand(2, 3, 64, 64) * 255).bfloat16())
    losses = yolox_loss(raw, [torch.tensor([[8.0, 8.0, 40.0, 60.0]])] * 2)
    assert losses.total.dtype == torch.float32
    losses.total.backward()


def test_a_tiny_network_learns_one_box():
    torch.manual_seed(0)
    model = Yolox(CONFIGS["test"]).train()
    image = torch.full((2, 3, 64, 64), 60.0)
    image[0, :, 16:56, 8:40] = 220.0
    image[1, :, 8:48, 24:56] = 220.0
    truth = [torch.tensor([[8.0, 16.0, 40.0, 56.0]]), torch.tensor([[24.0, 8.0, 56.0, 48.0]])]
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(60):
        losses = yolox_loss(model(image), truth)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    with torch.no_grad():
        candidates = decode(model(image))
    for boxes, scores, expected in zip(candidates.boxes, candidates.scores, truth, strict=True):
        assert float(pairwise_iou(boxes[scores.argmax()][None], expected)) > 0.6
