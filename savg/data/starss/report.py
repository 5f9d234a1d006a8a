"""Reports of a construction: manifest.json, report.json, report.md and the contact sheet.

The manifest identifies a set: settings, hashes of the sources and of every label table, versions
of the packages. It holds neither times nor paths, so equal runs write equal bytes. The two JSON
files have a part for each split (`{"version": 1, "splits": {"dev": …}}`), so both may share a folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from savg import __version__
from savg.annotation import CATEGORY_NAMES
from savg.data.savgbench import SPLIT_NAMES, SPLITS, SavgBench, split_folder
from savg.data.starss.contact_sheet import write_contact_sheet
from savg.data.starss.results import Problem, RecordingResult
from savg.data.starss.statistics import statistics
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.json_files import read_object
from savg.paths import atomic_file, file_sha256

VERSION = 1

PACKAGES = {
    "py360convert": "py360convert",
    "PyAV": "av",
    "numpy": "numpy",
    "scipy": "scipy",
    "OpenCV": "opencv-python-headless",
}
"""Packages that take part in the construction, by the names of their distributions."""

RULE_NAMES = {
    "class": "sounds of other classes",
    "overlap": "two sounds at once",
    "activity": "too little sound",
    "off_screen": "a sound off screen",
    "clipping": "too loud after the gain",
}


def write_reports(
    folder: Path,
    plan: Mapping[str, Any],
    results: Sequence[RecordingResult],
    problems: Sequence[Problem],
) -> None:
    """Write the reports about the clips of `results` in FOLDER/…_Development or …_Evaluation.

    plan: "split" ("dev" or "eval") and "settings" (`Construction.to_dict()`); other items are written
    unchanged. The manifest is removed first and written last: where it exists, all files do.
    """
    split = plan["split"]
    others = _other_splits(folder, "manifest.json", split)
    (folder / "manifest.json").unlink(missing_ok=True)
    values = plan["settings"].get("format")
    format = ClipFormat(**values) if values else SAVGBENCH
    manifest = _manifest(folder, plan, results, problems)
    part = statistics(results, format.size)
    part["problems"] = [asdict(problem) for problem in _ordered(problems)]
    sheet = "contact_sheet.jpg" if split == SPLITS[0] else f"contact_sheet_{split}.jpg"
    items = SavgBench(folder / split_folder(split))
    write_contact_sheet(folder / "report" / sheet, list(items), format)
    report = {**_other_splits(folder, "report.json", split), split: part}
    sections = [as_markdown(name, values) for name, values in sorted(report.items())]
    _write(folder / "report.json", report)
    _text(folder / "report.md", "# Construction of clips\n\n" + "\n".join(sections))
    _write(folder / "manifest.json", {**others, split: manifest})


def summary(results: Sequence[RecordingResult], problems: Sequence[Problem]) -> str:
    """The report in a few lines, for a terminal."""
    report = statistics(results, details=False)
    lines = [
        f"recordings  {report['recordings']} ({report['seconds'] / 60:.1f} min)",
        f"windows     {report['windows']} judged, {report['kept']} kept"
        + _share(report["kept"], report["windows"]),
    ]
    lines += [f"  dropped   {n}: {RULE_NAMES[rule]}" for rule, n in report["dropped"].items() if n]
    lines.append(f"clips       {_categories(report)}")
    lines.append(f"sides       {_side_agreement(report['sides'])}")
    if reason := why_empty(results):
        lines.append(f"{'no clips':<11} {reason}")
    for problem in _ordered(problems):
        lines.append(f"{'skipped' if problem.skipped else 'note':<11} {problem.sentence}")
    return "\n".join(lines)


def why_empty(results: Sequence[RecordingResult]) -> str:
    """Why a construction has no clip, in a sentence; empty if it has some."""
    if any(result.clips for result in results):
        return ""
    dropped: Counter[str] = Counter()
    for result in results:
        dropped.update(result.dropped)
    windows = sum(result.windows for result in results)
    if not windows:
        longest = max((result.seconds for result in results), default=0.0)
        return (
            f"No clip was built: recordings must last at least {SAVGBENCH.seconds:g} s, and the "
            f"longest lasts {longest:.1f} s."
        )
    rule, most = dropped.most_common(1)[0]
    return (
        f"No clip was built: all {windows} windows broke a rule, {most} of them for "
        f"{RULE_NAMES[rule]}; longer recordings, or smaller --window-step and --view-step, have "
        "more windows."
    )


def as_markdown(split: str, report: Mapping[str, Any]) -> str:
    """One split's part of report.json as Markdown."""
    sheet = "contact_sheet.jpg" if split == SPLITS[0] else f"contact_sheet_{split}.jpg"
    clips = f"{report['kept']} clip{'s' * (report['kept'] != 1)}"
    lines = [
        f"## {SPLIT_NAMES[split]}",
        "",
        f"{clips} ({_categories(report)}) from {report['recordings']} recordings of "
        f"{report['seconds'] / 60:.1f} min. Some of them: [contact sheet](report/{sheet}).",
        "",
        "`degDDD` in a name rotates the recording: azimuth in the clip = azimuth in the recording "
        "+ deg, positive to the left. So `deg30` looks 30° to the right, at azimuth −30.",
        "",
        "| windows × views | number | share |",
        "|---|---:|---:|",
        f"| judged | {report['windows']} | |",
    ]
    for rule, count in report["dropped"].items():
        lines.append(f"| dropped: {RULE_NAMES[rule]} | {count} |{_cell(count, report)}|")
    lines += [f"| kept | {report['kept']} |{_cell(report['kept'], report)}|", ""]
    lines += _position_table(report) + _level_table(report)
    lines += [f"Audio and video: {_side_agreement(report['sides'])}.", ""]
    productive = [r for r in report["of_recordings"] if r["kept"]]
    lines += ["| recording | windows | clips |", "|---|---:|---:|"]
    lines += [f"| {r['name']} | {r['windows']} | {r['kept']} |" for r in productive]
    empty = len(report["of_recordings"]) - len(productive)
    lines += [f"| {empty} more without clips | | |", ""] if empty else [""]
    if report["problems"]:
        lines += ["Recordings with problems:", ""]
        lines += [
            f"- {p['recording']}{' (skipped)' if p['skipped'] else ''}: {p['sentence']}"
            for p in report["problems"]
        ]
        lines.append("")
    return "\n".join(lines)


def _manifest(
    folder: Path,
    plan: Mapping[str, Any],
    results: Sequence[RecordingResult],
    problems: Sequence[Problem],
) -> dict[str, Any]:
    labels = folder / split_folder(plan["split"]) / f"metadata_{plan['split']}"
    clips = [
        {
            "name": clip.name,
            "recording": result.name,
            "view": clip.view,
            "start": clip.start,
            "category": CATEGORY_NAMES[clip.category],
            "labels_sha256": file_sha256(labels / f"{clip.name}.csv"),
        }
        for result in results
        for clip in result.clips
    ]
    return {
        **plan,
        "versions": versions(),
        "recordings": [
            {"name": r.name, "sources": dict(sorted(r.sources.items()))}
            for r in sorted(results, key=lambda r: r.name)
        ],
        # Sentences may hold paths of this machine; they are in the report.
        "skipped": sorted({p.recording for p in problems if p.skipped}),
        "clips": sorted(clips, key=lambda clip: str(clip["name"])),
    }


def versions() -> dict[str, str]:
    """Versions of this project and of its packages."""
    numbers = {"savg": __version__}
    for name, package in PACKAGES.items():
        try:
            numbers[name] = metadata.version(package)
        except metadata.PackageNotFoundError:
            numbers[name] = "unknown"
    return numbers


def _other_splits(folder: Path, name: str, split: str) -> dict[str, Any]:
    """A file's parts about other splits whose clips still exist."""
    try:
        splits = read_object(folder / name)["splits"]
        return {
            s: splits[s]
            for s in SPLITS
            if s != split and s in splits and (folder / split_folder(s)).is_dir()
        }
    except (SavgError, KeyError, TypeError):
        return {}


def _write(path: Path, splits: Mapping[str, Any]) -> None:
    content = {"version": VERSION, "splits": splits}
    _text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _text(path: Path, text: str) -> None:
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _ordered(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.recording, problem.sentence))


def _share(count: int, total: int) -> str:
    return f" ({100 * count / total:.2f} %)" if total else ""


def _cell(count: int, report: Mapping[str, Any]) -> str:
    return _share(count, report["windows"]).replace("(", "").replace(")", "") + " "


def _categories(report: Mapping[str, Any]) -> str:
    words = ", ".join(f"{count} {name}" for name, count in report["categories"].items())
    ratio = report["speech_to_instrument"]
    return words if ratio is None else f"{words}; {ratio:.2f} : 1"


def _side_agreement(sides: Mapping[str, Any]) -> str:
    if not sides["judged"]:
        return "no clip whose sound is clearly to one side"
    words = f"{sides['agree']} of {sides['judged']} clips with a sound to one side are louder there"
    if sides["correlation"] is None:
        return words
    return f"{words}; level difference against position r = {sides['correlation']:.2f}"


def _position_table(report: Mapping[str, Any]) -> list[str]:
    places = report["positions"]
    edges = places["edges"]
    lines = ["| label x (pixels) | speech | instrument |", "|---|---:|---:|"]
    rows = zip(edges, edges[1:], *(places[name] for name in CATEGORY_NAMES), strict=False)
    lines += [f"| {a:g}…{b:g} | {speech} | {music} |" for a, b, speech, music in rows]
    return [*lines, ""]


def _level_table(report: Mapping[str, Any]) -> list[str]:
    rows = {
        "level (dB)": report["level_db"],
        "left − right (dB)": report["difference_db"],
        "peak": report["peak"],
        "share of frames with sound": report["active"],
    }
    names = ("min", "p5", "p50", "p95", "max")
    lines = ["| of the clips | " + " | ".join(names) + " |", "|---|---:|---:|---:|---:|---:|"]
    for name, spread in rows.items():
        cells = [f"{spread[n] + 0.0:.2f}" for n in names] if spread else ["–"] * len(names)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]
