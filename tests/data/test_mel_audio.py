"""Stereo audio as a spectrogram with a panning curve."""

from __future__ import annotations

import pytest
import torch

from savg.data.mel_audio import MelAudio
from savg.models.griffin_lim import CONFIGS, GriffinLim
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram

CODEC = MelAudio()
SECONDS = 2


def melody(rate: int = CODEC.rate) -> torch.Tensor:
    """Four notes with three harmonics each [T], loud and quiet in turn."""
    t = torch.arange(rate // 2) / rate
    notes = []
    for pitch, loudness in ((220.0, 0.2), (330.0, 0.05), (275.0, 0.2), (440.0, 0.05)):
        waves = [torch.sin(2 * torch.pi * pitch * n * t) / n for n in (1, 2, 3)]
        notes.append(loudness * torch.stack(waves).sum(0) * torch.hann_window(len(t)))
    return torch.cat(notes)


def panned(audio: torch.Tensor, pan: float | torch.Tensor) -> torch.Tensor:
    return torch.stack([audio * (1 + pan), audio * (1 - pan)])


@pytest.mark.parametrize("pan", [-0.6, 0.0, 0.35])
def test_the_panning_is_encoded_and_restored(pan: float) -> None:
    image = CODEC.encode(panned(melody(), pan))
    assert image.shape == (96, SECONDS * 80)
    assert torch.allclose(image[80:], torch.tensor(pan * CODEC.pan_gain), atol=1e-3)
    left, right = CODEC.decode(image).square().mean(-1).sqrt()
    decoded = (left - right) / (left + right)
    assert abs(float(decoded) - pan) < 0.06


def test_a_moving_source_moves() -> None:
    mono = melody()
    image = CODEC.encode(panned(mono, torch.linspace(-0.5, 0.5, len(mono))))
    curve = image[80] / CODEC.pan_gain
    assert (curve.diff() > -0.02).all()
    assert curve[10] < -0.3 and curve[-10] > 0.3


def test_the_decoded_audio_has_the_encoded_spectrogram() -> None:
    image = CODEC.encode(panned(melody(), 0.2))
    restored = CODEC.encode(CODEC.decode(image))
    loud = image[:80] > 0
    assert loud.float().mean() > 0.05
    assert float((restored - image)[:80][loud].abs().mean()) < 0.15
    assert float((restored - image)[80:].abs().mean()) < 0.1 * CODEC.pan_gain


def test_clips_of_a_batch_are_independent_and_decoding_is_deterministic() -> None:
    images = torch.randn(3, 96, 40, generator=torch.Generator().manual_seed(0))
    together = CODEC.decode(images)
    torch.manual_seed(5)
    alone = torch.stack([CODEC.decode(one) for one in images])
    assert together.shape == (3, 2, 8000)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


def test_silence_and_extreme_values_stay_finite() -> None:
    silent = CODEC.encode(torch.zeros(2, 4000))
    assert torch.isfinite(silent).all() and float(CODEC.decode(silent).abs().max()) < 0.02
    assert torch.isfinite(CODEC.decode(torch.full((96, 20), 50.0))).all()


def test_impossible_settings_are_named() -> None:
    with pytest.raises(ValueError, match="window must be ≥ two hops, got 300"):
        MelAudio(window=300)
    with pytest.raises(ValueError, match="below half of the rate"):
        MelAudio(lowest=9000.0)
    with pytest.raises(ValueError, match="multiple of 200, got 4001"):
        CODEC.encode(torch.zeros(2, 4001))


@torch.no_grad()
def test_a_vocoder_gives_phases_and_keeps_spectrogram_and_panning() -> None:
    vocoder = GriffinLim(CONFIGS["full"])
    image = CODEC.encode(panned(melody(), 0.2))
    audio = CODEC.decode(image, vocoder)
    assert audio.shape == (2, 2 * CODEC.rate)
    assert float((audio - CODEC.decode(image)).abs().max()) > 1e-2
    restored = CODEC.encode(audio)
    loud = image[:80] > 0
    assert float((restored - image)[:80][loud].abs().mean()) < 0.2
    assert float((restored - image)[80:].abs().mean()) < 0.1 * CODEC.pan_gain
    images = torch.stack([image, 0.5 * image])
    torch.testing.assert_close(CODEC.decode(images, vocoder)[0], audio, atol=1e-3, rtol=1e-2)


@torch.no_grad()
def test_what_a_vocoder_gets_is_the_published_spectrogram() -> None:
    """Of the middle signal, on the grid of the other spectrogram."""
    received = []

    def vocoder(mel: torch.Tensor) -> torch.Tensor:
        received.append(mel)
        return torch.zeros(1, 1, mel.shape[-1] * 256)

    audio = panned(melody(), 0.2)
    CODEC.decode(CODEC.encode(audio), vocoder)
    expected = MelSpectrogram(MELS["16k"])(audio.mean(0))
    (mel,) = received
    assert mel.shape == (1, 80, 125)
    assert mel.shape[-1] == expected.shape[-1]
    loud = expected > expected.max() - 1.5
    near, early, late = (
        float((mel[0].roll(k, -1) - expected)[loud].abs().mean()) for k in (0, -1, 1)
    )
    assert near < 0.15 and near < min(early, late)
