"""VGGish as a backbone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.device import choose
from savg.features.base import BackboneError
from savg.features.networks import NETWORKS_VARIABLE
from savg.features.registry import backbone_class
from savg.features.signals import views_at
from savg.features.vggish import VggishBackbone
from savg.hub import Card, save_component
from savg.metrics.frechet import frechet_distance
from savg.models.vggish import Vggish, VggishConfig, examples
from savg.paths import file_sha256
from tests.features.audio_clips import (
    assert_batch_independent,
    assert_mono_views,
    clip_of,
    sounding_clip,
    spread,
)

WIDTH = 12


def network() -> Vggish:
    """Small, of weights that keep activations of order one."""
    torch.manual_seed(0)
    model = Vggish(VggishConfig(width=16, hidden=64, embedding=WIDTH)).eval()
    for parameter in model.parameters():
        fan_in = parameter[0].numel()
        parameter.data = torch.randn_like(parameter) * (2 / fan_in) ** 0.5
        if parameter.ndim == 1:
            parameter.data *= 0.05
    return model


def backbone(dtype: str = "float32") -> VggishBackbone:
    return VggishBackbone(network(), "0" * 64, choose("cpu", dtype))


@pytest.mark.usefixtures("bfloat16_units")
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_features_are_those_of_the_clip_alone(dtype: str, rtol: float) -> None:
    assert_batch_independent(backbone(dtype), 4, WIDTH, rtol)


def test_each_view_is_a_mono_signal() -> None:
    assert_mono_views(backbone(), 1e-3)


@torch.no_grad()
def test_a_row_for_each_example_before_the_last_rectifier() -> None:
    clip = sounding_clip(0, 3.0)
    (features,) = backbone()([clip])
    batch = examples(torch.from_numpy(views_at(clip, 16_000)))
    assert batch.shape[:2] == (4, 3) and features.shape == (4, 3, WIDTH)
    for view in range(4):
        expected = network().embed(batch[view]).numpy()
        np.testing.assert_allclose(features[view], expected, atol=1e-4, rtol=1e-4)
    assert (features < 0).any()
    assert backbone()([sounding_clip(0, 5.0)])[0].shape == (4, 5, WIDTH)


def test_short_clips_are_followed_by_silence() -> None:
    short = sounding_clip(1, 0.75)
    longer = clip_of(np.pad(short.audio, ((0, 0), (0, 4000))))
    features, expected = backbone()([short, longer])
    assert features.shape == (4, 1, WIDTH)
    np.testing.assert_allclose(features, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("bfloat16_units")
def test_bfloat16_moves_distances_by_little() -> None:
    clips = [sounding_clip(seed, 2.0) for seed in range(12)]
    clips += [sounding_clip(seed, 2.0, pan=-0.8) for seed in range(12, 24)]
    plain, fast = backbone()(clips), backbone("bfloat16")(clips)
    error = np.sqrt(np.mean([np.mean((a - b) ** 2) for a, b in zip(plain, fast, strict=True)]))
    assert error < 0.05 * spread(plain)

    def distance(features: list[np.ndarray], view: int) -> float:
        first, second = (
            np.concatenate([f[view] for f in part]) for part in (features[:12], features[12:])
        )
        return float(frechet_distance(first, second))

    for view in range(4):
        assert distance(fast, view) == pytest.approx(distance(plain, view), rel=0.01)
    assert backbone("bfloat16").provenance["precision"] == "bfloat16"


def test_loading_and_what_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path))
    with pytest.raises(BackboneError, match=r"weights import vggish-10086976\.pth"):
        VggishBackbone.load()
    assert VggishBackbone.missing().startswith("The network vggish (VGGish) is not in")
    save_component(network(), tmp_path / "vggish", "vggish", Card("MIT", "a test"))
    assert backbone_class("vggish") is VggishBackbone and VggishBackbone.missing() == ""
    loaded = VggishBackbone.load(device="cpu")
    facts = loaded.provenance
    json.dumps(facts)
    assert facts["sha256"] == file_sha256(tmp_path / "vggish" / "model.safetensors")
    assert facts["precision"] == str(choose("cpu").dtype).removeprefix("torch.")
    assert loaded([sounding_clip(0)])[0].shape == (4, 1, WIDTH)
