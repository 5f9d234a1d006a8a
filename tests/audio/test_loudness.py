"""Loudness against the standard's own figure, FFmpeg's meter and torchaudio's."""

from __future__ import annotations

import math

import av
import numpy as np
import pytest
import torch
import torchaudio
from numpy.typing import NDArray

from savg.audio.loudness import RATE, common_gain, integrated_loudness, quieter_by, true_peak
from savg.audio.resample import resample

TIME = np.arange(5 * RATE) / RATE


def ffmpeg_loudness(audio: NDArray[np.float64]) -> float:
    """Integrated loudness as the last line that FFmpeg's ebur128 filter writes on its frames."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo")
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(audio.astype(np.float32), "fltp", "stereo")
    frame.sample_rate = RATE
    graph.push(frame)
    graph.push(None)
    last = math.nan
    while True:
        try:
            last = float(graph.pull().metadata.get("lavfi.r128.I", last))
        except (av.error.EOFError, av.error.BlockingIOError):
            return last


def test_a_full_scale_tone_in_one_channel_has_the_standards_loudness() -> None:
    tone = np.stack([np.sin(2 * np.pi * 997 * TIME), np.zeros_like(TIME)])
    assert integrated_loudness(tone) == pytest.approx(-3.01, abs=0.02)
    assert integrated_loudness(tone[[0, 0]]) == pytest.approx(0.0, abs=0.02)
    assert integrated_loudness(0.1 * tone) == pytest.approx(-23.01, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_ffmpeg_on_audio_that_comes_and_goes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    envelope = np.repeat(10 ** rng.uniform(-3.5, -0.7, 20), RATE // 4)
    audio = envelope * np.cumsum(rng.standard_normal((2, 5 * RATE)), axis=1)
    audio = 0.3 * np.diff(audio, prepend=0, axis=1) / np.abs(audio).max()
    assert integrated_loudness(audio) == pytest.approx(ffmpeg_loudness(audio), abs=0.11)


def test_it_agrees_with_torchaudio() -> None:
    """Whose filters are designed from cut-offs instead of taken from the standard's tables."""
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 5 * RATE))
    expected = float(torchaudio.functional.loudness(torch.from_numpy(audio), RATE))
    assert integrated_loudness(audio) == pytest.approx(expected, abs=0.06)


def test_silence_and_short_audio() -> None:
    assert integrated_loudness(np.zeros((2, RATE))) == -math.inf
    assert integrated_loudness(np.zeros((2, 0))) == -math.inf
    short = np.stack([np.sin(2 * np.pi * 997 * TIME[: RATE // 5])] * 2)
    assert integrated_loudness(short) == pytest.approx(0.0, abs=0.1)


def test_true_peak_sees_between_samples() -> None:
    tone = np.sin(2 * np.pi * RATE / 4 * TIME + np.pi / 4)
    assert np.abs(tone).max() == pytest.approx(0.7071, abs=1e-3)
    assert true_peak(np.stack([tone, tone])[:, 100:-100]) == pytest.approx(0.0, abs=0.5)
    assert true_peak(np.zeros((2, 10))) == -math.inf


def test_one_gain_for_all() -> None:
    loudness = np.array([-40.0, -30.0, -26.0, -np.inf])
    assert common_gain(loudness, np.array([-20.0, -15.0, -12.0, -np.inf]), -23.0) == 7.0
    assert common_gain(loudness, np.array([-20.0, -15.0, -3.0, -np.inf]), -23.0) == 2.0
    assert common_gain(np.array([-np.inf]), np.array([-np.inf]), -23.0) == 0.0


def test_only_the_louder_one_is_attenuated() -> None:
    t = np.arange(96_000) / 48_000
    loud = np.stack([0.5 * np.sin(2 * np.pi * 997 * t)] * 2).astype(np.float32)
    assert quieter_by(loud, loud / 2) == (pytest.approx(6.02, abs=0.02), 0.0)
    assert quieter_by(loud / 2, loud) == (0.0, pytest.approx(6.02, abs=0.02))
    assert quieter_by(loud, np.zeros_like(loud)) == (0.0, 0.0)
    slow = loud[:, ::3]
    assert integrated_loudness(resample(slow, 16_000, RATE)) == pytest.approx(
        integrated_loudness(loud), abs=0.1
    )
