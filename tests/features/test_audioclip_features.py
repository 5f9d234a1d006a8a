"""AudioCLIP as a backbone, in standard and in official mode."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.device import choose
from savg.errors import CheckpointError
from savg.features import audioclip as module
from savg.features.audioclip import AudioClipBackbone, official_embeddings
from savg.features.base import BackboneError
from savg.features.networks import NETWORKS_VARIABLE
from savg.features.registry import backbone_class
from savg.features.signals import views_at
from savg.hub import Card, save_component
from savg.models.audioclip import AudioClip, batch_statistics
from savg.models.audioclip_fast import FastAudioClip, folded
from savg.models.audioclip_spectrum import published_scale
from savg.models.vggish import CONFIGS as VGGISH
from savg.models.vggish import Vggish
from savg.paths import file_sha256
from tests.features.audio_clips import (
    assert_batch_independent,
    assert_mono_views,
    sounding_clip,
    spread,
)
from tests.models.test_audioclip import tiny

WIDTH = 8


@pytest.fixture(scope="module")
def network() -> AudioClip:
    """Tiny, with the statistics of some sounds, so that it tells sounds apart."""
    model = tiny()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    sounds = np.concatenate([views_at(sounding_clip(seed), 44_100) for seed in range(90, 94)])
    with torch.no_grad():
        for layer in layers:
            layer.momentum = 1.0
        model.train().embed(torch.from_numpy(sounds)[:, None])
        for layer in layers:
            layer.momentum = 0.1
    return model.eval()


@pytest.fixture(scope="module")
def backbone(network: AudioClip) -> AudioClipBackbone:
    return AudioClipBackbone(network, "0" * 64, choose("cpu", "float32"))


def test_features_are_those_of_the_clip_alone(backbone: AudioClipBackbone) -> None:
    assert_batch_independent(backbone, 4, WIDTH, 1e-3)


def test_each_view_is_a_mono_signal(backbone: AudioClipBackbone) -> None:
    assert_mono_views(backbone, 0.03)  # bands without sound hold the rounding of resampling


@torch.no_grad()
def test_the_network_hears_the_waveform_in_evaluation_mode(
    backbone: AudioClipBackbone, network: AudioClip
) -> None:
    clip = sounding_clip(0)
    waveform = torch.from_numpy(views_at(clip, 44_100))[:, None]
    (features,) = backbone([clip])
    assert features.shape == (4, 1, WIDTH)
    allowed = 1e-2 * spread([features])  # bands without sound hold rounding, which differs
    np.testing.assert_allclose(features[:, 0], network.embed(waveform), atol=allowed)
    integers = waveform.double() * 32767.5 - 0.5  # what the published mapping is made for
    torch.testing.assert_close(published_scale(integers), waveform.double(), atol=1e-12, rtol=0)


def test_a_folded_network_is_the_same_function(network: AudioClip) -> None:
    image = 20 * torch.randn(3, 3, 43, 30) - 60
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        expected = network.pool(image)
        torch.testing.assert_close(folded(network).pool(image), expected, atol=1e-4, rtol=1e-4)
    assert not any("bn" in key for key in folded(network).state_dict())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_filters_as_long_as_the_window_give_the_same_image(network: AudioClip) -> None:
    views = views_at(sounding_clip(5), 44_100)
    sounds = torch.from_numpy(np.concatenate([views, np.zeros_like(views[:1])]))
    with torch.inference_mode():
        expected, image = network.image(sounds), FastAudioClip(network).image(sounds)
    heard = expected > -90
    assert heard[:4].float().mean() > 0.2 and (image[4] == -180).all()
    torch.testing.assert_close(image[heard], expected[heard], atol=0.05, rtol=0)


def test_long_clips_are_heard_in_windows(monkeypatch, backbone: AudioClipBackbone) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 1)
    long, first = sounding_clip(6, 2.5), sounding_clip(6, 1.0)
    (features,) = backbone([long])
    assert features.shape == (4, 3, WIDTH)
    assert backbone([first])[0].shape == (4, 1, WIDTH)


@torch.no_grad()
def test_official_embeddings_depend_on_the_batch_and_not_on_a_swap(network: AudioClip) -> None:
    audio = 0.1 * torch.randn(4, 2, 900)
    embeddings = official_embeddings(network, audio)
    with batch_statistics(network):
        torch.testing.assert_close(embeddings, network(audio), atol=0, rtol=0)
    assert embeddings.shape == (4, WIDTH) and embeddings.dtype == torch.float32
    assert torch.equal(official_embeddings(network, audio.flip(1)), embeddings)
    others = official_embeddings(network, torch.cat([audio[:1], 0.01 * audio[1:]]))
    assert (others[0] - embeddings[0]).abs().max() > 1e-3
    assert not any(layer.training for layer in network.modules())
    with pytest.raises(ValueError, match="≥ 2 clips"):
        official_embeddings(network, audio[:1])
    with pytest.raises(ValueError, match=r"float32, got torch\.bfloat16"):
        official_embeddings(tiny().bfloat16(), audio)
    with pytest.raises(ValueError, match="AudioCLIP's, got Linear"):
        official_embeddings(torch.nn.Linear(1, 1), audio)


def test_loading_and_what_is_missing(
    tmp_path: Path, monkeypatch, network: AudioClip, backbone: AudioClipBackbone
) -> None:
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path))
    assert "AudioCLIP-Full-Training.pt" in AudioClipBackbone.missing()
    with pytest.raises(BackboneError, match=r"weights import AudioCLIP-Full-Training\.pt"):
        AudioClipBackbone.load()
    save_component(network, tmp_path / "audioclip", "audioclip", Card("MIT", "a test"))
    assert backbone_class("audioclip") is AudioClipBackbone and AudioClipBackbone.missing() == ""
    loaded = AudioClipBackbone.load(device="cpu")
    facts = loaded.provenance
    json.dumps(facts)
    assert facts["sha256"] == file_sha256(tmp_path / "audioclip" / "model.safetensors")
    assert facts["input"]["sample_rate"] == 44_100 and facts["precision"] == "float32"
    clip = sounding_clip(1)
    np.testing.assert_allclose(loaded([clip])[0], backbone([clip])[0], atol=1e-5)
    save_component(
        Vggish(VGGISH["tiny"]), tmp_path / "other" / "audioclip", "vggish", Card("MIT", "")
    )
    with pytest.raises(CheckpointError, match="expected weights of kind 'audioclip'"):
        AudioClipBackbone.load(str(tmp_path / "other"))
