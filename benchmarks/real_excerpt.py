"""Detectors on real recordings: `python -m benchmarks.real_excerpt --starss DIR`.

DIR holds STARSS23 or an excerpt of it in its own layout, or clips already built from it. Clips are
built with the development settings (`--gain 0` for an excerpt that is as loud as a clip already) and
measured on their labelled frames, a tenth of a second each:

- heard: share of frames with any sound event; right alone: with events of the labelled class and of
  no other; F-score with the published tolerance of 40 px;
- |x| error: median distance in pixels between the label and the event of its class, or the other event
  where there is none of its class; slope and r of the detected x over the labelled x;
- persons: distance of the label from the centre of the nearest box, in the frame of the label.

Nothing is trained on these recordings. Writes real_excerpt.json and .md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.synthetic import progress
from savg.annotation import CATEGORY_NAMES, Boxes, ClipLabels, SoundEvents
from savg.data.savgbench import SavgBench
from savg.detectors import detector
from savg.errors import SavgError
from savg.evaluation.result_files import RESULTS, provenance, setting, write_result
from savg.format import SAVGBENCH
from savg.metrics.sound_detection import seld_f_score

NEAR = 20.0
"""Pixels within which a box or an event is at the label's place."""


def main() -> None:
    """Build, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starss", type=Path, required=True, metavar="DIR")
    parser.add_argument("--gain", type=float, default=38.0, help="in dB, as `dataset build` has it")
    parser.add_argument("--sounds", default="demo", metavar="WEIGHTS", help="of stereo SELD")
    parser.add_argument("--persons", default="nanodet", help="a person detector, or none")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    hears = detector("sounds", "seld").load(args.sounds)
    sees = None if args.persons == "none" else detector("persons", args.persons).load()
    with tempfile.TemporaryDirectory() as folder:
        clips = SavgBench(built(args.starss, Path(folder), args.gain))
        rows = []
        for item in progress(clips, len(clips), "clips"):
            clip = item.clip
            rows.append((item.labels, hears(clip), None if sees is None else sees(clip)))
    result: dict[str, Any] = {"clips": len(rows), "sounds": sound_measures(rows)}
    result["weights"] = {"sounds": hears.provenance["sha256"]}
    if sees is not None:
        result["persons"] = {args.persons: person_measures(rows)}
    facts = setting("real_excerpt")
    write_result("real_excerpt", {"setting": facts, **result}, as_markdown(facts, result), args.out)


def built(starss: Path, folder: Path, gain: float) -> Path:
    """The folder of the clips of a recording: itself where they are built already."""
    from dataclasses import replace

    from savg.data.starss.build import build
    from savg.data.starss.presets import DEVELOPMENT

    try:
        SavgBench(starss)
    except SavgError:
        build(starss, folder, replace(DEVELOPMENT, gain_db=gain), split="dev")
        return folder
    return starss


Row = tuple[ClipLabels, SoundEvents, Boxes | None]


def sound_measures(rows: Sequence[Row]) -> dict[str, float]:
    """Measures of sound events over the labelled frames of all clips."""
    heard, alone, x, labelled = [], [], [], []
    for labels, events, _ in rows:
        for frame, category, true_x in zip(labels.frames, labels.categories, labels.x, strict=True):
            here = events.frames == frame
            kinds = events.categories[here]
            heard.append(bool(here.any()))
            alone.append(set(kinds.tolist()) == {int(category)})
            if heard[-1]:
                own = kinds == category
                x.append(float(events.x[here][own if own.any() else ~own][0]))
                labelled.append(float(true_x))
    detected, true = np.array(x), np.array(labelled)
    measures = {
        "frames": float(len(heard)),
        "heard": float(np.mean(heard)) if heard else 0.0,
        "right_alone": float(np.mean(alone)) if alone else 0.0,
    }
    scores = seld_f_score((events, labels) for labels, events, _ in rows).f_score
    for name, score in zip(CATEGORY_NAMES, scores, strict=True):
        if np.isfinite(score):
            measures[f"f_{name}"] = float(score)
    if len(true) > 2 and np.ptp(true) > 0:
        error = np.abs(detected - true)
        measures["x_error"] = float(np.median(error))
        measures["within_20"] = float(np.mean(error <= NEAR))
        measures["slope"] = float(np.polyfit(true, detected, 1)[0])
        measures["r"] = float(np.corrcoef(true, detected)[0, 1])
    return measures


def person_measures(rows: Sequence[Row]) -> dict[str, float]:
    """Distances in pixels of the labels from the centre of the nearest box."""
    distances, none = [], 0
    for labels, _, boxes in rows:
        assert boxes is not None
        frames = labels.frames * SAVGBENCH.fps // SAVGBENCH.label_fps
        for frame, true_x in zip(frames, labels.x, strict=True):
            centres = boxes.xyxy[boxes.frames == frame][:, [0, 2]].mean(axis=1)
            if len(centres):
                distances.append(float(np.abs(centres - true_x).min()))
            else:
                none += 1
    total = max(1, len(distances) + none)
    return {
        "no_box": none / total,
        "distance": float(np.median(distances)) if distances else SAVGBENCH.size,
        "within_20": sum(d <= NEAR for d in distances) / total,
    }


TITLES = {
    "frames": "labelled frames (0.1 s)",
    "heard": "a sound event is heard",
    "right_alone": "of the labelled class alone",
    "f_speech": "F-score, speech",
    "f_instrument": "F-score, instrument",
    "x_error": "x off by (median, px)",
    "within_20": "within 20 px",
    "slope": "slope of x",
    "r": "correlation of x",
    "no_box": "no box",
    "distance": "nearest box centre off by (median, px)",
}


def as_markdown(facts: dict[str, Any], result: dict[str, Any]) -> str:
    """The measures as tables."""
    lines = ["# Real recordings", "", provenance(facts), "", f"{result['clips']} clips."]
    for name, measures in {"stereo SELD": result["sounds"], **result.get("persons", {})}.items():
        lines += ["", f"| {name} | |", "|---|---|"]
        for key, value in measures.items():
            text = f"{value:.0f}" if key == "frames" else f"{value:.3f}"
            lines.append(f"| {TITLES[key]} | {text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
