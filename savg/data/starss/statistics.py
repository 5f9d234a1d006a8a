"""Statistics of a construction of clips: rules, categories, positions, levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, INSTRUMENT, SPEECH
from savg.data.starss.results import RULES, ClipRecord, RecordingResult
from savg.format import SAVGBENCH

POSITION_BINS = 16
OFF_CENTRE = 0.1
"""Share of the picture's width from its middle beyond which a label is on one side."""

PERCENTILES = (5, 25, 50, 75, 95)


def statistics(
    results: Sequence[RecordingResult], width: float = SAVGBENCH.size, details: bool = True
) -> dict[str, Any]:
    """Plain values for report.json; None where there are too few clips for a number.

    width: of the picture in pixels; details: also list recordings and clips.
    """
    results = sorted(results, key=lambda result: result.name)
    clips = sorted((c for r in results for c in r.clips), key=lambda clip: clip.name)
    dropped = Counter({rule: 0 for rule in RULES})
    for result in results:
        dropped.update(result.dropped)
    counts = Counter(clip.category for clip in clips)
    report: dict[str, Any] = {
        "recordings": len(results),
        "seconds": round(sum(result.seconds for result in results), 3),
        "windows": sum(result.windows for result in results),
        "dropped": dict(dropped),
        "kept": len(clips),
        "categories": {name: counts[i] for i, name in enumerate(CATEGORY_NAMES)},
        "speech_to_instrument": _ratio(counts[SPEECH], counts[INSTRUMENT]),
        "positions": _positions(clips, width),
        "active": _spread([clip.active for clip in clips], 3),
        "level_db": _spread([clip.level_db for clip in clips], 2),
        "difference_db": _spread([clip.difference_db for clip in clips], 2),
        "peak": _spread([clip.peak for clip in clips], 4),
        "sides": _sides(clips, width),
    }
    if details:
        report["of_recordings"] = [
            {
                "name": r.name,
                "seconds": round(r.seconds, 3),
                "windows": r.windows,
                "dropped": r.dropped,
                "kept": len(r.clips),
            }
            for r in results
        ]
        report["clips"] = [
            {**vars(clip), "category": CATEGORY_NAMES[clip.category]} for clip in clips
        ]
    return report


def _ratio(a: int, b: int) -> float | None:
    return round(a / b, 3) if b else None


def _positions(clips: Sequence[ClipRecord], width: float) -> dict[str, Any]:
    """Mean label x of the clips of each category, in pixels and in equal parts of the picture."""
    edges = np.linspace(0.0, width, POSITION_BINS + 1)
    histograms = {
        name: np.histogram([c.x for c in clips if c.category == i], edges)[0].tolist()
        for i, name in enumerate(CATEGORY_NAMES)
    }
    return {"edges": edges.tolist(), **histograms, "x": _spread([c.x for c in clips], 1)}


def _spread(values: Sequence[float], digits: int) -> dict[str, float] | None:
    """Mean, extremes and percentiles."""
    if not values:
        return None
    table = np.asarray(values, float)
    spread = {"mean": table.mean(), "min": table.min(), "max": table.max()}
    spread |= {
        f"p{p}": v for p, v in zip(PERCENTILES, np.percentile(table, PERCENTILES), strict=True)
    }
    return {name: round(float(value), digits) for name, value in spread.items()}


def _sides(clips: Sequence[ClipRecord], width: float) -> dict[str, Any]:
    """Whether the louder channel is on the side of the label.

    correlation: of label x (to the right) with right minus left level; db_per_width: slope of that
    level over the whole width; judged: clips whose label is clearly to one side; agree: how many of
    them are louder on it.
    """
    right: NDArray[np.float64] = np.array([clip.x / width - 0.5 for clip in clips], float)
    level: NDArray[np.float64] = np.array([-clip.difference_db for clip in clips], float)
    aside = np.abs(right) > OFF_CENTRE
    sides: dict[str, Any] = {
        "judged": int(aside.sum()),
        "agree": int((np.sign(right[aside]) == np.sign(level[aside])).sum()),
        "correlation": None,
        "db_per_width": None,
    }
    if len(clips) > 2 and right.std() > 1e-9 and level.std() > 1e-9:
        sides["correlation"] = round(float(np.corrcoef(right, level)[0, 1]), 4)
        sides["db_per_width"] = round(float(np.polyfit(right, level, 1)[0]), 3)
    return sides
