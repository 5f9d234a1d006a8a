"""LAION-CLAP as a backbone, with a tiny random network in the form that transformers writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from savg.errors import CheckpointError
from savg.features import clap as module
from savg.features.base import BackboneError
from savg.features.clap import REPO, ClapBackbone
from savg.features.registry import backbone_class
from savg.features.signals import views_at
from savg.paths import file_sha256
from tests.features.audio_clips import (
    assert_batch_independent,
    assert_mono_views,
    sounding_clip,
    spread,
)

WIDTH = 20
SECONDS = 1
"""That the tiny network hears; the released one hears 10."""


def write_clap(folder: Path) -> Path:
    """A tiny CLAP as transformers writes it."""
    torch.manual_seed(0)
    config = transformers.ClapConfig(
        text_config={
            "hidden_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "intermediate_size": 8,
            "vocab_size": 20,
            "projection_dim": WIDTH,
        },
        audio_config={
            "window_size": 2,
            "spec_size": 128,
            "num_mel_bins": 32,
            "hidden_size": 64,
            "patch_embeds_hidden_size": 8,
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 1, 2, 2],
            "projection_dim": WIDTH,
        },
        projection_dim=WIDTH,
    )
    transformers.ClapModel(config).save_pretrained(folder)
    transformers.ClapFeatureExtractor(
        feature_size=32, max_length_s=SECONDS, truncation="rand_trunc", padding="repeatpad"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clap(tmp_path_factory.mktemp("networks") / "clap")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> ClapBackbone:
    assert backbone_class("clap") is ClapBackbone
    assert ClapBackbone.missing(str(folder.parent)) == "" == ClapBackbone.missing(str(folder))
    return ClapBackbone.load(str(folder.parent), "cpu")


def test_features_are_those_of_the_clip_alone(backbone: ClapBackbone) -> None:
    assert_batch_independent(backbone, 4, WIDTH, 1e-2)


def test_each_view_is_a_mono_signal(backbone: ClapBackbone) -> None:
    assert_mono_views(backbone, 1e-2)


@torch.no_grad()
def test_features_are_the_librarys_of_the_views(backbone: ClapBackbone, folder: Path) -> None:
    clip = sounding_clip(0)
    network = transformers.ClapModel.from_pretrained(folder).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    (features,) = backbone([clip])
    assert features.shape == (4, 1, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(features, axis=2), 1, atol=1e-5)
    for view, signal in enumerate(views_at(clip, 48_000)):
        inputs = extractor(signal, sampling_rate=48_000, return_tensors="pt")
        output = network.get_audio_features(**inputs).pooler_output
        np.testing.assert_allclose(features[view], output, atol=1e-2 * spread([features]))


def test_long_clips_are_windows_and_never_drawn(backbone: ClapBackbone) -> None:
    clip = sounding_clip(1, 2.5)
    (features,) = backbone([clip])
    assert features.shape == (4, 3, WIDTH)
    np.testing.assert_array_equal(backbone([clip])[0], features)
    first = sounding_clip(1, 2.5)
    assert np.abs(features[:, 0] - features[:, 2]).max() > 1e-4
    assert first.format.seconds == 2.5


def test_short_clips_are_repeated(backbone: ClapBackbone) -> None:
    half, once = sounding_clip(2, 0.5), sounding_clip(2, 1.0)
    assert backbone([half])[0].shape == (4, 1, WIDTH)
    assert np.abs(backbone([half])[0] - backbone([once])[0]).max() > 1e-5


def test_provenance(backbone: ClapBackbone, folder: Path) -> None:
    facts = backbone.provenance
    json.dumps(facts)
    assert facts["sha256"] == file_sha256(folder / "model.safetensors")
    assert facts["input"]["sample_rate"] == 48_000
    assert "repeatpad to 1 s" in facts["input"]["short"]


def test_weights_that_are_not_here(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_local", lambda place: None)
    sentence = ClapBackbone.missing()
    assert REPO in sentence and f"`hf download {REPO}`" in sentence
    assert ClapBackbone.missing(str(tmp_path)) == sentence  # a folder of other networks

    def offline(*args, **kwargs):
        raise OSError("We couldn't connect.\nMore lines.")

    monkeypatch.setattr(transformers.ClapModel, "from_pretrained", offline)
    with pytest.raises(BackboneError, match=rf"{REPO}.*could not be fetched.*We couldn't connect"):
        ClapBackbone.load()


def test_the_cache_of_the_hub_is_looked_into(monkeypatch, folder: Path, tmp_path: Path) -> None:
    present = {"config.json", "preprocessor_config.json"}

    def look(repo: str, name: str):
        assert repo == "someone/other-clap"
        return str(folder / name) if name in present else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", look)
    assert "someone/other-clap" in ClapBackbone.missing("someone/other-clap")
    present.add("model.safetensors")
    assert ClapBackbone.missing("someone/other-clap") == ""
    loaded = ClapBackbone.load("someone/other-clap", "cpu")
    assert "other-clap" in loaded.provenance["backbone"]


def test_damaged_weights(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        ClapBackbone.load(str(tmp_path), "cpu")
    weights = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="does not hold CLAP"):
        ClapBackbone.load(str(tmp_path), "cpu")


def test_without_the_library(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "savg-studio[metrics]" in ClapBackbone.missing()
