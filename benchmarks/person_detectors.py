"""Person detectors on ordinary videos: `python -m benchmarks.person_detectors`.

    --clips DIR     joint_1.mp4 and joint_2.mp4, whose people benchmarks/person_boxes.csv holds, drawn
                    by hand around every fourth frame
    --dataset DIR   a folder of `dataset build`, of which the labels say where sounding people are
    --world NAME    held-out clips of a synthetic world, whose boxes are known
    --speed N       N clips through each detector in turns, in processor time

A person is found where a box overlaps the true one by half of their union (average precision: by
`savg.metrics.person_detection`). On a dataset, each label of a frame is compared with the nearest
box centre in the nearest video frame, horizontally, in pixels of the 256-wide picture; frames without
a label do not count.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.synthetic import WORLDS, held_out
from benchmarks.unet_speed import hardware
from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.data.savgbench import SavgBench
from savg.detectors import detectors, person_detector
from savg.metrics.person_detection import box_iou, person_ap50
from savg.paths import atomic_file

BOXES = Path(__file__).with_name("person_boxes.csv")

NEAR = 20
"""Pixels within which a box centre is at a label."""


def hand_boxes() -> dict[tuple[str, int], NDArray[np.float64]]:
    """(clip, frame) → boxes [people, 4] drawn by hand, each person at the same place."""
    rows: dict[tuple[str, int], list[list[float]]] = {}
    with BOXES.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            corners = [float(row[name]) for name in ("x0", "y0", "x1", "y1")]
            rows.setdefault((row["clip"], int(row["frame"])), []).append(corners)
    return {key: np.array(value) for key, value in rows.items()}


def found_people(
    detections: dict[str, Boxes], truth: dict[tuple[str, int], NDArray[np.float64]]
) -> dict[str, str]:
    """ "clip, person" → in how many of the frames some box overlaps that person by half."""
    hits: dict[str, list[bool]] = {}
    for (clip, frame), people in truth.items():
        boxes = detections[clip]
        overlaps = box_iou(people, boxes.xyxy[boxes.frames == frame])
        for person, row in enumerate(overlaps):
            hits.setdefault(f"{clip}, person {person + 1}", []).append(bool((row >= 0.5).any()))
    return {name: f"{sum(found)} of {len(found)} frames" for name, found in hits.items()}


def label_errors(
    boxes: Boxes, labels: ClipLabels, fps: float, label_fps: float, frames: int
) -> NDArray[np.float64]:
    """Of each label, pixels from its x to the nearest box centre of its video frame; NaN without a
    box."""
    errors = []
    for label, x in zip(labels.frames, labels.x, strict=True):
        frame = min(round(label / label_fps * fps), frames - 1)
        centres = boxes.xyxy[boxes.frames == frame][:, [0, 2]].mean(axis=1)
        errors.append(np.abs(centres - x).min() if len(centres) else np.nan)
    return np.array(errors)


def on_labels(errors: NDArray[np.float64]) -> dict[str, str]:
    """What the errors of all labels say, in words."""
    seen = errors[~np.isnan(errors)]
    return {
        "nearest box centre, median error": f"{np.median(seen):.1f} px" if len(seen) else "–",
        f"within {NEAR} px": f"{np.mean(np.nan_to_num(errors, nan=np.inf) <= NEAR):.1%}",
        "no box in the label's frame": f"{np.isnan(errors).mean():.1%}",
    }


def in_turns(ways: dict[str, Any], clips: Sequence[Clip]) -> dict[str, float]:
    """Processor milliseconds a frame of each detector, clip by clip in turns."""
    seconds = dict.fromkeys(ways, 0.0)
    for detect in ways.values():
        detect(clips[0])
    for clip in clips:
        for name, detect in ways.items():
            start = time.process_time()
            detect(clip)
            seconds[name] += time.process_time() - start
    frames = sum(len(clip.video) for clip in clips)
    return {name: 1000 * value / frames for name, value in seconds.items()}


def speed_ways() -> dict[str, Any]:
    """Detectors whose times are compared: YOLOX-tiny at its published size has random weights, as time
    does not depend on them."""
    from dataclasses import replace

    from savg.detectors.nanodet import NanodetDetector
    from savg.detectors.persons import YoloxDetector
    from savg.models.yolox import Yolox, YoloxConfig

    ours, square = (NanodetDetector.from_pretrained(device="cpu") for _ in range(2))
    square.model.config = replace(square.model.config, input_size=(416, 416), picture_only=False)
    square.batch_size = 1
    torch.manual_seed(0)
    published = YoloxDetector(Yolox(YoloxConfig()).to(memory_format=torch.channels_last))
    return {
        "NanoDet, 416×256, 20 frames at once": ours,
        "NanoDet, 416×416, frame by frame": square,
        "YOLOX-tiny, 416×416 as published": published,
        "bundled YOLOX, 256×160": YoloxDetector.from_pretrained(device="cpu"),
    }


def table(title: str, columns: dict[str, dict[str, str]]) -> str:
    """A Markdown table: a row a measure, a column a detector."""
    names = list(columns)
    measures = list(next(iter(columns.values())))
    lines = [f"## {title}", "", f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    lines += [f"| {m} | {' | '.join(columns[n][m] for n in names)} |" for m in measures]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write benchmarks' person_detectors.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", type=Path, metavar="DIR")
    parser.add_argument("--dataset", type=Path, metavar="DIR")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="clip of the dataset")
    parser.add_argument("--world", choices=list(WORLDS))
    parser.add_argument("--count", type=int, default=50, metavar="N", help="clips of the world")
    parser.add_argument("--speed", type=int, default=0, metavar="N")
    parser.add_argument("--out", type=Path, default=BOXES.with_name("person_detectors.md"))
    args = parser.parse_args()
    available = [name for name, entry in detectors("persons").items() if entry.available]
    found = {name: person_detector(name, device="cpu") for name in available}
    parts = []
    if args.clips:
        truth = hand_boxes()
        clips = {name: Clip.read(args.clips / f"{name}.mp4") for name in {key[0] for key in truth}}
        columns = {}
        for name, detect in found.items():
            boxes = {clip: detect(value) for clip, value in sorted(clips.items())}
            columns[name] = found_people(boxes, truth)
        parts.append(table("People of two real clips, found by half their area", columns))
    if args.dataset:
        parts.append(_dataset(args.dataset, args.every, found))
    if args.world:
        parts.append(_world(args.world, args.count, available))
    if args.speed:
        parts.append(_speed(args.speed))
    text = "\n".join(["# Person detectors", "", _how(args), "", *parts])
    print(text)
    with atomic_file(args.out) as part:
        part.write_text(text, encoding="utf-8")


def _dataset(folder: Path, every: int, found: dict[str, Any]) -> str:
    items = list(SavgBench(folder))[::every]
    errors: dict[str, list[NDArray[np.float64]]] = {name: [] for name in found}
    for item in items:
        clip, format = item.clip, item.clip.format
        for name, detect in found.items():
            rates = format.fps, format.label_fps, format.frames
            errors[name].append(label_errors(detect(clip), item.labels, *rates))
    columns = {name: on_labels(np.concatenate(values)) for name, values in errors.items()}
    return table(f"Where the labels of {len(items)} real clips say that somebody sounds", columns)


def _world(world: str, count: int, names: Iterable[str]) -> str:
    drawn = [held_out(world, index) for index in range(count)]
    columns = {}
    for name in names:
        detect = person_detector(name, device="cpu", score_threshold=0.01)
        value = person_ap50([detect(one.clip) for one in drawn], [one.boxes for one in drawn])
        columns[name] = {"AP50": "–" if value is None else f"{value:.3f}"}
    return table(f"{count} held-out clips of the world {world}", columns)


def _speed(count: int) -> str:
    clips = [held_out("solo", index).clip for index in range(count)]
    milliseconds = in_turns(speed_ways(), clips)
    first = next(iter(milliseconds.values()))
    rows = {
        name: {
            "processor time a frame": f"{value:.1f} ms",
            "the first one takes": f"{first / value:.0%}",
        }
        for name, value in milliseconds.items()
    }
    return table(f"{count} clips in turns, {torch.get_num_threads()} thread", rows)


def _how(args: argparse.Namespace) -> str:
    given = [("--clips …", args.clips), ("--dataset …", args.dataset), ("--world …", args.world)]
    options = [text for text, value in given if value]
    options += [f"--every {args.every}"] * (args.every > 1) + [f"--speed {args.speed}"]
    command = " ".join(["python -m benchmarks.person_detectors", *options])
    return f"{hardware()}. `{command}`, boxes at each detector's threshold."


if __name__ == "__main__":
    main()
