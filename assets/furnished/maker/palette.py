"""Other colours for the clothes and hair of a person, such as people wear."""

from __future__ import annotations

import numpy as np

from savg.data.scenes.furnished.recolour import PARTS

VARIANTS = 6
"""Recolourings of each person besides the photographed one."""
Colour = tuple[float, float, float]

TOPS: tuple[Colour, ...] = (
    (0.15, 0.15, 0.16), (0.45, 0.46, 0.48), (0.85, 0.84, 0.82), (0.13, 0.18, 0.33), (0.30, 0.45, 0.68),
    (0.60, 0.14, 0.14), (0.35, 0.10, 0.16), (0.16, 0.36, 0.26), (0.42, 0.43, 0.24), (0.76, 0.66, 0.50),
    (0.42, 0.29, 0.20), (0.80, 0.55, 0.58), (0.80, 0.62, 0.22), (0.20, 0.45, 0.48), (0.45, 0.32, 0.52),
)  # fmt: skip
BOTTOMS: tuple[Colour, ...] = (
    (0.12, 0.12, 0.13), (0.34, 0.35, 0.37), (0.15, 0.20, 0.33), (0.28, 0.38, 0.55), (0.45, 0.56, 0.72),
    (0.66, 0.58, 0.45), (0.36, 0.28, 0.21), (0.35, 0.37, 0.26), (0.55, 0.55, 0.56),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06), (0.17, 0.10, 0.06), (0.32, 0.20, 0.11), (0.55, 0.40, 0.22),
    (0.40, 0.17, 0.08), (0.52, 0.50, 0.48),
)  # fmt: skip
GREY = np.array([0.299, 0.587, 0.114])


def recolours(textures: dict[str, tuple], number: int) -> list[dict[str, list[float]]]:
    """Changes for `Recolour`, as different in lightness from the texture as its folds allow."""
    rng = np.random.default_rng(1400 + number)
    chosen = {}
    for part, colours in (("top", TOPS), ("bottom", BOTTOMS), ("hair", HAIRS)):
        mean = _lightness(textures, PARTS[part])
        near = [c for c in colours if 0.3 * mean < GREY @ c < 2.2 * mean + 0.04]
        order = rng.permutation(len(near))
        chosen[part] = [near[order[k % len(near)]] for k in range(VARIANTS)]
    shares = {"top": 0.92, "bottom": 0.92, "hair": 0.8}
    return [{p: [*chosen[p][k], shares[p]] for p in chosen} for k in range(VARIANTS)]


def _lightness(textures: dict[str, tuple], value: int) -> float:
    """Mean lightness (0..1) of the texels of a part."""
    texels = np.concatenate([image[labels == value] for image, labels in textures.values()])
    return float((texels @ GREY).mean() / 255) if len(texels) else 0.3
