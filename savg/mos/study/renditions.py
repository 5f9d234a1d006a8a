"""A clip as listeners see and hear it: shown rows, audio of anchors, requests of catch trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.media.probe import video_info

_ROWS_OVER = 1.5
"""Rows that may be missing of frames that are not quite 16:9, such as 1920×1088."""


def shown_rows(clip: Clip, path: Path) -> NDArray[np.uint8]:
    """The rows of a clip's frames that listeners see: all that its file shows.

    Those of the picture for files of 16:9 or wider, and for square ones with dark padding, as clips are
    published and generated; the whole frame for others, such as portrait videos.
    """
    info, format = video_info(path), clip.format
    rows = format.size * min(1.0, info.height / info.width)
    square = info.width == info.height
    if rows <= format.picture_height + _ROWS_OVER or (square and clip.has_dark_padding):
        return clip.picture
    return clip.video


def anchor_audio(audio: NDArray[np.float32], variant: str) -> NDArray[np.float32]:
    """Audio float32 [2, T] "as_is", with channels "swapped", or "mono": their mean in both channels."""
    if variant == "swapped":
        return np.ascontiguousarray(audio[::-1])
    if variant == "mono":
        return np.ascontiguousarray(np.broadcast_to(audio.mean(axis=0), audio.shape))
    return audio


def catch_frame(frame: NDArray[np.uint8], score: int, scores: int) -> NDArray[np.uint8]:
    """A frame uint8 [H, W, 3] with a request for `score` of 1..`scores` in large letters on a band."""
    import cv2

    height, width = frame.shape[:2]
    frame_out = frame.copy()
    frame_out[height // 4 : -(height // 4)] //= 8
    scale = width / SAVGBENCH.size
    for text, size, row in (("PLEASE CHOOSE", 0.7, 0.45), (f"{score} OF {scores}", 0.9, 0.68)):
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size * scale, 2)
        at = ((width - wide) // 2, round(row * height))
        cv2.putText(
            frame_out,
            text,
            at,
            cv2.FONT_HERSHEY_SIMPLEX,
            size * scale,
            (255, 255, 255),
            max(1, round(2 * scale)),
            cv2.LINE_AA,
        )
    return frame_out
