"""The bundled SELD network as a backbone that hears both channels together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.detectors.seld_features import inference_windows
from savg.features.registry import backbone_class
from savg.features.seld import SeldBackbone
from savg.hub import Card, save_component
from savg.models.seld import CONFIGS, Seld
from savg.paths import file_sha256
from tests.features.audio_clips import (
    assert_batch_independent,
    clip_of,
    sounding_clip,
    spread,
)


@pytest.fixture(scope="module")
def backbone() -> SeldBackbone:
    assert backbone_class("seld") is SeldBackbone and SeldBackbone.missing() == ""
    return SeldBackbone.load(device="cpu")


def test_features_are_those_of_the_clip_alone(backbone: SeldBackbone) -> None:
    assert_batch_independent(backbone, 1, 2 * backbone.config.d_model, 1e-3)


@pytest.mark.parametrize(("seconds", "rows"), [(0.25, 1), (1.0, 1), (2.0, 2), (5.0, 5), (12.5, 12)])
def test_a_row_a_second(backbone: SeldBackbone, seconds: float, rows: int) -> None:
    assert backbone([sounding_clip(0, seconds)])[0].shape == (1, rows, 192)


def test_very_short_audio_is_heard(backbone: SeldBackbone) -> None:
    clip = clip_of(np.full((2, 8), 0.1), rate=32)  # 4 samples would fill no hop at 16 kHz
    assert np.isfinite(backbone([clip])[0]).all()


def test_a_swap_of_channels_and_a_mono_downmix_show(backbone: SeldBackbone) -> None:
    clip = sounding_clip(3, 2.0, pan=-0.9)
    mono = clip_of(np.stack([clip.audio.mean(0)] * 2))
    plain, swapped, flat, other = backbone(
        [clip, clip.mirrored(), mono, sounding_clip(8, 2.0, pan=-0.9)]
    )
    scale = spread([plain, other])
    half = plain.shape[2] // 2
    assert np.abs(swapped - plain)[..., half:].mean() > 0.1 * scale
    assert np.abs(flat - plain)[..., half:].mean() > 0.1 * scale
    np.testing.assert_allclose(backbone([mono.mirrored()])[0], flat, atol=1e-3 * scale)


@torch.no_grad()
def test_rows_are_means_of_what_the_last_layers_see(backbone: SeldBackbone) -> None:
    clip, network, config = sounding_clip(4, 2.0), backbone.network, backbone.config
    heard = inference_windows(torch.from_numpy(clip.audio), replace(config, even_windows=True))
    assert (config.train_wav_length, config.eval_wav_hop_length) == (2.55, 2.4)
    track = []
    for start in heard.starts:
        window = heard.features[None, :, :, start : start + config.window_frames]
        sed, doa = network.embed(window)
        logits, x = network(window)
        torch.testing.assert_close(network.fc_sed_track1(sed)[0, :, 0], logits[0, 0, ::4])
        torch.testing.assert_close(network.fc_doa_track1(doa)[0, :, 1], x[0, 1, ::4])
        track.append(torch.cat([sed, doa], 2)[0, 2:62])  # the middle 2.4 of 2.56 s
    whole = torch.cat(track)[:50].numpy()  # 25 a second
    (features,) = backbone([clip])
    expected = np.stack([whole[:25].mean(0), whole[25:].mean(0)])
    np.testing.assert_allclose(features[0], expected, atol=1e-4)


def test_it_says_what_it_is(backbone: SeldBackbone, tmp_path: Path) -> None:
    json.dumps(backbone.provenance)
    assert "stand-in" in backbone.provenance["backbone"]
    empty = tmp_path / "networks"
    empty.mkdir()
    assert SeldBackbone.load(str(empty), "cpu").sha256 == backbone.sha256  # the bundled one
    torch.manual_seed(0)
    save_component(Seld(CONFIGS["tiny"]), empty / "seld", "seld", Card("MIT", "a test"))
    other = SeldBackbone.load(str(empty), "cpu")
    assert other.sha256 == file_sha256(empty / "seld" / "model.safetensors") != backbone.sha256
    assert other([sounding_clip(0)])[0].shape == (1, 1, 32)
