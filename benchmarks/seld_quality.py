"""The sound detector on held-out synthetic clips: `python -m benchmarks.seld_quality`.

Clips of the test split of each world, without pictures, with ideal and with real microphones; voices,
phrases and instruments are those that nothing was trained on. For each class the F-score with the
published tolerance of 40 px; over all labelled frames the median error of x and the slope of the
detected x over the labelled one. Writes seld_quality.json and .md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.real_excerpt import Row, sound_measures
from benchmarks.synthetic import progress
from savg.data.scenes import draw_scene, split_seed
from savg.data.scenes.audio import stereo_audio
from savg.data.scenes.render import labels_of
from savg.data.scenes.world import WORLDS
from savg.detectors.sounds import SeldDetector, detect_sounds_in
from savg.evaluation.result_files import RESULTS, provenance, setting, write_result
from savg.format import SAVGBENCH
from savg.train.sources import Synthetic

BATCH = 16
MEASURES = ("f_speech", "f_instrument", "heard", "right_alone", "x_error", "slope")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="demo", help="of stereo SELD")
    parser.add_argument("--clips", type=int, default=200, metavar="N", help="of each row")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=["furnished", "varied"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    detector = SeldDetector.from_pretrained(args.weights)
    rows = {
        f"{world}, {microphones} microphones": sound_measures(
            held_out(detector, world, microphones, args.clips)
        )
        for world in args.worlds
        for microphones in ("ideal", "real")
    }
    facts = setting("seld_quality", clips=args.clips)
    result = {"setting": facts, "weights": detector.sha256, "rows": rows}
    write_result("seld_quality", result, as_markdown(facts, rows), args.out)


def held_out(detector: SeldDetector, world: str, microphones: str, count: int) -> list[Row]:
    """Labels and events of the first clips of the test split."""
    settings = Synthetic((world,), (count,), "test", microphones=microphones, held_out=True)
    drawn = settings.world(world)
    rows: list[Row] = []
    indices = range(0, count, BATCH)
    for first in progress(indices, len(indices), f"{world}, {microphones}"):
        seeds = [split_seed("test", i) for i in range(first, min(first + BATCH, count))]
        scenes = [draw_scene(seed, drawn, SAVGBENCH.seconds) for seed in seeds]
        audios = [stereo_audio(scene, SAVGBENCH.sample_rate) for scene in scenes]
        events = detect_sounds_in(detector.model, audios, detector.threshold)
        labels = [labels_of(scene, SAVGBENCH) for scene in scenes]
        rows += [(truth, found, None) for truth, found in zip(labels, events, strict=True)]
    return rows


def as_markdown(facts: dict[str, Any], rows: dict[str, dict[str, float]]) -> str:
    """A row for each world and kind of microphones."""
    titles = ("F speech", "F instrument", "heard", "right alone", "x off by (px)", "slope")
    lines = [
        "# The sound detector on held-out clips",
        "",
        provenance(facts),
        "",
        f"{facts['clips']} clips a row; voices, phrases and instruments never trained on.",
        "",
        f"| clips | {' | '.join(titles)} |",
        "|---" * (len(titles) + 1) + "|",
    ]
    for name, measures in rows.items():
        values = (f"{measures[m]:.3f}" if m in measures else "–" for m in MEASURES)
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
