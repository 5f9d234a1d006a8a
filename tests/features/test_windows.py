"""Frames that video backbones see of clips of any length."""

from __future__ import annotations

import numpy as np
import torch

from savg.features.windows import describe, parts, stretched, windows


def numbered(frames: int, side: int = 2) -> np.ndarray:
    """A video whose frames are their numbers."""
    video = np.zeros((frames, side, side, 3), np.uint8)
    video += np.arange(frames, dtype=np.uint8)[:, None, None, None]
    return video


def numbers(video: np.ndarray) -> list[int]:
    return video[:, 0, 0, 0].tolist()


def test_short_videos_have_their_frames_repeated_evenly() -> None:
    assert numbers(stretched(numbered(3), 9)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert numbers(stretched(numbered(4), 9)) == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert numbers(stretched(numbered(1), 2)) == [0, 0]
    assert numbers(stretched(numbered(9), 9)) == list(range(9))
    assert numbers(stretched(numbered(10), 9)) == list(range(10))


def test_long_videos_come_in_equal_parts() -> None:
    assert [numbers(p) for p in parts(numbered(7), 3)] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [numbers(p) for p in parts(numbered(3), 3)] == [[0, 1, 2]]


def test_windows_cover_the_video() -> None:
    assert [numbers(w) for w in windows(numbered(5), 3)] == [[0, 1, 2], [2, 3, 4]]
    assert [numbers(w) for w in windows(numbered(6), 3)] == [[0, 1, 2], [3, 4, 5]]
    assert [numbers(w) for w in windows(numbered(2), 4)] == [[0, 0, 1, 1]]
    for frames in range(1, 60):
        seen = {n for w in windows(numbered(frames), 16) for n in numbers(w)}
        assert seen == set(range(frames))


def test_batches_hold_one_shape_and_bounded_frames() -> None:
    shapes = []

    def network(videos: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(videos.shape[:3]))
        return videos.double().mean((1, 2, 3)) + torch.arange(3)

    clips = [[numbered(4)], [numbered(4), numbered(4)], [numbered(9)], [numbered(4, 3)]]
    features = describe(clips, network, torch.device("cpu"), frames_at_once=8)
    assert shapes == [(2, 4, 2), (1, 4, 2), (1, 9, 2), (1, 4, 3)]
    assert [f.shape for f in features] == [(1, 3), (2, 3), (1, 3), (1, 3)]
    assert all(f.dtype == np.float32 for f in features)
    np.testing.assert_array_equal(features[1], [[1.5, 2.5, 3.5]] * 2)
    np.testing.assert_array_equal(features[2], [[4, 5, 6]])
    assert describe([], network, torch.device("cpu"), 8) == []
