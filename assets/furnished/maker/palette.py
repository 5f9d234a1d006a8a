"""Other colours for the clothes and hair of a person."""

from __future__ import annotations

import colorsys

import numpy as np

from savg.data.scenes.furnished.recolour import PARTS

VARIANTS = 4
"""Recolourings of each person besides the photographed one."""
HAIRS = (
    (0.07, 0.06, 0.06),
    (0.17, 0.10, 0.06),
    (0.32, 0.20, 0.11),
    (0.55, 0.40, 0.22),
    (0.40, 0.17, 0.08),
    (0.52, 0.50, 0.48),
)


def recolours(textures: dict[str, tuple], number: int) -> list[dict[str, list[float]]]:
    """Changes for `Recolour`, as different in lightness from the texture as its folds allow."""
    rng = np.random.default_rng(1400 + number)
    start = rng.random()
    result = []
    for k in range(VARIANTS):
        change = {}
        for part, span in (("top", (0.25, 0.6)), ("bottom", (0.05, 0.45))):
            mean = _lightness(textures, PARTS[part])
            hue = (start + k / VARIANTS + (0.4 if part == "bottom" else 0)) % 1
            if part == "bottom" and rng.random() < 0.6:
                hue = 0.61 if rng.random() < 0.6 else 0.09
            light = float(np.clip(mean * rng.uniform(0.7, 1.7), 0.08, 0.75))
            colour = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(*span), 1.0))
            colour *= light / (colour @ [0.299, 0.587, 0.114])
            change[part] = [
                *np.clip(colour, 0, 1).round(3).tolist(),
                round(rng.uniform(0.75, 0.95), 2),
            ]
        mean = _lightness(textures, PARTS["hair"])
        dark = [h for h in HAIRS if np.dot(h, [0.299, 0.587, 0.114]) < 1.8 * mean + 0.05]
        hair = dark[int(rng.integers(len(dark)))]
        change["hair"] = [*hair, 0.8]
        result.append(change)
    return result


def _lightness(textures: dict[str, tuple], value: int) -> float:
    """Mean lightness (0..1) of the texels of a part."""
    texels = [image[labels == value] for image, labels in textures.values()]
    together = np.concatenate(texels)
    return float((together @ [0.299, 0.587, 0.114]).mean() / 255) if len(together) else 0.3
