"""What audio backbones hear: views, windows, and features put back where they belong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from savg.features.signals import describe, views_at, windows
from tests.features.audio_clips import clip_of, sounding_clip


def test_views_are_of_the_resampled_channels() -> None:
    left, right, mid, side = views_at(sounding_clip(0, 1.0, 16_000), 44_100)
    assert left.shape == (44_100,) and left.dtype == np.float32
    np.testing.assert_allclose(mid + side, left, atol=1e-6)
    np.testing.assert_allclose(mid - side, right, atol=1e-6)
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    heard = views_at(clip_of(np.stack([0.5 * tone, -0.5 * tone])), 44_100)
    assert np.abs(heard[2]).max() < 1e-6
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    assert np.abs(heard[3] - expected)[2000:-2000].max() < 1e-3


@pytest.mark.parametrize(
    ("samples", "starts"),
    [(1, [0]), (10, [0]), (11, [0, 1]), (20, [0, 10]), (25, [0, 8, 15])],
)
def test_windows_cover_the_audio_evenly(samples: int, starts: list[int]) -> None:
    audio = np.arange(2 * samples, dtype=np.float32).reshape(2, samples)
    cut = windows(audio, 10)
    assert [int(window[0, 0]) for window in cut] == starts
    assert all(window.shape == (2, min(10, samples)) for window in cut)
    assert set(np.concatenate(cut, axis=1)[0]) == set(audio[0])


@pytest.mark.parametrize("samples_at_once", [1, 13, 1000])
def test_features_return_to_their_clip_view_and_window(samples_at_once: int) -> None:
    rng = np.random.default_rng(0)
    clips = [
        [rng.normal(size=(4, 5)).astype(np.float32) for _ in range(3)],
        [rng.normal(size=(4, 7)).astype(np.float32)],
        [rng.normal(size=(1, 5)).astype(np.float32) for _ in range(2)],
    ]
    sizes = []

    def network(signals: torch.Tensor) -> torch.Tensor:
        sizes.append(signals.numel())
        return torch.stack([signals.sum(1), signals[:, 0]], 1)

    features = describe(clips, network, torch.device("cpu"), samples_at_once)
    assert max(sizes) <= max(samples_at_once, 7)
    for clip, values in zip(clips, features, strict=True):
        assert values.shape == (len(clip[0]), len(clip), 2) and values.dtype == np.float32
        for place, window in enumerate(clip):
            np.testing.assert_allclose(values[:, place, 0], window.sum(1), rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(values[:, place, 1], window[:, 0])
