"""How periodic audio is where a reference is: what wrong phases take from voices and notes.

Autocorrelations of short frames, divided by the window's own (Boersma 1993). Of the waveform they say
how clean the harmonics are; of the envelope of a band of high frequencies whether its sound still comes
in pulses of the pitch. Phases that do not fit each other smear the pulses, and a voice murmurs.

Shapes: T samples, F frames, L lags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

FRAME_SECONDS, HOP_SECONDS = 0.04, 0.016
LOWEST_HZ, HIGHEST_HZ = 62.5, 500.0
BAND = 2000.0, 4000.0
"""Of the envelope, in Hz."""
PERIODIC = 0.6
"""Autocorrelation from which a frame of the reference has a pitch."""
LOUD = 1e-3
"""Energy of such a frame, relative to the loudest."""
FEWEST = 10
"""Frames with a pitch below which nothing is said."""
NEAR = 0.03
"""Relative difference of periods within which the highest autocorrelation counts."""


class Periodicity(NamedTuple):
    """Mean autocorrelation at the period of the reference: of the waveform, and of the envelope."""

    waveform: float
    pulses: float


def periodicity(audio: Tensor, reference: Tensor, rate: int) -> Periodicity | None:
    """Of audio [T] where the reference [T] has a pitch; None where that has none.

    rate: samples a second. The reference against itself is the most that can be reached.
    """
    import torch

    lags, energy = _autocorrelation(reference, rate)
    first = round(rate / HIGHEST_HZ)
    height, period = lags[:, first:].max(-1)
    pitched = (height > PERIODIC) & (energy > LOUD * energy.max())
    if int(pitched.sum()) < FEWEST:
        return None
    period = period[pitched] + first
    reach = torch.arange(lags.shape[-1], device=audio.device)
    near = (reach - period[:, None]).abs() <= torch.clamp(NEAR * period, min=1.0)[:, None]

    def mean(signal: Tensor) -> float:
        own = _autocorrelation(signal, rate)[0][pitched]
        return float(own.masked_fill(~near, -torch.inf).amax(-1).mean())

    return Periodicity(mean(audio), mean(_envelope(audio, rate)))


def _autocorrelation(audio: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """Of frames of audio [T]: [F, L] relative to lag 0, and their energies [F]."""
    import torch
    from torch.nn.functional import pad

    size, hop = round(FRAME_SECONDS * rate), round(HOP_SECONDS * rate)
    frames = pad(audio.double(), (size // 2, size // 2)).unfold(-1, size, hop)
    window = torch.hann_window(size, device=audio.device, dtype=torch.float64)
    frames = (frames - frames.mean(-1, keepdim=True)) * window
    most = round(rate / LOWEST_HZ)

    def lags(x: Tensor) -> Tensor:
        power = torch.fft.rfft(x, 2 * size).abs().square()
        return torch.fft.irfft(power, 2 * size)[..., : most + 1]

    own, energy = lags(window), frames.square().sum(-1)
    return lags(frames) / (energy[:, None] + 1e-9) / (own / own[0]), energy


def _envelope(audio: Tensor, rate: int) -> Tensor:
    """The envelope [T] of the band."""
    import torch

    hertz = torch.fft.fftfreq(audio.shape[-1], 1 / rate, device=audio.device)
    inside = (hertz > BAND[0]) & (hertz < BAND[1])
    return torch.fft.ifft(torch.fft.fft(audio.double()) * inside).abs()
