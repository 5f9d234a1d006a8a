"""What StereoSync's latents are of: mel spectrograms, or stereo waveforms by Oobleck."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.errors import CheckpointError
from savg.format import ClipFormat
from savg.hub import Card, save_component
from savg.models import stereosync
from savg.models.mel_vae import CONFIGS as VAES
from savg.models.mel_vae import MelVae
from savg.models.oobleck import CONFIGS as OOBLECKS
from savg.models.oobleck import Oobleck
from savg.models.stereosync import StereoSync
from savg.pipelines.stereosync_codec import MelCodec, OobleckCodec, codec_of, envelope_audio
from savg.pipelines.stereosync_features import mono
from savg.train.optim import draws
from savg.train.recipe import get_recipe
from savg.train.stereosync import StereoSyncRecipe

CARD = Card("MIT", "random")
SECOND = Fraction(1)


@pytest.fixture(scope="module")
def oobleck() -> Oobleck:
    torch.manual_seed(0)
    return Oobleck(replace(OOBLECKS["tiny"], sample_rate=16_000)).eval()


def audio(samples: int = 16_000) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((2, samples)) * 0.1).astype(np.float32)


def test_mel_latents_of_swapped_channels_are_swapped() -> None:
    torch.manual_seed(0)
    codec = MelCodec(MelVae(VAES["tiny"]).eval(), 16_000)
    filled = codec.filled(audio(), SECOND)
    assert codec.lengths(SECOND) == (32, 16_384) and filled.shape == (2, 16_384)
    assert not filled[:, 16_000:].any()
    moments = codec.encode(filled)
    assert moments.shape == (2, codec.channels, 32) and bool((moments[1] > 0).all())
    swapped = codec.encode(np.ascontiguousarray(filled[::-1]))
    np.testing.assert_allclose(codec.swapped(moments.numpy()), swapped, atol=1e-5)
    assert np.array_equal(
        codec.envelope(mono(filled), SECOND, 5), codec.envelope(mono(filled[::-1]), SECOND, 5)
    )


def test_oobleck_hears_both_channels_and_the_level_of_their_mean_as_audio(oobleck: Oobleck) -> None:
    codec = codec_of(oobleck, 1)
    assert isinstance(codec, OobleckCodec) and codec.rate == 16_000
    assert codec.lengths(Fraction(1, 3)) == (667, 5336)
    filled = codec.filled(audio(), SECOND)
    moments = codec.encode(filled)
    mean, deviation = oobleck.encode(torch.from_numpy(filled)[None])
    assert torch.equal(moments, torch.cat((mean, deviation)))
    level = np.repeat(envelope_audio(mono(filled)[None]), 2, axis=0)
    expected = oobleck.encode(torch.from_numpy(level)[None])[0][0]
    envelope = codec.envelope(mono(filled), SECOND, 4)
    np.testing.assert_allclose(envelope, expected.detach().numpy(), atol=1e-6)
    times = (np.arange(16_000) + 0.5) / 16_000
    drawn = codec.drawn(lambda t: np.interp(t - 3, times, level[0]), 3.0, SECOND, 4)
    np.testing.assert_allclose(drawn, envelope, atol=1e-4)
    assert np.array_equal(codec.envelope(mono(filled[::-1]), SECOND, 4), envelope)
    with torch.inference_mode():
        assert codec.mel(moments[:1]).shape[:3] == (1, 2, 128)


def test_the_envelope_as_audio_follows_the_level() -> None:
    loud_later = np.repeat([[0.1, 0.4], [0.2, 0.2]], 6400, axis=1).astype(np.float32)
    envelope = envelope_audio(loud_later)
    assert envelope.shape == loud_later.shape
    np.testing.assert_allclose(envelope[0, 1000:6000], 0.1, atol=1e-6)
    np.testing.assert_allclose(envelope[0, 7000:], 0.4, atol=1e-6)
    np.testing.assert_allclose(envelope[1], 0.2, atol=1e-6)
    assert (np.diff(envelope[0]) >= -1e-6).all()


def test_the_published_kind_of_network_is_trained_on_oobleck(
    oobleck: Oobleck, tmp_path: Path
) -> None:
    """As the full configuration, in small: a global condition, encoded envelopes, no statistics."""
    tiny = get_recipe("stereosync", "tiny")
    assert isinstance(tiny, StereoSyncRecipe)
    network = stereosync.CONFIGS["tiny"]
    model = replace(
        network, audio=replace(network.audio, overall=32), envelope=4, boxes=False, entry="latents"
    )
    save_component(oobleck, tmp_path / "vae", "oobleck", CARD)
    torch.manual_seed(0)
    base = StereoSync(model)
    save_component(base, tmp_path / "base", "stereosync", CARD)
    clips = ClipFormat(frames=4, fps=8)
    recipe = replace(
        tiny, model=model, vae=str(tmp_path / "vae"), base=str(tmp_path / "base"), semantic="",
        clips=clips, synthetic=replace(tiny.synthetic, clips=(2,)),
    )  # fmt: skip
    data = recipe.open("synthetic", tmp_path)
    trained = recipe.build()
    recipe.fit(trained, data)
    assert isinstance(trained, StereoSync) and bool((trained.latent_std == 1).all())
    assert trained.seconds is not None and base.seconds is not None
    for key, value in base.seconds.state_dict().items():
        assert torch.equal(trained.seconds.state_dict()[key], value)
    batch = recipe.batch(data, draws(2, 2, 0, 0))
    assert batch[0].shape == (2, 2, 4, 1000)
    loss, _ = recipe.loss(trained, batch, 0, 0)
    loss.backward()
    assert trained.control.conv_outs[0].weight.grad is not None  # type: ignore[union-attr]
    with torch.inference_mode():
        scores = recipe.evaluate(trained, data, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file() and np.isfinite(list(scores.values())).all()
    other = replace(recipe, clips=replace(clips, sample_rate=44_100))
    with pytest.raises(CheckpointError, match="4 channels at 44100 Hz, got 4 at 16000 Hz"):
        other.open("synthetic", tmp_path / "other")
