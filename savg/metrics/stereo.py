"""The stereo image: level difference, likeness and width of the channels, balance, mono compatibility.

Means over clips; see `savg.metrics.stereo_measure` for what stands beside them, and
`savg.audio.stereo_measures` for the measures themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.audio.stereo_measures import tracks
from savg.clip import Clip
from savg.metrics.base import Cells, Extractor, Item
from savg.metrics.stereo_measure import FEATURE, StereoMeasure, bands_mean, clip_stereo, column

TRACK = "stereo_track"
"""ILD in dB, pan and level in dB of each label frame [frames, 3]."""

_LEANS = 0.05
"""Mean pan from which a set leans to a side."""

_LOSS_DB = -6.0
"""Level of the mono sum at which more is lost than of unrelated channels."""


def clip_track(clip: Clip) -> NDArray[np.float64]:
    """ILD, pan and level [label frames, 3] of a clip, NaN where nothing is active."""
    return tracks(clip.audio, clip.format.sample_rate, clip.format.label_fps)


class Ild(StereoMeasure):
    """How far levels are off the centre: mean |ILD|, and ILD and pan in each label frame."""

    name = "ild"
    label = "ILD, mean of |left − right|"
    unit = "dB"
    column = "ild_db"
    features: ClassVar[Mapping[str, Extractor]] = {FEATURE: clip_stereo, TRACK: clip_track}

    @classmethod
    def summarised(cls, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.abs(values)

    @classmethod
    def facts(cls, rows: NDArray[np.float64]) -> dict[str, Any]:
        mean = float(column(rows, "ild_db").mean())
        return {"mean": mean, "bands": bands_mean(rows, "ild_db", absolute=True)}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        track = item.observation.features[TRACK]
        return [
            {"frame": frame, "ild_db": _cell(ild), "pan": _cell(pan)}
            for frame, (ild, pan, _) in enumerate(track.tolist())
        ]


class Coherence(StereoMeasure):
    """Mean inter-channel coherence: 1 one source, 0 unrelated channels."""

    name = "coherence"
    label = "inter-channel coherence"
    column = "coherence"

    @classmethod
    def reason(cls) -> str:
        return "No clip has audio in both channels."

    @classmethod
    def facts(cls, rows: NDArray[np.float64]) -> dict[str, Any]:
        return {"bands": bands_mean(rows, "coherence", absolute=False)}


class Width(StereoMeasure):
    """Mean energy of the side signal over that of mid and side: 0 mono, ½ unrelated channels."""

    name = "width"
    label = "width, side / (mid + side)"
    unit = "share of energy"
    column = "width"


class Balance(StereoMeasure):
    """Mean pan: does a set lean to a side, −1 left … +1 right?"""

    name = "balance"
    label = "balance, mean pan"
    column = "balance"

    @classmethod
    def warnings(cls, rows: NDArray[np.float64], clips: int) -> list[str]:
        pans = column(rows, "balance")
        mean, error = pans.mean(), pans.std() / np.sqrt(len(pans))
        if len(pans) < 8 or abs(mean) < _LEANS or abs(mean) < 3 * error:
            return []
        side = "right" if mean > 0 else "left"
        return [f"The set leans to the {side}: mean pan {mean:+.2f} over {len(pans)} clips."]


class MonoCompatibility(StereoMeasure):
    """Mean level of left + right, against channels in phase: 0 dB nothing is lost in mono."""

    name = "mono_compatibility"
    label = "level of the mono sum"
    unit = "dB"
    column = "mono_db"

    @classmethod
    def cells(cls, item: Item) -> Cells:
        value = float(column(item.observation.features[FEATURE][None], "correlation")[0])
        return {**super().cells(item), "correlation": _cell(value)}

    @classmethod
    def facts(cls, rows: NDArray[np.float64]) -> dict[str, Any]:
        related = column(rows, "correlation")
        related = related[np.isfinite(related)]
        return {
            "correlation": float(related.mean()) if len(related) else None,
            "out_of_phase": int((related < 0).sum()),
            "lost": int((column(rows, "mono_db") < _LOSS_DB).sum()),
        }

    @classmethod
    def warnings(cls, rows: NDArray[np.float64], clips: int) -> list[str]:
        lost = int((column(rows, "mono_db") < _LOSS_DB).sum())
        if not lost:
            return []
        return [f"{lost} of {len(rows)} clips lose more than {-_LOSS_DB:g} dB when played in mono."]


def _cell(value: float) -> float | None:
    return value if np.isfinite(value) else None
