"""Augmentation of images for training: shift, scale, mirror, colour, mosaics and degradation.

Images are uint8 [h, w, 3] RGB; boxes are corners x0, y0, x1, y1 [N, 4] in their pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Corners = NDArray[np.float64]
GREY = 114


@dataclass(frozen=True)
class Jitter:
    """scale: smallest and largest factor; shift: as a share of the image's sides; brightness,
    colour: largest relative change of all channels together and of each channel."""

    scale: tuple[float, float] = (0.8, 1.25)
    shift: float = 0.1
    brightness: float = 0.2
    colour: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"Jitter.scale must be 0 < smallest ≤ largest, got {self.scale}.")


@dataclass(frozen=True)
class Degradation:
    """Makes a share of the images look generated.

    share: of the images that are degraded; small: smallest and largest share of the width to which
    an image is downscaled before it is upscaled again; blur: largest deviation in pixels; noise:
    largest deviation of coarse noise (of 255)."""

    share: float = 0.5
    small: tuple[float, float] = (0.2, 0.6)
    blur: float = 1.5
    noise: float = 14.0

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """The image [h, w, 3], degraded with probability `share`, else unchanged."""
        if rng.random() >= self.share:
            return image
        height, width = image.shape[:2]
        factor = rng.uniform(*self.small)
        size = max(8, round(width * factor)), max(8, round(height * factor))
        small_image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small_image += rng.normal(0, rng.uniform(0, self.noise), small_image.shape)
        image = np.clip(small_image, 0, 255).astype(np.uint8)
        kind = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=kind), np.uint8)
        sigma = rng.uniform(0, self.blur)
        if sigma > 0.3:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
        return image


def jittered(
    image: Image, xyxy: Corners, jitter: Jitter, rng: np.random.Generator
) -> tuple[Image, Corners]:
    """The image and its boxes, mirrored with probability ½, scaled, shifted and tinted; same size."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        image, xyxy = mirrored(image, xyxy)
    factor = float(np.exp(rng.uniform(*np.log(jitter.scale))))
    shift = rng.uniform(-jitter.shift, jitter.shift, 2) * (width, height)
    centre = np.array([width, height]) / 2
    offset = centre * (1 - factor) + shift
    matrix = np.array([[factor, 0, offset[0]], [0, factor, offset[1]]])
    image = np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR if factor > 0.9 else cv2.INTER_AREA,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GREY, GREY, GREY),
        ),
        np.uint8,
    )
    xyxy = xyxy * factor + np.tile(offset, 2)
    tint = 1 + rng.uniform(-jitter.brightness, jitter.brightness)
    tints = tint * (1 + rng.uniform(-jitter.colour, jitter.colour, 3) / 2)
    table = np.clip(np.arange(256)[:, None] * tints, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), np.uint8), inside(xyxy, height, width)


def mirrored(image: Image, xyxy: Corners) -> tuple[Image, Corners]:
    """The image flipped left to right, with its boxes."""
    width = image.shape[1]
    flipped = xyxy.copy()
    flipped[:, 0], flipped[:, 2] = width - xyxy[:, 2], width - xyxy[:, 0]
    return np.ascontiguousarray(image[:, ::-1]), flipped


def mosaic(
    parts: Sequence[tuple[Image, Corners]], rng: np.random.Generator
) -> tuple[Image, Corners]:
    """Four images of one size around a random point, downscaled together to that size."""
    height, width = parts[0][0].shape[:2]
    canvas = np.full((2 * height, 2 * width, 3), GREY, np.uint8)
    cx, cy = (rng.uniform(0.5, 1.5, 2) * (width, height)).astype(int)
    boxes = []
    for number, (image, xyxy) in enumerate(parts):
        x0 = cx - width if number % 2 == 0 else cx
        y0 = cy - height if number < 2 else cy
        a, b, c, d = (
            max(x0, 0),
            max(y0, 0),
            min(x0 + width, 2 * width),
            min(y0 + height, 2 * height),
        )
        canvas[b:d, a:c] = image[b - y0 : d - y0, a - x0 : c - x0]
        limits = np.array([a, b, a, b]), np.array([c, d, c, d])
        shifted = np.clip(xyxy + np.array([x0, y0, x0, y0]), *limits)
        boxes.append(_visible(shifted, xyxy))
    downscaled = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(downscaled, np.uint8), np.concatenate(boxes) / 2


def inside(xyxy: Corners, height: int, width: int, share: float = 0.2) -> Corners:
    """Boxes clipped to the image [height, width], without those less than `share` inside."""
    return _visible(np.clip(xyxy, 0, np.array([width, height, width, height])), xyxy, share)


def _visible(cut: Corners, uncut: Corners, share: float = 0.2) -> Corners:
    def area(boxes: Corners) -> Corners:
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

    return cut[area(cut) > np.maximum(share * area(uncut), 1.0)]
