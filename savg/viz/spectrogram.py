"""Interactive spectrograms of both channels on one colour scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.viz.plots import apply_theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

WINDOW_SECONDS = 0.064
LOWEST_HZ = 60.0
RANGE_DB = 70.0
"""From the loudest band down to the darkest colour."""

_FLOOR_DB = -120.0


def log_spectrogram(
    audio: NDArray[np.float32], sample_rate: int, bands: int = 72, columns: int = 500
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Level [channels, bands, columns] in dB, band centres in Hz, and column times in seconds.

    audio: [channels, samples]. Bands are equally wide in the logarithm of frequency, from 60 Hz to
    half the sampling rate; a level is the mean power density of the band, where a full-scale sine
    has a density of 0 dB in its own bin. At most `columns` columns, at least 10 ms apart.
    """
    samples = audio.shape[1]
    size = 1 << round(np.log2(WINDOW_SECONDS * sample_rate))
    hop = max(sample_rate // 100, -(-samples // columns), 1)
    padded = np.pad(np.asarray(audio, np.float64), ((0, 0), (size // 2, size)))
    starts = np.arange(0, max(samples, 1), hop)
    window = np.hanning(size + 1)[:-1]
    pieces = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, starts]
    amplitude = np.abs(np.fft.rfft(pieces * window, axis=2)) / (window.sum() / 2.0)
    power = np.square(amplitude)
    edges = np.geomspace(LOWEST_HZ, sample_rate / 2.0, bands + 1)
    level = 10.0 * np.log10(np.maximum(_band_means(power, edges, sample_rate), 1e-12))
    centres = np.sqrt(edges[:-1] * edges[1:])
    return np.swapaxes(level, 1, 2), centres, starts / sample_rate


def _band_means(
    power: NDArray[np.float64], edges: NDArray[np.float64], sample_rate: int
) -> NDArray[np.float64]:
    """Mean of power [..., bins], taken as piecewise linear in frequency, between band edges."""
    bins = np.linspace(0.0, sample_rate / 2.0, power.shape[-1])
    step = bins[1]
    area = np.zeros_like(power)
    np.cumsum((power[..., 1:] + power[..., :-1]) * (step / 2.0), axis=-1, out=area[..., 1:])
    index = np.minimum((edges / step).astype(int), len(bins) - 2)
    part = edges - bins[index]
    low, high = power[..., index], power[..., index + 1]
    reached = area[..., index] + part * (low + (high - low) * part / (2.0 * step))
    return np.diff(reached, axis=-1) / np.diff(edges)


def spectrograms(clip: Clip, *, dark: bool = False) -> go.Figure:
    """Left above right: time in seconds, frequency in Hz (logarithmic), level in dB."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    level, frequency, time = log_spectrogram(clip.audio, clip.format.sample_rate)
    top = max(float(np.ceil(level.max())), _FLOOR_DB + RANGE_DB)
    shown = np.round(np.maximum(level, top - RANGE_DB)).astype(np.int8)
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.1,
        subplot_titles=("left channel", "right channel"),
    )
    for row, (name, values) in enumerate(zip(("left", "right"), shown, strict=True), 1):
        hover = "%{x:.2f} s, %{y:.0f} Hz: %{z} dB<extra>" + name + "</extra>"
        trace = go.Heatmap(
            x=time.astype(np.float32),
            y=frequency.astype(np.float32),
            z=values,
            coloraxis="coloraxis",
            hovertemplate=hover,
        )
        figure.add_trace(trace, row=row, col=1)
    ticks = [f for f in (100, 300, 1000, 3000, 10_000) if f < clip.format.sample_rate / 2]
    words = [f"{f // 1000}k" if f >= 1000 else str(f) for f in ticks]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=words, title_text="Hz")
    figure.update_xaxes(range=[0, clip.format.seconds])
    figure.update_xaxes(title_text="time, s", row=2, col=1)
    bar = {"title": {"text": "dB"}, "thickness": 10, "len": 0.9, "xpad": 4}
    scale = {"colorscale": "Cividis", "cmin": top - RANGE_DB, "cmax": top, "colorbar": bar}
    figure.update_layout(coloraxis=scale)
    return apply_theme(figure, dark, 440)
