"""Quality of the bundled pipeline and detectors: `python -m benchmarks.demo_quality`.

Held-out synthetic clips (seeds of the test split, which no training reads): F-score of sounds for
each class, AP50 of persons. Generated clips of fixed seeds: Spatial AV-Align with its three null
scores and a 95 % interval, also of the sounds well off the centre alone, pan spread, correlation of
figure and sound, share of frames with a person, distance to the nearest training clip; the same
measures of the held-out clips stand beside them. Writes the table as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, Boxes, SoundEvents
from savg.audio.levels import pan
from savg.clip import Clip
from savg.data.scenes import Rendered, World, draw_scene, render, split_seed
from savg.detectors import person_detector, sound_detector
from savg.format import SAVGBENCH
from savg.metrics.pan import pan_spread
from savg.metrics.pan_agreement import motion_x, person_x
from savg.metrics.person_detection import person_ap50
from savg.metrics.person_share import person_share
from savg.metrics.sound_detection import seld_f_score
from savg.metrics.spatial import spatial_report
from savg.metrics.statistics import correlation
from savg.paths import whole_file
from savg.pipelines import load_pipeline

CURVE_THRESHOLD = 0.01
"""Boxes below the working threshold are needed for the tail of the precision-recall curve."""

WORLDS = {"demo": World.demo, "varied": World.varied}

OFF_CENTRE = 40
"""Pixels beyond which a sound counts as off the centre, where a guess of the centre gains nothing."""

TRAINED_ON = World.solo, 4000
"""World and number of training clips of the bundled joint network."""

EVERY = 5
"""Pictures of a clip that are compared with training clips: every so many."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="demo", help="pipeline folder with detectors")
    parser.add_argument("--generated", type=int, default=64, metavar="N", help="0: none")
    parser.add_argument("--held-out", type=int, default=200, metavar="N", help="of each world")
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), default=["demo", "varied"])
    parser.add_argument(
        "--trained-on", type=int, default=TRAINED_ON[1], metavar="N", help="training clips compared"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the generated clips")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    detectors = Detectors(args.weights)
    result: dict[str, Any] = {"setting": setting(args), "held_out": {}}
    known = Known(args.trained_on) if args.generated and args.trained_on else None
    for world in args.worlds if args.held_out else []:
        result["held_out"][world] = held_out(detectors, world, args.held_out, known)
    if args.generated:
        result["generated"] = generated(detectors, args, known)
    text = as_markdown(result)
    print(text)
    for name, content in (("json", json.dumps(result, indent=1) + "\n"), ("md", text)):
        with whole_file(args.out / f"demo_quality.{name}") as part:
            part.write_text(content, encoding="utf-8")


class Detectors:
    """Persons at the curve's threshold and at the working one, and sounds."""

    def __init__(self, source: str) -> None:
        self.persons = person_detector("yolox", source, score_threshold=CURVE_THRESHOLD)
        self.sounds = sound_detector("seld", source)

    def __call__(self, clip: Clip) -> tuple[SoundEvents, Boxes]:
        return self.sounds(clip), self.persons(clip)


class Known:
    """Training clips and their mirror images, to tell copies: `known(clip)` is the distance to the
    nearest, the root mean square difference (of 0…255) of small pictures."""

    def __init__(self, count: int) -> None:
        world, rows = TRAINED_ON[0](), []
        for index in progress(range(count), count, "training clips"):
            scene = draw_scene(split_seed("train", index), world)
            video = render(scene, size=64).clip.picture[::EVERY]
            rows += [video.ravel(), video[:, :, ::-1].ravel()]
        self.rows = np.stack(rows).astype(np.float32)
        self.squares = np.square(self.rows).sum(axis=1)

    def __call__(self, clip: Clip) -> float:
        frames = [
            cv2.resize(f, (64, 64), interpolation=cv2.INTER_AREA) for f in clip.video[::EVERY]
        ]
        small = clip.format.with_size(64)
        x = np.stack(frames)[:, small.top : small.bottom].astype(np.float32).ravel()
        square = self.squares - 2 * (self.rows @ x) + np.square(x).sum()
        return float(np.sqrt(max(square.min(), 0.0) / len(x)))


def sure(boxes: Boxes, threshold: float = 0.3) -> Boxes:
    """The boxes that the metric uses."""
    assert boxes.scores is not None
    return boxes.select(boxes.scores > threshold)


def held_out(detectors: Detectors, world: str, count: int, known: Known | None) -> dict[str, Any]:
    """Detection quality on clips that no training has seen, and the clips' own measures."""
    clips, events, boxes, truth = [], [], [], []
    for one in progress(films(world, count), count, f"held-out clips, {world} world"):
        heard, seen = detectors(one.clip)
        clips.append(Measured(one.clip, known))
        events.append(heard)
        boxes.append(seen)
        truth.append(one)
    counts = seld_f_score((e, t.labels) for e, t in zip(events, truth, strict=True))
    f_scores = [None if f != f else f for f in counts.f_score.tolist()]  # NaN: nothing of the class
    return {
        "sound_f_score": dict(zip(CATEGORY_NAMES, f_scores, strict=True)),
        "person_ap50": person_ap50(boxes, [t.boxes for t in truth]),
        "true_tables": spatial([t.labels.events() for t in truth], [t.boxes for t in truth]),
        **agreement(clips, events, [sure(b) for b in boxes]),
    }


def films(world: str, count: int) -> Iterator[Rendered]:
    """The first films of the test split."""
    for index in range(count):
        yield render(draw_scene(split_seed("test", index), WORLDS[world]()))


def generated(
    detectors: Detectors, args: argparse.Namespace, known: Known | None
) -> dict[str, Any]:
    """Agreement of picture and sound in clips of the pipeline."""
    pipeline = load_pipeline(args.weights)
    clips, events, boxes, seconds = [], [], [], 0.0
    for index in progress(range(args.generated), args.generated, "generated clips"):
        begun = time.perf_counter()
        clip = pipeline(1, seed=args.seed, first=index, steps=args.steps)[0]
        seconds += time.perf_counter() - begun
        if args.save:
            clip.write(args.save / f"joint_seed{args.seed}_{index:04d}.mp4")
        heard, seen = detectors(clip)
        clips.append(Measured(clip, known))
        events.append(heard)
        boxes.append(sure(seen))
    return {
        "sampler": asdict(pipeline.sampler.asked(args.steps, None)),
        "superres_sampler": asdict(pipeline.superres.sampler),
        "weights": {role: card.sha256 for role, card in pipeline.cards.items()},
        "seconds_a_clip": seconds / args.generated,
        **agreement(clips, events, boxes),
    }


class Measured:
    """What is kept of a clip: its pan, where it moves, and how far it is from training clips."""

    def __init__(self, clip: Clip, known: Known | None) -> None:
        self.pan, self.motion, self.frames = pan(clip.audio), motion_x(clip), len(clip.video)
        self.nearest = known(clip) if known and clip.format == SAVGBENCH else None


def agreement(
    clips: list[Measured], events: list[SoundEvents], boxes: list[Boxes]
) -> dict[str, Any]:
    """Spatial AV-Align, pan spread, and correlation of pan with the figure's place."""
    pans = [clip.pan for clip in clips]
    frames = clips[0].frames
    aside = [off_centre(table) for table in events]
    return {
        "clips": len(clips),
        "spatial": spatial(events, boxes),
        "spatial_off_centre": spatial(aside, boxes),
        "nearest_training_clip": spread([c.nearest for c in clips if c.nearest is not None]),
        "pan_spread": pan_spread(pans),
        "pan_and_person": asdict(correlation(pans, [person_x(b, frames) for b in boxes])),
        "pan_and_motion": asdict(correlation(pans, [clip.motion for clip in clips])),
        "frames_with_person": person_share(boxes, frames),
        "events_a_clip": sum(map(len, events)) / len(events),
    }


def off_centre(events: SoundEvents) -> SoundEvents:
    """The events more than OFF_CENTRE pixels from the centre."""
    keep = np.abs(events.x - SAVGBENCH.size / 2) > OFF_CENTRE
    return SoundEvents(events.frames[keep], events.categories[keep], events.x[keep])


def spread(values: list[float]) -> dict[str, float] | None:
    """Least, 5th percentile, median and largest."""
    if not values:
        return None
    found: NDArray[np.floating] = np.quantile(values, [0.0, 0.05, 0.5, 1.0])
    return dict(zip(("least", "p5", "median", "largest"), found.tolist(), strict=True))


def spatial(events: list[SoundEvents], boxes: list[Boxes]) -> dict[str, Any]:
    """The report of Spatial AV-Align, as plain values."""
    return asdict(spatial_report(list(zip(events, boxes, strict=True))))


def setting(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures were measured with."""
    return {
        "command": "python -m benchmarks.demo_quality " + " ".join(sys.argv[1:]),
        "cpu": f"{platform.machine()}, {os.cpu_count()} cores",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "seed": args.seed,
    }


def as_markdown(result: dict[str, Any]) -> str:
    """All measures as one table, a column for each set of clips."""
    columns = {f"held-out, {world}": value for world, value in result["held_out"].items()}
    if "generated" in result:
        columns["generated"] = result["generated"]
    rows = [["measure", *columns], ["---"] * (len(columns) + 1)]
    rows += [[name, *(read(values) for values in columns.values())] for name, read in ROWS]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    command = result["setting"]["command"].strip()
    hardware = (result["setting"][k] for k in ("cpu", "gpu"))
    made_with = ", ".join([*filter(None, hardware), f"torch {result['setting']['torch']}"])
    return f"# Demo quality\n\n`{command}` ({made_with})\n\n{table}\n"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _class(name: str) -> Any:
    return lambda v: _number(v.get("sound_f_score", {}).get(name))


def _interval(values: dict[str, Any], which: str = "spatial") -> str:
    s = values[which]
    interval = f"{_number(s['low'])}…{_number(s['high'])}"
    return f"{_number(s['score'])} ({interval}; {s['tp']} TP, {s['fn']} FN)"


def _null(name: str, which: str = "spatial") -> Any:
    return lambda v: _number(v[which]["nulls"][name])


def _nearest(values: dict[str, Any]) -> str:
    found = values["nearest_training_clip"]
    return " / ".join(_number(found[k], 1) for k in ("least", "p5", "median")) if found else "–"


def _related(name: str) -> Any:
    def text(values: dict[str, Any]) -> str:
        found = values[name]
        if found["r"] is None:
            return f"– (n = {found['clips']})"
        return f"{found['r']:+.2f} (p = {found['p']:.4f}, n = {found['clips']})"

    return text


ROWS = [
    ("clips", lambda v: str(v["clips"])),
    ("sound F-score, speech", _class("speech")),
    ("sound F-score, instrument", _class("instrument")),
    ("person AP50", lambda v: _number(v.get("person_ap50"))),
    ("Spatial AV-Align (95 %)", _interval),
    ("null: sounds at the centre", _null("centre")),
    ("null: left and right swapped", _null("swapped")),
    ("null: sounds of other clips", _null("shuffled")),
    (
        f"sounds > {OFF_CENTRE} px off the centre (95 %)",
        lambda v: _interval(v, "spatial_off_centre"),
    ),
    ("their null: sounds at the centre", _null("centre", "spatial_off_centre")),
    ("pan spread", lambda v: _number(v["pan_spread"])),
    ("pan and person, correlation", _related("pan_and_person")),
    ("pan and motion, correlation", _related("pan_and_motion")),
    ("frames with a person", lambda v: _number(v["frames_with_person"])),
    ("nearest training clip, least / p5 / median", _nearest),
    ("sound events a clip", lambda v: _number(v["events_a_clip"], 1)),
    ("seconds a clip", lambda v: _number(v.get("seconds_a_clip"), 1)),
]


def progress(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    """A bar on standard error."""
    from tqdm import tqdm

    return tqdm(items, total=total, desc=what, file=sys.stderr)


if __name__ == "__main__":
    main()
