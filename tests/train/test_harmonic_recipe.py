"""The recipe of the vocoder with a source: pitch, modulations, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from savg.models.harmonic_vocoder import CONFIGS, pulse_train
from savg.train.harmonic_vocoder import modulation_distance, pitch_of
from savg.train.optim import draws
from savg.train.recipe import get_recipe


@pytest.mark.parametrize("hertz", [80.0, 220.0, 523.0, 1318.0])
def test_the_pitch_of_pulses_is_found(hertz: float) -> None:
    config = CONFIGS["demo"]
    pulses = 0.02 * pulse_train(torch.full((1, 32), hertz), config.hop, 16_000)
    bins, sure = pitch_of(pulses, config)
    step = (config.highest / config.lowest) ** (1 / (config.pitches - 1))
    found = config.lowest * step ** bins[0, 4:-4].float()
    assert float((found / hertz).log2().abs().max()) < 1.5 / 48
    assert float(sure[0, 4:-4].min()) > 0.9


def test_noise_and_silence_have_no_pitch() -> None:
    noise = 0.1 * torch.randn(1, 8192, generator=torch.Generator().manual_seed(0))
    assert float(pitch_of(noise, CONFIGS["demo"])[1].mean()) < 0.1
    assert not pitch_of(torch.zeros(1, 8192), CONFIGS["demo"])[1].any()


def test_modulations_do_not_ask_where_pulses_stand() -> None:
    hertz = torch.full((1, 64), 150.0)
    pulses = 0.02 * pulse_train(hertz, 256, 16_000)
    noise = torch.randn(pulses.shape, generator=torch.Generator().manual_seed(0)) * pulses.std()
    own, shifted, other = (
        float(modulation_distance(x, pulses)) for x in (pulses, pulses.roll(37, 1), noise)
    )
    assert own == 0 and shifted < 0.15 * other


def test_it_learns_one_clip_and_scores_itself(tmp_path: Path) -> None:
    recipe = get_recipe("vocoder", "harmonic_tiny")
    data = recipe.open("synthetic", tmp_path)
    recipe = replace(recipe, gain_db=0.0)
    torch.manual_seed(0)
    model = recipe.build()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    batch = recipe.batch(data, draws(1, 2, 0, 0))
    losses = []
    for step in range(60):
        loss, scalars = recipe.loss(model, batch, step, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
    assert losses[-1] < 0.85 * losses[0]
    assert set(scalars) == {"mel", "spectral", "pitch", "modulation", "pitch_right"}
    with torch.inference_mode():
        scores = recipe.evaluate(model, data, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file() and scores["mel_error"] < 1
