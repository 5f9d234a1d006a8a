"""Stereo sound as a spectrogram with a panning curve."""

from __future__ import annotations

import pytest
import torch

from savg.data.mel_audio import MelAudio

FORM = MelAudio()
SECONDS = 2


def melody(rate: int = FORM.rate) -> torch.Tensor:
    """Four notes with three harmonics each [T], loud and quiet in turn."""
    t = torch.arange(rate // 2) / rate
    notes = []
    for pitch, loudness in ((220.0, 0.2), (330.0, 0.05), (275.0, 0.2), (440.0, 0.05)):
        waves = [torch.sin(2 * torch.pi * pitch * n * t) / n for n in (1, 2, 3)]
        notes.append(loudness * torch.stack(waves).sum(0) * torch.hann_window(len(t)))
    return torch.cat(notes)


def panned(sound: torch.Tensor, pan: float | torch.Tensor) -> torch.Tensor:
    return torch.stack([sound * (1 + pan), sound * (1 - pan)])


@pytest.mark.parametrize("pan", [-0.6, 0.0, 0.35])
def test_the_panning_is_read_and_given_back(pan: float) -> None:
    image = FORM.encode(panned(melody(), pan))
    assert image.shape == (96, SECONDS * 80)
    assert torch.allclose(image[80:], torch.tensor(pan * FORM.pan_gain), atol=1e-3)
    left, right = FORM.decode(image).square().mean(-1).sqrt()
    found = (left - right) / (left + right)
    assert abs(float(found) - pan) < 0.06


def test_a_moving_source_moves() -> None:
    sound = melody()
    image = FORM.encode(panned(sound, torch.linspace(-0.5, 0.5, len(sound))))
    curve = image[80] / FORM.pan_gain
    assert (curve.diff() > -0.02).all()
    assert curve[10] < -0.3 and curve[-10] > 0.3


def test_the_spectrogram_of_the_decoded_sound_is_the_one_asked_for() -> None:
    image = FORM.encode(panned(melody(), 0.2))
    again = FORM.encode(FORM.decode(image))
    loud = image[:80] > 0
    assert loud.float().mean() > 0.05
    assert float((again - image)[:80][loud].abs().mean()) < 0.15
    assert float((again - image)[80:].abs().mean()) < 0.1 * FORM.pan_gain


def test_clips_of_a_batch_do_not_touch_each_other_and_nothing_is_random() -> None:
    images = torch.randn(3, 96, 40, generator=torch.Generator().manual_seed(0))
    together = FORM.decode(images)
    torch.manual_seed(5)
    alone = torch.stack([FORM.decode(one) for one in images])
    assert together.shape == (3, 2, 8000)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


def test_silence_and_wild_values_stay_finite() -> None:
    silent = FORM.encode(torch.zeros(2, 4000))
    assert torch.isfinite(silent).all() and float(FORM.decode(silent).abs().max()) < 0.02
    assert torch.isfinite(FORM.decode(torch.full((96, 20), 50.0))).all()


def test_impossible_settings_are_named() -> None:
    with pytest.raises(ValueError, match="two hops"):
        MelAudio(window=300)
    with pytest.raises(ValueError, match="below half of the rate"):
        MelAudio(lowest=9000.0)
    with pytest.raises(ValueError, match="no multiple of 200"):
        FORM.encode(torch.zeros(2, 4001))
