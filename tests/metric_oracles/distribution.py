"""Oracles of distances between sets of features: eigenvalues of the product of numpy's covariances, and
sklearn's kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from metric_items import REFERENCE
from sklearn.metrics.pairwise import euclidean_distances, polynomial_kernel, rbf_kernel

from savg.metrics.base import Item

MID = 2
"""The view of a made-up audio feature that a mono network hears."""

Rows = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def windows(name: str, features: Mapping[str, np.ndarray]) -> np.ndarray:
    array = features[name]
    return array if array.ndim == 2 else array[MID]


def seen_and_heard(features: Mapping[str, np.ndarray]) -> np.ndarray:
    means = [windows(name, features).mean(axis=0) for name in ("i3d", "vggish")]
    return np.hstack(means)[None]


def both(items: Sequence[Item], rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    def pooled(clips: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
        return np.vstack([rows(clip) for clip in clips]).astype(float)

    return (
        pooled(item.observation.features for item in items),
        pooled(REFERENCE.features.values()),
    )


def frechet(items: Sequence[Item], rows: Rows, scale: float = 1) -> float:
    x, y = both(items, rows)
    a, b = np.cov(x.T), np.cov(y.T)
    roots = np.sqrt(np.linalg.eigvals(a @ b).real.clip(0))
    return scale * float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a + b) - 2 * roots.sum())


def unbiased(kernel: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    def mean(a: np.ndarray) -> float:
        return float(kernel(a, a)[~np.eye(len(a), dtype=bool)].mean())

    return mean(x) + mean(y) - 2 * float(kernel(x, y).mean())


def cubic(items: Sequence[Item], rows: Rows) -> float:
    return unbiased(partial(polynomial_kernel, degree=3), *both(items, rows))


def gaussian(items: Sequence[Item], rows: Rows) -> float:
    x, y = both(items, rows)
    sigma = np.median(euclidean_distances(y)[np.tril_indices(len(y), -1)])
    return 100 * unbiased(partial(rbf_kernel, gamma=1 / (2 * sigma**2)), x, y)


VIDEO = {"i3d": "", "r3d18": "-r3d18", "mvit": "-mvit", "s3d": "-s3d", "yolox": "-yolox"}
AUDIO = ("audioclip", "vggish", "clap", "seld")

ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {
    **{f"fvd{end}": partial(frechet, rows=partial(windows, name)) for name, end in VIDEO.items()},
    **{f"kvd{end}": partial(cubic, rows=partial(windows, name)) for name, end in VIDEO.items()},
    **{
        f"fad-{name}": partial(
            frechet, rows=partial(windows, name), scale=1000 if name == "audioclip" else 1
        )
        for name in AUDIO
    },
    **{f"kad-{name}": partial(gaussian, rows=partial(windows, name)) for name in AUDIO},
    "favd": partial(frechet, rows=seen_and_heard),
}
