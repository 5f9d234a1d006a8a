"""What a camera makes of a view: exposure, white balance, blur, noise, compression.

All of it is drawn from the scene's seed, the same for every frame but the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = 256
"""Frame width in pixels to which blur and noise refer."""


@dataclass(frozen=True)
class Exposure:
    """gains: of red, green and blue; gamma: of the tones; blur: standard deviation in pixels of a frame
    256 wide; noise: standard deviation in levels there; quality: of JPEG, 0 for none."""

    gains: tuple[float, float, float]
    gamma: float
    blur: float
    noise: float
    quality: int

    def table(self) -> NDArray[np.uint8]:
        """The tones as a table [1, 256, 3] for `cv2.LUT`."""
        tones = (np.arange(256) / 255) ** self.gamma
        levels = 255 * tones[:, None] * np.array(self.gains)
        return np.clip(np.round(levels), 0, 255).astype(np.uint8)[None]


def draw_exposure(seed: int, light: tuple[float, float, float]) -> Exposure:
    """The camera of a scene; light: the scene's own factors of red, green and blue."""
    rng = np.random.default_rng([seed, 83])
    exposure = 2 ** rng.uniform(-0.25, 0.3)
    warmth, tint = rng.uniform(-0.05, 0.05), rng.uniform(-0.02, 0.02)
    balance = exposure * np.array([1 + warmth, 1 + tint, 1 - warmth]) * light
    red, green, blue = (float(v) for v in balance)
    quality = int(rng.integers(60, 93)) if rng.random() < 0.4 else 0
    return Exposure(
        (red, green, blue), float(rng.uniform(0.88, 1.15)), float(rng.uniform(0.0, 0.8)),
        float(rng.uniform(0.0, 3.0)), quality,
    )  # fmt: skip


def develop(
    video: NDArray[np.uint8], exposure: Exposure, seed: int, first: int = 0
) -> NDArray[np.uint8]:
    """Frames [F, h, w, 3] as that camera takes them; a new array.

    seed, first: of the scene, and the number of the first frame in it, for the noise.
    """
    frames, height, width, _ = video.shape
    flat = cv2.LUT(video.reshape(frames * height, width, 3), exposure.table())
    made = np.asarray(flat, np.uint8).reshape(video.shape)
    share = width / WIDTH
    sigma = exposure.blur * share
    noise = exposure.noise * min(1.0, share) ** 0.5
    bank = _noise()
    for index in range(frames):
        frame = made[index]
        if sigma > 0.3:
            frame = cv2.GaussianBlur(frame, (5, 5), sigma)
        if noise > 0.3:
            begin = (seed * 7919 + (first + index) * 104729) % max(bank.size - frame.size, 1)
            grain = bank[begin : begin + frame.size]
            if grain.size < frame.size:  # a frame larger than the bank: its noise repeats
                grain = np.resize(grain, frame.size)
            grain = grain.reshape(frame.shape)
            frame = cv2.addWeighted(frame, 1.0, grain, noise / 16, 0.0, dtype=cv2.CV_8U)
        if exposure.quality:
            _, code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, exposure.quality])
            frame = cv2.imdecode(code, cv2.IMREAD_COLOR)
        made[index] = frame
    return made


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    """Smoothed normal noise of standard deviation 16."""
    rng = np.random.default_rng(83)
    grain = rng.standard_normal(2**21 + 4, np.float32)
    soft = grain[:-4] * 0.3 + grain[1:-3] * 0.1 + grain[3:-1]
    return np.ascontiguousarray(16 * soft / soft.std())
