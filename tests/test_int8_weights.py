"""Weights stored as int8: what comes back, its error, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from savg import hub
from savg.errors import CheckpointError
from savg.hub import int8
from savg.models.nanodet import CONFIGS, Nanodet
from savg.models.yolox import CONFIGS as YOLOX
from savg.models.yolox import Yolox
from savg.paths import file_sha256


def test_each_channel_is_off_by_half_a_step_at_most() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = (
        torch.randn(6, 5, 3, 3, generator=generator) * torch.logspace(-6, 4, 6)[:, None, None, None]
    )
    stored = int8.quantise({"w": weight})
    assert stored["w"].dtype == torch.int8 and stored["w.scale"].shape == (6,)
    assert stored["w"].flatten(1).abs().amax(1).tolist() == [127] * 6
    error = (int8.dequantise(stored, "f")["w"] - weight).abs().flatten(1).amax(1)
    largest = weight.abs().flatten(1).amax(1)
    assert bool((error <= largest / 127 / 2 * 1.0001).all())


def test_numbers_that_fit_come_back_exactly() -> None:
    weight = torch.tensor([[-127.0, 3.0], [0.0, 0.0], [63.5, -0.5]])
    state = {"w": weight, "b": torch.tensor([1 / 3, 0.0, -2.5]), "n": torch.tensor(7)}
    back = int8.dequantise(int8.quantise(state), "f")
    assert list(back) == ["w", "b", "n"]
    assert all(torch.equal(back[key], value) for key, value in state.items())


def test_a_weight_and_its_names_must_be_storable() -> None:
    with pytest.raises(ValueError, match="w must be finite"):
        int8.quantise({"w": torch.full((2, 2), torch.nan)})
    with pytest.raises(ValueError, match=r"w\.scale must not name another tensor"):
        int8.quantise({"w": torch.ones(2, 2), "w.scale": torch.ones(2)})
    with pytest.raises(ValueError, match=r"b\.scale must not name another tensor"):
        int8.quantise({"b": torch.ones(2), "b.scale": torch.ones(2)})


def test_numbers_too_small_to_scale_come_back_as_nearly_nothing() -> None:
    stored = int8.quantise({"w": torch.full((1, 2), 1e-44)})
    back = int8.dequantise(stored, "f")["w"]
    assert bool(back.isfinite().all()) and float(back.abs().max()) < 1e-36


@pytest.fixture
def component(tmp_path: Path) -> Path:
    """A network of random weights, stored as int8."""
    torch.manual_seed(0)
    card = hub.Card("MIT", "a test")
    hub.save_component(Nanodet(CONFIGS["test"]), tmp_path / "c", "nanodet", card, torch.int8)
    return tmp_path / "c"


@pytest.mark.parametrize(
    ("kind", "network"),
    [("nanodet", lambda: Nanodet(CONFIGS["test"])), ("yolox", lambda: Yolox(YOLOX["test"]))],
)
def test_a_component_of_any_kind_is_smaller_and_computes_nearly_the_same(
    kind: str, network, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    model, card = network().eval(), hub.Card("MIT", "a test")
    hub.save_component(model, tmp_path / "plain", kind, card)
    hub.save_component(model, tmp_path / "int8", kind, card, torch.int8)
    sizes = [(tmp_path / name / hub.WEIGHTS_FILE).stat().st_size for name in ("plain", "int8")]
    assert sizes[1] < 0.5 * sizes[0]
    assert json.loads((tmp_path / "int8" / hub.CONFIG_FILE).read_text())["storage"] == "int8"
    loaded, _ = hub.load_component(tmp_path / "int8", kind)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        pairs = [
            (a, b)
            for x, y in zip(model(image), loaded(image), strict=True)
            for a, b in zip(x, y, strict=True)
        ]
    assert all(
        value.dtype == torch.float32
        for value in loaded.state_dict().values()
        if value.is_floating_point()
    )
    for expected, values in pairs:
        assert float((values - expected).abs().max()) < 0.05 * float(expected.abs().max()) + 1e-3


def spoil(component: Path, change) -> Path:  # type: ignore[no-untyped-def]
    """The weights' file after `change`, with a true checksum in the card."""
    file = component / hub.WEIGHTS_FILE
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    data = json.loads((component / hub.CONFIG_FILE).read_text())
    data["card"]["sha256"] = file_sha256(file)
    (component / hub.CONFIG_FILE).write_text(json.dumps(data))
    return file


KEY, BIAS = "stem.conv.weight", "stem.conv.bias"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t[f"{KEY}.scale"].fill_(torch.nan), r"scale must be finite and > 0, got nan"),
        (lambda t: t[f"{KEY}.scale"].fill_(torch.inf), r"scale must be finite and > 0, got inf"),
        (lambda t: t[f"{KEY}.scale"].mul_(-1), r"scale must be finite and > 0, got -"),
        (lambda t: t[f"{KEY}.scale"].zero_(), r"scale must be finite and > 0, got 0"),
        (lambda t: t.update({f"{KEY}.scale": torch.ones(3)}), r"float32 \[4\].*got float32 \[3\]"),
        (lambda t: t.update({f"{KEY}.scale": torch.ones(4).half()}), r"float32 \[4\].*got float16"),
        (lambda t: t.pop(f"{KEY}.scale"), rf"{KEY} is int8, and {KEY}\.scale is missing"),
        (lambda t: t.update({BIAS: t[BIAS].to(torch.int16)}), r"torch.float32, got torch.int16"),
        (lambda t: t.update({"other.scale": torch.ones(4)}), r"1 unexpected \(first: other\.scale\)"),
        (lambda t: t.update({KEY: t[KEY].float()}), rf"{KEY}\.scale must be of numbers of int8"),
        (lambda t: t.update({f"{BIAS}.scale": torch.ones(4)}), r"bias\.scale must be of numbers"),
        (lambda t: t.update({BIAS: t[BIAS].to(torch.int8)}), r"bias of int8 must have two or more"),
    ],
)  # fmt: skip
def test_damaged_numbers_are_named_with_their_file(component: Path, change, sentence: str) -> None:
    file = spoil(component, change)
    with pytest.raises(CheckpointError, match=sentence) as refused:
        hub.load_component(component)
    assert str(file) in str(refused.value)


def test_int8_without_the_word_in_the_configuration_is_refused(component: Path) -> None:
    config = component / hub.CONFIG_FILE
    data = json.loads(config.read_text())
    for wrong, sentence in (("int4", "storage must be 'int8', got 'int4'"), (None, "unexpected")):
        config.write_text(json.dumps({**data, "storage": wrong}))
        with pytest.raises(CheckpointError, match=sentence):
            hub.load_component(component)
