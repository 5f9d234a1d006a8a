"""Readers of tables and of JSON files about clips: labels, detections, scores, results, datasets."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from bench_sets import write_set

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.data.bench_table import bench_table, read_report
from savg.data.savgbench import SavgBench
from savg.data.seld_tables import STEREO, read_directions, read_labelled_x, read_stereo
from savg.data.starss.labels import read_labels
from savg.evaluation.cache import Cache
from savg.evaluation.clip_scores import read_scores
from savg.evaluation.files import read_tables, read_truth
from savg.evaluation.leaderboard import append_run, read_leaderboard
from savg.evaluation.observers import cached_value
from savg.evaluation.parts import Facts, Part, Persons, Plain, Sounds
from savg.evaluation.published import PUBLISHED, published
from savg.evaluation.report_files import write_reports
from savg.evaluation.results_file import read_run
from savg.format import SAVGBENCH
from savg.media.depth_file import read_depth
from savg.metrics.nearest_clip import thumbnails
from savg.pipelines.box_path import read_box_path
from savg.pipelines.envelope_file import read_curve
from savg.studio.results.result_files import benchmarks
from savg.studio.results.run_tables import board_of
from tests.fuzz.case import Reader, Seed, Trial
from tests.fuzz.readers.commands import command

BOXES = "".join(f"{f},0,{20 + f},60,{90 + f},190\n" for f in range(20))
EVENTS = "".join(f"{f},{f % 2},{131.5 - f}\n" for f in range(50))
LABELS = "".join(f"{f},{(0, 1, 9)[f % 3]},{40 + f},80\n" for f in range(50))
STEREO_ROWS = f"{STEREO}\n" + "".join(
    f"{f},{f % 13},{f % 3},{f - 30},120,{f % 2}\n" for f in range(40)
)
RECORDING = "".join(f"{f},{f % 3},0,{f - 30},{f % 9},200\n" for f in range(60))
MAPS = np.arange(3 * 9 * 16, dtype=np.uint16).reshape(3, 9, 16) * 100


def _text(name: str, content: str) -> Seed:
    return Seed(lambda folder: (folder / name).write_text(content), name)


def _tables(folder: Path) -> None:
    """What `annotate` writes of two clips, without the videos."""
    for name in ("one", "two"):
        (folder / f"{name}.boxes.csv").write_text(BOXES)
        (folder / f"{name}.events.csv").write_text(EVENTS)
        format = SAVGBENCH
        names = ("frames", "fps", "sample_rate", "size", "picture_height", "label_fps")
        values = {key: getattr(format, key) for key in names}
        (folder / f"{name}.json").write_text(json.dumps({"version": 1, "format": values}))


def _truth(folder: Path) -> None:
    (folder / "one.csv").write_text(LABELS)
    (folder / "one.boxes.csv").write_text(BOXES)


def _seld_folders(folder: Path) -> None:
    for name in ("predictions", "reference"):
        (folder / name).mkdir()
        for clip in ("one", "two"):
            (folder / name / f"{clip}.csv").write_text(STEREO_ROWS)


def _results(folder: Path) -> None:
    metric = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "nulls": {"centre": 0.2}, "notes": {}}
    metrics = {"spatial_av_align": {"name": "spatial_av_align"} | metric}
    sets = {"joint": {"label": "joint", "clips": 9, "facts": {}, "metrics": metrics}}
    setting = {"command": "python -m x", "cpu": "4 cores", "gpu": None, "torch": "2"}
    (folder / "speed.json").write_text(json.dumps({"setting": setting, "sets": sets}))
    (folder / "speed.md").write_text("# Speed\n\n| a | b |\n")


def _run(folder: Path) -> None:
    """A results.json as `evaluate --out` writes it."""
    _results(folder)
    one = json.loads((folder / "speed.json").read_text())["sets"]["joint"]
    rows = [{"clip": f"c{i}", "score": i / 9} for i in range(9)]
    more = {"each": rows, "each_by_set": {"reference": rows}, "nearest": rows, "failed": rows}
    data = {
        "version": 1,
        "run": {"name": "x"},
        "sets": {"generated": one},
        "warnings": ["w"],
    } | more
    (folder / "results.json").write_text(json.dumps(data))


def _leaderboard(folder: Path) -> None:
    _run(folder)
    append_run(folder / "seed.json", read_run(folder))
    (folder / "results.json").unlink()
    (folder / "speed.json").unlink()
    (folder / "speed.md").unlink()


def _official_tables(folder: Path) -> None:
    for name, rows in (("seld", EVENTS), ("boxes", BOXES)):
        (folder / name).mkdir()
        for clip in ("one", "two"):
            (folder / name / f"{clip}.csv").write_text(rows)


PARTS: tuple[Part, ...] = (
    Facts(),
    Persons(lambda clip: Boxes.empty()),
    Sounds(lambda clip: SoundEvents.empty()),
    Plain("x", thumbnails),
)


def _observation(folder: Path) -> None:
    n = 20
    boxes = Boxes(np.arange(n), np.zeros(n), np.tile([20.0, 60, 90, 190], (n, 1)), np.full(n, 0.9))
    events = SoundEvents(np.arange(n), np.zeros(n), np.full(n, 100.0))
    values = ((SAVGBENCH, False), boxes, events, np.ones((3, 4), np.float32))
    for part, value in zip(PARTS, values, strict=True):
        Cache(folder).write("seed", part.file, part.pack(value))


SEEDS = {
    "boxes": _text("seed.csv", BOXES),
    "events": _text("seed.csv", EVENTS),
    "labels": _text("seed.csv", LABELS),
    "recording": _text("seed.csv", RECORDING),
    "stereo_rows": _text("seed.csv", STEREO_ROWS),
    "seld_folders": Seed(_seld_folders, targets=("*/*.csv",)),
    "tables": Seed(_tables, targets=("*.csv", "*.json")),
    "truth": Seed(_truth, targets=("*.csv",)),
    "curve": _text("seed.csv", "".join(f"{i / 10},{i / 100}\n" for i in range(30))),
    "depth_npy": Seed(lambda folder: np.save(folder / "seed.npy", MAPS), "seed.npy"),
    "depth_npz": Seed(lambda folder: np.savez(folder / "seed.npz", depth=MAPS), "seed.npz"),
    "depth_png": Seed(lambda folder: cv2.imwrite(str(folder / "seed.png"), MAPS[0]), "seed.png"),
    "box_path": _text("seed.csv", "".join(f"{i / 10},{i},80,{i + 20},180\n" for i in range(30))),
    "box_path_rows": _text(
        "seed.json", json.dumps({"boxes": [[i, i, 80, i + 20, 180] for i in range(30)]})
    ),
    "curve_points": _text("seed.json", json.dumps({"points": [[i, i / 40] for i in range(30)]})),
    "scores": _text(
        "seed.json", json.dumps({"each": [{"clip": f"c{i}", "score": i / 9} for i in range(9)]})
    ),
    "results": Seed(_results, targets=("speed.json", "speed.md")),
    "published": _text("seed.json", PUBLISHED.read_text(encoding="utf-8")),
    "evaluation": Seed(_run, targets=("results.json",)),
    "leaderboard": Seed(_leaderboard, "seed.json"),
    "official_tables": Seed(_official_tables, targets=("*/*.csv",)),
    "observation": Seed(_observation, targets=("seed/*.safetensors",)),
    "dataset": Seed(
        lambda folder: write_set(folder, 4, boxes=True),
        targets=("*.json", "*/metadata_dev/*.csv", "*/boxes_dev/*.csv"),
    ),
}


def _on_path(read: Callable[[Path], object], trial: Trial) -> None:
    read(trial.path)


def _read_tables(trial: Trial) -> None:
    read_tables(trial.path / "one.events.csv")


def _read_observation(trial: Trial) -> None:
    for part in PARTS:
        cached_value(part, "seed", Cache(trial.path))


def _score_seld(trial: Trial) -> None:
    folders = (str(trial.path / name) for name in ("predictions", "reference"))
    flags = zip(("--predictions", "--reference"), folders, strict=True)
    command(["score-seld", *(word for pair in flags for word in pair), "--rules", "dcase2025"])


def _evaluate(trial: Trial) -> None:
    command(["evaluate", str(trial.path), "--json"])


def _report(trial: Trial) -> None:
    """All that is made of a results.json: reports, and the tables of runs side by side."""
    run = read_run(trial.path)
    write_reports(trial.out, run)
    board_of([run, run])


def _compare(trial: Trial) -> None:
    command(["compare", str(trial.path), str(trial.path), "--json"])


def _evaluate_official(trial: Trial) -> None:
    folders = ["--seld-csv", str(trial.path / "seld"), "--detection-csv", str(trial.path / "boxes")]
    command(["evaluate", *folders, "--metrics", "spatial_av_align", "--json"])


def _dataset(trial: Trial) -> None:
    bench = SavgBench(trial.path, "dev")
    read_report(bench)
    bench_table(bench)
    for item in bench:
        _ = item.labels, item.boxes


READERS = {
    "boxes": Reader(partial(_on_path, Boxes.read_csv), ("boxes",), 4),
    "events": Reader(partial(_on_path, SoundEvents.read_csv), ("events",), 4),
    "labels": Reader(partial(_on_path, ClipLabels.read_csv), ("labels",), 4),
    "recording_labels": Reader(partial(_on_path, read_labels), ("recording",), 4),
    "stereo_rows": Reader(lambda trial: read_stereo(trial.path, 13), ("stereo_rows",), 3),
    "directions": Reader(lambda trial: read_directions(trial.path, 13), ("recording",), 2),
    "labelled_x": Reader(partial(_on_path, read_labelled_x), ("labels",), 2),
    "envelope": Reader(partial(_on_path, read_curve), ("curve", "curve_points"), 3),
    "depth_maps": Reader(partial(_on_path, read_depth), ("depth_npy", "depth_npz", "depth_png"), 3),
    "box_path": Reader(partial(_on_path, read_box_path), ("box_path", "box_path_rows"), 3),
    "score_seld": Reader(_score_seld, ("seld_folders",), 2),
    "tables": Reader(_read_tables, ("tables",)),
    "truth": Reader(lambda trial: read_truth(trial.path, "one"), ("truth",), 2),
    "evaluate": Reader(_evaluate, ("tables",)),
    "scores": Reader(partial(_on_path, read_scores), ("scores", "tables")),
    "results": Reader(partial(_on_path, benchmarks), ("results",), 2),
    "published": Reader(partial(_on_path, published), ("published",), 1),
    "evaluation": Reader(_report, ("evaluation",), 2),
    "compare": Reader(_compare, ("evaluation",)),
    "leaderboard": Reader(partial(_on_path, read_leaderboard), ("leaderboard",), 2),
    "official_tables": Reader(_evaluate_official, ("official_tables",)),
    "observation": Reader(_read_observation, ("observation",)),
    "dataset": Reader(_dataset, ("dataset",)),
}
