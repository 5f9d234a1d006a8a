"""Faults of channels: each one made, and ordinary stereo without any."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from savg.audio.channel_faults import KINDS, channel_faults, clipped_share
from savg.geometry import stereo_gains

RATE = 16_000


def noise(seed: int, channels: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, (channels, RATE)).astype(np.float32)


def panned(azimuth: float) -> NDArray[np.float32]:
    room = noise(1) * 0.15
    return (stereo_gains(azimuth)[:, None] * noise(0, 1) + room).astype(np.float32)


def kinds(audio: NDArray[np.float32]) -> list[str]:
    faults = channel_faults(audio, RATE)
    assert all(fault.sentence.endswith(".") and fault.kind in KINDS for fault in faults)
    return [fault.kind for fault in faults]


@pytest.mark.parametrize(
    "audio",
    [panned(0), panned(60), panned(-85), noise(3), noise(4, 1) * np.array([[1.0], [0.3]])],
    ids=["centre", "left", "far right", "unrelated", "one signal panned"],
)
def test_ordinary_stereo_has_no_fault(audio: NDArray[np.float32]) -> None:
    assert kinds(audio) == []


def test_each_fault_is_named() -> None:
    silent = np.zeros((2, RATE), np.float32)
    assert kinds(silent) == ["silent"] and kinds(silent[:, :0]) == ["silent"]
    assert kinds(silent + 0.02) == ["equal", "offset", "offset"]
    left_only = np.stack([noise(0)[0], silent[0]])
    assert kinds(left_only) == ["missing"]
    assert "right channel is missing" in channel_faults(left_only, RATE)[0].sentence
    assert "left channel is missing" in channel_faults(left_only[::-1], RATE)[0].sentence
    assert kinds(noise(0, 1).repeat(2, axis=0)) == ["equal"]
    opposite = panned(20) * np.array([[1.0], [-1.0]], np.float32)
    assert kinds(opposite) == ["opposite"]
    offset = panned(20) + np.array([[0.0], [0.03]], np.float32)
    assert kinds(offset) == ["offset"]
    assert channel_faults(offset, RATE)[0].sentence.startswith(
        "The right channel is off zero by +0.03"
    )


def test_clipping_is_samples_in_a_row_at_full_scale() -> None:
    loud = np.clip(panned(20) * 8, -1, 1)
    assert kinds(loud) == ["clipping"]
    left, right = (clipped_share(channel) for channel in loud)
    assert left > right > 0 and f"{left:.2%} left" in channel_faults(loud, RATE)[0].sentence
    channel = np.zeros(100)
    channel[[3, 10, 11, 20, 21, 22, 97, 98, 99]] = 1.0
    channel[[50, 51, 52, 53]] = -1.0
    channel[54] = 1.0
    assert clipped_share(channel) == pytest.approx((3 + 3 + 4) / 100)
    peaks = panned(20)
    peaks[0, ::100] = 1.0  # single samples are peaks
    assert kinds(peaks) == []
