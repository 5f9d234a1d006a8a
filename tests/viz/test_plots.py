"""Timeline and spectrograms: contents of the figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from savg.annotation import MARGIN, Alignment, Boxes, SoundEvents
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.viz import palette
from savg.viz.spectrogram import LOWEST_HZ, log_spectrogram, spectrograms
from savg.viz.timeline import timeline


def tone_clip(hertz: float = 1000.0, right: float = 0.25) -> Clip:
    format = SAVGBENCH
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(format.samples) / format.sample_rate)
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    return Clip(video, np.stack([tone, right * tone]).astype(np.float32))


@pytest.fixture
def figure():  # type: ignore[no-untyped-def]
    boxes = Boxes(np.array([0, 7]), np.zeros(2), np.array([[10, 60, 50, 190], [200, 60, 250, 190]]))
    events = SoundEvents(np.array([0, 4, 20]), np.array([0, 1, 0]), np.array([30.0, 128, 300]))
    return timeline(tone_clip(), boxes, events, Alignment(np.array([True, True, False])))


def traces(figure, name: str, kind: str) -> list:  # type: ignore[no-untyped-def]
    return [t for t in figure.data if t.name.startswith(name) and t.type == kind]


def test_boxes_are_extents_over_their_frame(figure) -> None:  # type: ignore[no-untyped-def]
    (people,) = traces(figure, "person", "bar")
    left = np.asarray(people.x) - np.asarray(people.width) / 2
    np.testing.assert_allclose(left, [0.0, 1.75])
    np.testing.assert_allclose(np.asarray(people.base, float), [10, 200])
    np.testing.assert_allclose(people.y, [40, 50])


def test_bands_and_marks_show_the_judgement_without_colour(figure) -> None:  # type: ignore[no-untyped-def]
    symbols, shapes = {}, {}
    for word in ("TP", "FN"):
        (marks,), (band,) = traces(figure, word, "scatter"), traces(figure, word, "bar")
        symbols[word], shapes[word] = marks.marker.symbol, band.marker.pattern.shape
        np.testing.assert_allclose(np.asarray(band.base, float) + MARGIN, marks.y)
        np.testing.assert_allclose(band.y, 80.0)
    assert symbols["TP"] != symbols["FN"] and shapes["TP"] != shapes["FN"]
    (marks,) = traces(figure, "TP", "scatter")
    np.testing.assert_allclose(marks.x, [0.05, 0.45])
    assert list(marks.text) == ["speech", "instrument"]


def test_left_is_at_the_top_as_the_axis_says(figure) -> None:  # type: ignore[no-untyped-def]
    low, high = figure.layout.yaxis.range
    assert low > high and "left at the top" in figure.layout.yaxis.title.text
    assert low >= 300 + MARGIN


def test_levels_share_the_time_axis(figure) -> None:  # type: ignore[no-untyped-def]
    left, right = (traces(figure, side, "scatter")[0] for side in ("left", "right"))
    np.testing.assert_allclose(np.asarray(left.y) - np.asarray(right.y), 12.04, atol=0.01)
    assert left.line.dash != right.line.dash
    assert figure.layout.xaxis.matches == "x2" or figure.layout.xaxis2.matches == "x"
    assert tuple(figure.layout.xaxis.range) == (0, 5)


@pytest.mark.parametrize("dark", [False, True])
def test_empty_tables_and_themes(dark: bool) -> None:
    no_judgement = Alignment(np.zeros(0, bool))
    bare = timeline(tone_clip(), Boxes.empty(), SoundEvents.empty(), no_judgement, dark=dark)
    assert json.loads(bare.to_json())["layout"]["yaxis"]["range"] == [256.0, 0.0]
    ink = palette.rgb(bare.layout.font.color)
    assert (sum(ink) > 380) == dark


def test_a_tone_lies_in_its_band_at_its_level() -> None:
    level, frequency, time = log_spectrogram(tone_clip(1000.0).audio, 16_000)
    assert level.shape == (2, len(frequency), len(time)) and len(time) == 500
    assert time[1] == pytest.approx(0.01)
    loudest = level[0, :, 100:400].mean(axis=1).argmax()
    step = frequency[1] / frequency[0]
    assert 1 / step < frequency[loudest] / 1000.0 < step
    inner = level[:, loudest, 100:400]
    np.testing.assert_allclose(inner[0] - inner[1], 12.04, atol=0.01)


def test_band_levels_keep_the_energy_of_white_noise() -> None:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((1, 160_000)).astype(np.float32)
    level, frequency, _ = log_spectrogram(noise, 16_000)
    density = (10 ** (level[0] / 10)).mean(axis=1)
    # The mean power in one bin of a Hann window of size n, over that of a full-scale sine's peak.
    window = np.hanning(1025)[:-1]
    expected = 0.01 * (window**2).sum() / (window.sum() / 2) ** 2
    np.testing.assert_allclose(density[3:-1], expected, rtol=0.25)
    assert frequency[0] > LOWEST_HZ and frequency[-1] < 8000


def test_both_channels_have_one_colour_scale() -> None:
    figure = spectrograms(tone_clip())
    assert [t.coloraxis for t in figure.data] == ["coloraxis", "coloraxis"]
    left, right = (np.asarray(t.z) for t in figure.data)
    scale = figure.layout.coloraxis
    assert scale.cmin <= min(left.min(), right.min()) and scale.cmax >= left.max()
    assert left.max() - right.max() == pytest.approx(12, abs=1)
    assert figure.layout.yaxis.type == figure.layout.yaxis2.type == "log"
    assert len(figure.to_json()) < 300_000


def test_silence_has_a_spectrogram() -> None:
    format = SAVGBENCH
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    figure = spectrograms(Clip(video, np.zeros((2, format.samples), np.float32)), dark=True)
    scale = figure.layout.coloraxis
    assert np.isfinite([scale.cmin, scale.cmax]).all() and scale.cmax > scale.cmin
