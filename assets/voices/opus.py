"""Mono audio as Ogg Opus, for the scripts that make the banks beside it."""

from __future__ import annotations

import io

import numpy as np


def encoded(samples: np.ndarray, rate: int, compression: float) -> bytes:
    """An Ogg Opus file of samples [T] at `rate` Hz; compression: 0 (best) to 1 (smallest)."""
    import soundfile

    out = io.BytesIO()
    with soundfile.SoundFile(
        out, "w", rate, 1, format="OGG", subtype="OPUS", compression_level=compression
    ) as file:
        file.write(samples)
    return out.getvalue()
