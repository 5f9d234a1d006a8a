"""Filter banks that gather the bins of a spectrum into mel bands, [bands, n_fft / 2 + 1].

Bin k is at k · sample_rate / n_fft Hz; bands lie between `lowest` and `highest` Hz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def slaney_bands(sample_rate: int, n_fft: int, bands: int, lowest: float, highest: float) -> Tensor:
    """Triangles in Hz, centred evenly on Slaney's mel scale and of area 1, float32 (torchaudio's).

    The scale is linear below 1 kHz and logarithmic above (Slaney 1998; the defaults of librosa).
    """
    from torchaudio.functional import melscale_fbanks

    bins = n_fft // 2 + 1
    table = melscale_fbanks(bins, lowest, highest, bands, sample_rate, "slaney", "slaney")
    return table.T.contiguous()


def htk_triangles(
    sample_rate: int, n_fft: int, bands: int, lowest: float, highest: float
) -> NDArray[np.float64]:
    """Triangles on the HTK mel scale itself, each 1 at its centre."""
    at = _htk_mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)[None]
    low, centre, high = _htk_edges(bands, lowest, highest)
    return np.maximum(np.minimum((at - low) / (centre - low), (high - at) / (high - centre)), 0)


def htk_bands(
    sample_rate: int, n_fft: int, bands: int, lowest: float, highest: float
) -> NDArray[np.float64]:
    """Triangles on the HTK mel scale itself, each summing to 1; narrow ones hold one bin at least.

    Kaldi's version. torchaudio has it only in float32, whose rounding grows to audible differences in
    the iterations that invert the bands (0.002 in samples of the bundled pipeline's clips).
    """
    table = htk_triangles(sample_rate, n_fft, bands, lowest, highest)
    at = _htk_mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)[None]
    _, centre, _ = _htk_edges(bands, lowest, highest)
    empty = table.sum(1) < 1e-9
    table[empty, np.abs(at - centre).argmin(1)[empty]] = 1.0
    return table / table.sum(1, keepdims=True)


def _htk_mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)


def _htk_edges(bands: int, lowest: float, highest: float) -> tuple[NDArray[np.float64], ...]:
    """Lower edge, centre and upper edge of each band, [bands, 1], in mel."""
    edges = np.linspace(_htk_mel(lowest), _htk_mel(highest), bands + 2)
    return edges[:-2, None], edges[1:-1, None], edges[2:, None]
