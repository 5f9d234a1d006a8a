"""Periodicity of a pulse train, of its harmonics with other phases, and of noise."""

from __future__ import annotations

import math

import pytest
import torch

from savg.audio.periodicity import periodicity

RATE = 16_000


def harmonics(random_phases: bool, hertz: float = 125.0) -> torch.Tensor:
    """A second of 60 harmonics of equal level, as pulses or with random phases."""
    time = torch.arange(RATE) / RATE
    phases = torch.rand(60, generator=torch.Generator().manual_seed(0)) * 2 * math.pi
    waves = [
        torch.cos(2 * math.pi * hertz * (k + 1) * time + phases[k] * random_phases)
        for k in range(60)
    ]
    return 0.01 * torch.stack(waves).sum(0)


def test_pulses_are_told_from_the_same_harmonics_out_of_step() -> None:
    true = harmonics(random_phases=False)
    own = periodicity(true, true, RATE)
    generator = torch.Generator().manual_seed(1)
    drift = torch.cumsum(torch.randn(RATE, generator=generator), 0) * 0.06
    smeared = torch.fft.ifft(torch.fft.fft(true) * (torch.fft.fftfreq(RATE) > 0)) * torch.polar(
        torch.ones(RATE), drift
    )
    other = periodicity(smeared.real, true, RATE)
    assert own is not None and other is not None
    assert own.waveform == pytest.approx(1, abs=0.02) and own.pulses > 0.8
    assert other.waveform < own.waveform - 0.1


def test_noise_is_not_periodic_and_has_no_pitch() -> None:
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0)) * 0.1
    true = harmonics(random_phases=False)
    against = periodicity(noise, true, RATE)
    assert against is not None and against.waveform < 0.4 and against.pulses < 0.4
    assert periodicity(true, noise, RATE) is None
    assert periodicity(true, torch.zeros(RATE), RATE) is None


def test_a_level_changes_nothing() -> None:
    true = harmonics(random_phases=True)
    assert periodicity(0.1 * true, true, RATE) == pytest.approx(
        periodicity(true, true, RATE), abs=1e-2
    )
