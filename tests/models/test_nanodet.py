"""NanoDet against the published graph (golden outputs), and its decoding against plain loops."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.errors import SavgError
from savg.hub import load_component
from savg.models.nanodet import (
    CONFIGS,
    STRIDES,
    Nanodet,
    NanodetConfig,
    aggregate,
    from_published,
    normalise,
)
from savg.models.nanodet_boxes import (
    Detections,
    boxes,
    decode,
    detections,
    letterbox,
    locations,
)
from savg.models.yolox_boxes import non_maximum_suppression

ROOT = Path(__file__).resolve().parents[2]

PLACE = ROOT / "assets" / "demo" / "nanodet"


@pytest.fixture(scope="module")
def maker():
    """The script that made the weights."""
    spec = importlib.util.spec_from_file_location("make_nanodet", PLACE / "make_nanodet.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_nanodet"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def rows(maps) -> torch.Tensor:
    return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1)[0]


def test_the_bundled_network_equals_the_published_graph(maker) -> None:
    """The graph was evaluated node by node in NumPy by make_nanodet.py, once with the weights of the
    package and once with those that int8 storage leaves."""
    golden = np.load(ROOT / "tests" / "golden" / "nanodet_g.npz")
    model, card = load_component(PLACE, "nanodet")
    assert sum(p.numel() for p in model.parameters()) == 3_786_068
    assert card.facts["files"] == maker.SHA256 and "Apache-2.0" in card.licence
    image = normalise(torch.from_numpy(maker.blocky_image().transpose(2, 0, 1).copy())[None])
    with torch.inference_mode():
        raw = model(image)
    scores = rows([level.classes for level in raw]).sigmoid()[::29].numpy()
    sides = rows([level.sides for level in raw])[::29].numpy()
    np.testing.assert_allclose(scores, golden["int8_scores"], atol=5e-6)
    np.testing.assert_allclose(sides, golden["int8_sides"], atol=5e-5)
    # what 8 bits cost, on an image of squares without any object
    assert np.abs(scores - golden["package_scores"]).max() < 0.03
    assert np.abs(sides - golden["package_sides"]).mean() < 0.05


def graph_files(model: Nanodet, folder: Path) -> None:
    """The network as nanodet.json and nanodet.bin, in the form of the package: float16 in the file."""
    nodes, weights, data = [], [], b""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    for number, layer in enumerate(layers):
        name = f"p/convolution_{number}" if number else "p/convolution"
        kernel = layer.weight.detach().permute(2, 3, 1, 0).half().numpy()
        for entry, values in (
            (f"k{number}", kernel),
            (f"b{number}", layer.bias.detach().half().numpy()),
        ):
            stored = {"dtype": "float16", "original_dtype": "float32"}
            weights.append(
                {
                    "name": entry,
                    "shape": list(values.shape),
                    "dtype": "float32",
                    "quantization": stored,
                }
            )
            data += values.astype("<f2").tobytes()
            nodes.append({"name": entry, "op": "Const"})
        nodes.append({"name": name, "op": "Conv2D", "input": ["x", f"k{number}"]})
        nodes.append({"name": f"p/Add_{number}", "op": "Add", "input": [name, f"b{number}"]})
    content = {
        "modelTopology": {"node": nodes[::-1]},
        "weightsManifest": [{"weights": weights}],
        "signature": {"outputs": {}},
    }
    (folder / "nanodet.json").write_text(json.dumps(content))
    (folder / "nanodet.bin").write_bytes(data)


def test_weights_of_a_graph_go_to_their_places(maker, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Nanodet(CONFIGS["test"])
    graph_files(model, tmp_path)
    converted = maker.convert(maker.read(tmp_path, {}), CONFIGS["test"])
    for key, value in converted.state_dict().items():
        assert torch.equal(value, model.state_dict()[key].half().float()), key
    with pytest.raises(SavgError, match="must have 34 convolutions, got 26"):
        maker.convert(maker.read(tmp_path, {}))


def test_missing_and_altered_files_of_the_package_are_named(maker, tmp_path: Path) -> None:
    expected = maker.SHA256["nanodet.json"]
    with pytest.raises(SavgError, match=rf"nanodet\.json is missing.*3\.0\.4, SHA-256 {expected}"):
        maker.read(tmp_path)
    (tmp_path / "nanodet.json").write_text("{}")
    with pytest.raises(
        SavgError, match=rf"nanodet\.json must have the SHA-256 {expected}, got 44136"
    ):
        maker.read(tmp_path)


def test_only_the_published_size_has_a_configuration() -> None:
    assert from_published() == NanodetConfig() == CONFIGS["full"]
    with pytest.raises(ValueError, match="one size, got 'width'"):
        from_published({"width": 2})
    with pytest.raises(ValueError, match="multiples of 32, got \\(250, 416\\)"):
        NanodetConfig(input_size=(250, 416))
    with pytest.raises(ValueError, match="multiples of 32, got \\[1, 3, 60, 64\\]"):
        Nanodet(CONFIGS["test"])(torch.zeros(1, 3, 60, 64))


def test_scales_are_added_both_ways() -> None:
    """Constant maps keep their value through bilinear resizing, so that sums are known."""
    fine, middle, coarse = (
        torch.full((1, 2, 8 // s, 12 // s), v) for s, v in ((1, 1.0), (2, 10.0), (4, 100.0))
    )
    values = [x.unique().tolist() for x in aggregate([fine, middle, coarse])]
    assert values == [[111.0], [221.0], [321.0]]


def raw_predictions(batch: int = 2):
    torch.manual_seed(3)
    model = Nanodet(CONFIGS["test"]).eval()
    for head in model.heads:
        torch.nn.init.normal_(head.predict.weight, std=2.0)
    with torch.inference_mode():
        return model(torch.randn(batch, 3, 64, 96))


def test_decoding_equals_plain_loops() -> None:
    raw = raw_predictions()
    got_boxes, got_scores = decode(raw)
    place = 0
    for level, stride in zip(raw, STRIDES, strict=True):
        bins = level.sides.shape[1] // 4
        for i in range(level.sides.shape[2]):
            for j in range(level.sides.shape[3]):
                x, y = (j + 0.5) * stride, (i + 0.5) * stride
                distance = []
                for side in range(4):
                    logits = level.sides[1, side * bins : (side + 1) * bins, i, j].double().tolist()
                    weights = [math.exp(v) for v in logits]
                    mean = sum(k * w for k, w in enumerate(weights)) / sum(weights)
                    distance.append(mean * stride)
                left, top, right, bottom = distance
                expected = [x - left, y - top, x + right, y + bottom]
                np.testing.assert_allclose(got_boxes[1, place], expected, atol=1e-3)
                score = [1 / (1 + math.exp(-v)) for v in level.classes[1, :, i, j].tolist()]
                np.testing.assert_allclose(got_scores[1, place], score, atol=1e-6)
                place += 1
    assert place == got_boxes.shape[1] == len(locations(raw))


def iou(a, b) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize("labels", [(0,), (0, 2), (1,)])
def test_detections_equal_a_greedy_loop_over_all_locations(labels) -> None:
    raw = raw_predictions()
    all_boxes, all_scores = decode(raw)
    for image, found in enumerate(detections(raw, labels, 0.4, 0.5)):
        rest = sorted(
            (
                (float(all_scores[image, i, c]), c, all_boxes[image, i].tolist())
                for i in range(all_boxes.shape[1])
                for c in labels
            ),
            key=lambda row: -row[0],
        )
        kept: list = []
        for score, label, box in rest:
            if score > 0.4 and all(
                iou(box, other) <= 0.5 for _, own, other in kept if own == label
            ):
                kept.append((score, label, box))
        kept = kept[:100]
        assert kept and found.labels.tolist() == [label for _, label, _ in kept]
        np.testing.assert_allclose(found.scores, [score for score, _, _ in kept], atol=1e-6)
        np.testing.assert_allclose(found.boxes, [box for _, _, box in kept], atol=1e-3)


def test_a_class_is_not_suppressed_by_another() -> None:
    box = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 10, 10]])
    found = Detections(box, torch.tensor([0.5, 0.9, 0.6]), torch.tensor([0, 2, 2]))
    assert non_maximum_suppression(*found, 0.6).tolist() == [1, 0]


def test_boxes_of_certain_sides_are_exact() -> None:
    sides = torch.full((1, 44), -1e4)
    for side, distance in enumerate((2, 0, 10, 3)):
        sides[0, side * 11 + distance] = 1e4
    assert boxes(sides, torch.tensor([[100.0, 50, 16]])).tolist() == [[68.0, 50.0, 260.0, 98.0]]


def test_letterbox_lies_in_the_middle_and_says_where() -> None:
    image = np.full((1, 144, 256, 3), 200, np.uint8)
    boxed, scale, corner = letterbox(image, (256, 416))
    assert scale == (1.625, 1.625) and corner == (0, 11) and boxed.shape == (1, 256, 416, 3)
    assert (boxed[0, 11:245] == 200).all() and not boxed[0, :11].any() and not boxed[0, 245:].any()
    with pytest.raises(ValueError, match="uint8"):
        letterbox(image.astype(np.float32), (256, 416))
