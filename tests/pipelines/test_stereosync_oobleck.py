"""StereoSync as published: Oobleck, the envelope as audio, a global condition, 2 s at 30 a second."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from videos import make_video

from savg.annotation import Boxes
from savg.device import choose
from savg.errors import CheckpointError
from savg.hub import Card
from savg.models import stereosync
from savg.models.oobleck import Oobleck, OobleckConfig
from savg.models.stereosync import StereoSync, StereoSyncConfig
from savg.pipelines.envelope_file import Curve
from savg.pipelines.registry import AUDIO
from savg.pipelines.steered_sampling import PUBLISHED
from savg.pipelines.stereosync import StereoSyncPipeline
from savg.pipelines.stereosync import tiny as mel_tiny
from savg.video import Soundtrack, Video

RATE = 44_100
OOBLECK = OobleckConfig(latents=4, channels=4, multiples=(1, 2), strides=(16, 32))


def published_network() -> StereoSyncConfig:
    """As the published one, in small."""
    tiny = stereosync.CONFIGS["tiny"]
    audio = replace(tiny.audio, overall=32)
    tokens = replace(tiny.tokens, frames=60, maps=8)
    return replace(tiny, audio=audio, tokens=tokens, envelope=4, boxes=False, entry="latents")


def small(config: StereoSyncConfig, oobleck: OobleckConfig = OOBLECK) -> StereoSyncPipeline:
    torch.manual_seed(0)
    network = StereoSync(config)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    vae = Oobleck(oobleck)
    cards = {role: Card("MIT", "random") for role in ("network", "vae")}
    sampler = replace(PUBLISHED, steps=2)
    return StereoSyncPipeline(
        network.eval(), vae.eval(), None, sampler, choose("cpu", "float32"), cards
    )


@pytest.fixture(scope="module")
def pipeline() -> StereoSyncPipeline:
    return small(published_network())


def video(level: float, x: float = 60.0) -> Video:
    """2 s at 30 frames a second of somebody who stands at x, with noise of a level."""
    frames = np.arange(60)
    boxes = Boxes(frames, np.zeros(60), np.tile([x - 9, 90, x + 9, 150.0], (60, 1)))
    noise = np.random.default_rng(0).standard_normal((2, 2 * RATE)) * level
    audio = Soundtrack(noise.astype(np.float32), RATE)
    return Video(np.zeros((60, 16, 16, 3), np.uint8), Fraction(30), boxes, audio)


def test_windows_are_of_the_published_lengths(pipeline: StereoSyncPipeline) -> None:
    assert pipeline.sample_rate == RATE and pipeline.codec.lengths(2.0) == (173, 173 * 512)
    audio = pipeline(video(0.1), seed=1)
    assert audio.shape == (2, 2 * RATE) and audio.std() > 0
    assert not np.array_equal(audio[0], audio[1])
    assert PUBLISHED.guidance == 2 and PUBLISHED.steps == 150 and PUBLISHED.fps * 2 == 60


def test_boxes_and_the_envelope_are_followed(pipeline: StereoSyncPipeline) -> None:
    plain = pipeline(video(0.1), seed=1)
    curve = Curve(np.array([0.0, 1.0]), np.array([0.0, 0.3]))
    for different in (
        pipeline(video(0.1, x=200.0), seed=1),
        pipeline(video(0.3), seed=1),
        pipeline(video(0.1), seed=1, envelope=curve),
        pipeline(video(0.1), seed=1, envelope=None),
        pipeline(video(0.1), seed=2),
    ):
        assert np.abs(plain - different).max() > 1e-6


def test_it_is_saved_loaded_and_run_on_a_file(pipeline: StereoSyncPipeline, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    pipeline.save_pretrained(folder)
    values = json.loads((folder / "pipeline.json").read_text())
    assert set(values) == {"pipeline", "network", "vae", "sampler"}
    loaded = AUDIO.load(folder, device="cpu", dtype="float32")
    one = video(0.2)
    assert np.array_equal(loaded(one, seed=3), pipeline(one, seed=3))
    read = pipeline.read(make_video(tmp_path / "v.mkv", audio=True))
    assert read.audio is not None and read.audio.rate == RATE
    values["clap"] = 3
    (folder / "pipeline.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="clap: it must be USER/NAME of CLAP's weights"):
        AUDIO.load(folder, device="cpu")


def test_networks_that_do_not_go_together_are_told(pipeline: StereoSyncPipeline) -> None:
    mel = mel_tiny()
    for changes, words in (
        ({"vae": mel.vae}, "vocoder: a mel VAE must come with one"),
        ({"vocoder": mel.vocoder}, "2 audio channels and no vocoder, got 2 and a vocoder"),
        ({"network": mel.network}, "envelope's channels must be Oobleck's 4, got 5"),
        (
            {"vae": Oobleck(replace(OOBLECK, latents=6))},
            "latent channels must be Oobleck's 6, got 4",
        ),
        ({"vae": mel.vae, "vocoder": mel.vocoder}, "envelope must have one channel more than"),
    ):
        with pytest.raises(CheckpointError, match=words):
            replace(pipeline, **changes)
