"""Mel filter banks against their formulas and another library's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchaudio.compliance import kaldi

from savg.audio.mel import htk_bands, slaney_bands
from savg.models.mel import CONFIGS, mel_bands


def slaney_hertz(mel: float) -> float:
    """Linear below 1 kHz, then 27 mels for a factor of 6.4."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


@pytest.mark.parametrize("name", ["16k", "44k"])
def test_slaneys_bands_are_triangles_of_area_one_between_their_neighbours(name: str) -> None:
    c = CONFIGS[name]
    top = 15 + 27 * math.log(c.fmax / 1000) / math.log(6.4)
    edges = [slaney_hertz(mel) for mel in np.linspace(0, top, c.num_mels + 2)]
    hertz = np.linspace(0, c.sampling_rate / 2, c.n_fft // 2 + 1)
    expected = np.zeros((c.num_mels, len(hertz)))
    for row in range(c.num_mels):
        corners = edges[row : row + 3]
        expected[row] = np.interp(hertz, corners, [0, 2 / (corners[2] - corners[0]), 0])
    bands = slaney_bands(c.sampling_rate, c.n_fft, c.num_mels, c.fmin, c.fmax)
    assert bands.dtype == torch.float32 and bands.is_contiguous()
    np.testing.assert_allclose(bands, expected, atol=2e-7, rtol=1e-3)
    torch.testing.assert_close(mel_bands(c), bands, atol=0, rtol=0)


def test_htk_bands_are_triangles_between_their_neighbours_centres() -> None:
    filters = htk_bands(16_000, 800, 80, 60.0, 8000.0)
    assert filters.shape == (80, 401) and (filters >= 0).all()
    assert np.allclose(filters.sum(1), 1)
    hertz = np.arange(401) * 20.0
    centres = filters @ hertz
    scale = 2595 * np.log10(1 + centres / 700)
    assert np.abs(np.diff(scale, 2))[40:].max() < 1.5  # evenly spaced in mel
    assert (filters @ np.ones(401) > 0).all() and centres[0] < 100 and centres[-1] > 7500


def test_htk_bands_are_kaldis_scaled_to_sum_to_one() -> None:
    expected, _ = kaldi.get_mel_banks(80, 800, 16_000.0, 60.0, 8000.0, 100.0, -500.0, 1.0)
    filters = htk_bands(16_000, 800, 80, 60.0, 8000.0)
    np.testing.assert_allclose(filters[:, :400], expected / expected.sum(1, True), atol=1e-5)
    assert not filters[:, 400].any()


def test_a_band_narrower_than_a_bin_holds_the_nearest_one() -> None:
    filters = htk_bands(16_000, 64, 40, 60.0, 8000.0)
    assert np.allclose(filters.sum(1), 1)
