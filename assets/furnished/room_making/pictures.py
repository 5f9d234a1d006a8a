"""Pictures made of numbers: paintings for the walls and what is seen through the windows."""

from __future__ import annotations

import numpy as np

Image = np.ndarray


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Image:
    """Noise [height, width] in 0..1 with about `cells` waves across."""
    coarse = rng.random((max(2, cells * height // max(width, 1)) + 2, cells + 2))
    y = np.linspace(0, coarse.shape[0] - 1.001, height)
    x = np.linspace(0, coarse.shape[1] - 1.001, width)
    i, j = y.astype(int), x.astype(int)
    u = (y - i)[:, None] ** 2 * (3 - 2 * (y - i)[:, None])
    v = (x - j)[None] ** 2 * (3 - 2 * (x - j)[None])
    a, b = coarse[np.ix_(i, j)], coarse[np.ix_(i, j + 1)]
    c, d = coarse[np.ix_(i + 1, j)], coarse[np.ix_(i + 1, j + 1)]
    return (a * (1 - v) + b * v) * (1 - u) + (c * (1 - v) + d * v) * u


def fractal(rng: np.random.Generator, height: int, width: int, cells: int = 3) -> Image:
    """Noise of four octaves [height, width] in about 0..1."""
    layers = [smooth_noise(rng, height, width, cells * 2**k) * 0.5**k for k in range(4)]
    return sum(layers) / 1.875


def painting(rng: np.random.Generator, height: int = 96, width: int = 128) -> Image:
    """A landscape, an abstract picture or a poster [height, width, 3] in 0..1."""
    kind = int(rng.integers(3))
    y = np.linspace(0, 1, height)[:, None, None]
    paint = lambda: rng.uniform(0.05, 0.9, 3)  # noqa: E731
    if kind == 0:
        image = (1 - y) * paint() + y * paint() + np.zeros((height, width, 1))
        for level in np.sort(rng.uniform(0.35, 0.9, 4)):
            ridge = level + 0.22 * (fractal(rng, 1, width, 4)[0] - 0.5)
            image = np.where(y >= ridge[None, :, None], paint() * rng.uniform(0.3, 0.9), image)
    elif kind == 1:
        image = np.zeros((height, width, 3)) + paint()
        grid_y, grid_x = np.mgrid[0:height, 0:width]
        for _ in range(int(rng.integers(5, 12))):
            cx, cy = rng.uniform(0, width), rng.uniform(0, height)
            rx, ry = rng.uniform(0.05, 0.3, 2) * width
            inside = np.abs((grid_x - cx) / rx) < 1
            inside &= np.abs((grid_y - cy) / ry) < 1
            if rng.random() < 0.5:
                inside = ((grid_x - cx) / rx) ** 2 + ((grid_y - cy) / ry) ** 2 < 1
            image[inside] = paint()
    else:
        image = np.full((height, width, 3), rng.uniform(0.75, 0.92))
        rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        for r in range(rows):
            for c in range(columns):
                y0, y1 = int((r + 0.12) * height / rows), int((r + 0.88) * height / rows)
                x0, x1 = int((c + 0.12) * width / columns), int((c + 0.88) * width / columns)
                tone = fractal(rng, y1 - y0, x1 - x0, 3)[..., None]
                image[y0:y1, x0:x1] = tone * paint() + (1 - tone) * paint()
    return np.clip(image * (0.85 + 0.3 * fractal(rng, height, width, 12)[..., None]), 0, 1)


def rug(rng: np.random.Generator, side: int = 256) -> Image:
    """A rug [side, side, 3] in 0..1: borders around a field of diamonds, stripes or wool."""
    tones = [t * np.array([1.0, rng.uniform(0.55, 1.0), rng.uniform(0.4, 0.95)])
             for t in rng.uniform(0.1, 0.6, 4)]  # fmt: skip
    y, x = np.mgrid[0:side, 0:side] / (side - 1) * 2 - 1
    edge = np.maximum(np.abs(x), np.abs(y))[..., None]
    count = int(rng.integers(3, 8))
    kind = int(rng.integers(3))
    if kind == 0:
        field = (np.abs((x * count) % 2 - 1) + np.abs((y * count) % 2 - 1) > 1)[..., None]
    elif kind == 1:
        field = ((y * count) % 1 > rng.uniform(0.3, 0.7))[..., None]
    else:
        field = fractal(rng, side, side, 6)[..., None] > 0.55
    image = np.where(field, tones[0], tones[1])
    if rng.random() < 0.7:
        image = np.where(edge > 0.78, tones[2], image)
        image = np.where((edge > 0.84) & (edge < 0.9), tones[3], image)
    return np.clip(image * (0.75 + 0.5 * fractal(rng, side, side, 60)[..., None]), 0, 1)


def outdoors(rng: np.random.Generator, night: bool, height: int = 256, width: int = 512) -> Image:
    """What is seen through a window [height, width, 3] in 0..1, horizon at about half the height."""
    y = np.linspace(0, 1, height)[:, None, None]
    clouds = fractal(rng, height, width, 3)[..., None]
    if night:
        sky = np.array([0.03, 0.04, 0.085]) * (1 + y)
    else:
        blue = np.array([0.36, 0.55, 0.9]) * (1 - 0.5 * y) + 0.45 * y
        sky = blue + np.clip((clouds - 0.45) * 2.2, 0, 0.7) * (1.0 - blue)
    image = sky + np.zeros((height, width, 3))
    if rng.random() < 0.5:
        _houses(rng, image, night)
    _trees(rng, image, night)
    return np.clip(image, 0, 1)


def _houses(rng: np.random.Generator, image: Image, night: bool) -> None:
    height, width = image.shape[:2]
    x = 0
    while x < width:
        w, top = int(rng.integers(40, 110)), int(rng.uniform(0.18, 0.45) * height)
        wall = rng.uniform(0.25, 0.7) * np.array(
            [1.0, rng.uniform(0.8, 0.95), rng.uniform(0.6, 0.9)]
        )
        image[top:, x : x + w] = wall * (0.04 if night else 0.8)
        for wy in range(top + 10, height - 12, 24):
            for wx in range(x + 8, min(x + w - 10, width - 10), 20):
                lit = night and rng.random() < 0.4
                pane = np.array([0.9, 0.65, 0.3]) if lit else wall * (0.02 if night else 0.25)
                image[wy : wy + 13, wx : wx + 9] = pane
        x += w + int(rng.integers(0, 50))


def _trees(rng: np.random.Generator, image: Image, night: bool) -> None:
    height, width = image.shape[:2]
    y = np.arange(height)[:, None]
    for level in (0.42, 0.55, 0.72):
        ridge = height * (level + 0.25 * (fractal(rng, 1, width, 6)[0] - 0.45))
        leaf = fractal(rng, height, width, 40)[..., None]
        green = np.array([rng.uniform(0.10, 0.20), rng.uniform(0.14, 0.22), rng.uniform(0.05, 0.1)])
        shade = (0.35 + 1.1 * leaf) * green * (0.06 if night else 1.0)
        edge = ridge[None] + 10 * (leaf[..., 0] - 0.5)
        image[:] = np.where((y > edge)[..., None], shade, image)
