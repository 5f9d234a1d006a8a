"""What a construction leaves beside its clips: manifest.json, report.json, report.md, contact sheet.

The manifest identifies a set: settings, hashes of the sources and of every label table, versions of
what computed it. It names neither times nor places, so equal runs write equal bytes. The two JSON
files have a part for each split (`{"version": 1, "splits": {"dev": …}}`), so both may share a folder.
"""

from __future__ import annotations

import json
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
from savg.format import SAVGBENCH, ClipFormat
from savg.paths import atomic_file, file_sha256

VERSION = 1

PACKAGES = {
    "py360convert": "py360convert",
    "PyAV": "av",
    "numpy": "numpy",
    "scipy": "scipy",
    "OpenCV": "opencv-python-headless",
}
"""What takes part in the construction, by the names of its distributions."""

RULE_WORDS = {
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

    plan: "split" ("dev" or "eval") and "settings" (`Construction.to_dict()`); what else it has is
    written down as it is. The manifest goes first and comes last: where it is, all is there.
    """
    split = plan["split"]
    others = _other_splits(folder, "manifest.json", split)
    (folder / "manifest.json").unlink(missing_ok=True)
    values = plan["settings"].get("format")
    format = ClipFormat(**values) if values else SAVGBENCH
    manifest = _manifest(folder, plan, results, problems)
    found = statistics(results, format.size)
    found["problems"] = [asdict(problem) for problem in _ordered(problems)]
    sheet = "contact_sheet.jpg" if split == SPLITS[0] else f"contact_sheet_{split}.jpg"
    items = SavgBench(folder / split_folder(split))
    write_contact_sheet(folder / "report" / sheet, list(items), format)
    report = {**_other_splits(folder, "report.json", split), split: found}
    parts = [as_markdown(name, part) for name, part in sorted(report.items())]
    _write(folder / "report.json", report)
    _text(folder / "report.md", "# Construction of clips\n\n" + "\n".join(parts))
    _write(folder / "manifest.json", {**others, split: manifest})


def summary(results: Sequence[RecordingResult], problems: Sequence[Problem]) -> str:
    """The report in a few lines, for a terminal."""
    found = statistics(results, details=False)
    lines = [
        f"recordings  {found['recordings']} ({found['seconds'] / 60:.1f} min)",
        f"windows     {found['windows']} judged, {found['kept']} kept"
        + _share(found["kept"], found["windows"]),
    ]
    lines += [f"  dropped   {n}: {RULE_WORDS[rule]}" for rule, n in found["dropped"].items() if n]
    lines.append(f"clips       {_categories(found)}")
    lines.append(f"sides       {_side_words(found['sides'])}")
    for problem in _ordered(problems):
        lines.append(f"{'skipped' if problem.skipped else 'note':<11} {problem.sentence}")
    return "\n".join(lines)


def as_markdown(split: str, found: Mapping[str, Any]) -> str:
    """One split's part of report.json for people."""
    sheet = "contact_sheet.jpg" if split == SPLITS[0] else f"contact_sheet_{split}.jpg"
    clips = f"{found['kept']} clip{'s' * (found['kept'] != 1)}"
    lines = [
        f"## {SPLIT_NAMES[split]}",
        "",
        f"{clips} ({_categories(found)}) from {found['recordings']} recordings of "
        f"{found['seconds'] / 60:.1f} min. Some of them: [contact sheet](report/{sheet}).",
        "",
        "`degDDD` in a name turns the recording: azimuth in the clip = azimuth in the recording + deg, "
        "positive to the left. So `deg30` looks 30° to the right, at azimuth −30.",
        "",
        "| windows × views | number | share |",
        "|---|---:|---:|",
        f"| judged | {found['windows']} | |",
    ]
    for rule, count in found["dropped"].items():
        lines.append(f"| dropped: {RULE_WORDS[rule]} | {count} |{_cell(count, found)}|")
    lines += [f"| kept | {found['kept']} |{_cell(found['kept'], found)}|", ""]
    lines += _position_table(found) + _level_table(found)
    lines += [f"Sound and picture: {_side_words(found['sides'])}.", ""]
    kept = [r for r in found["of_recordings"] if r["kept"]]
    lines += ["| recording | windows | clips |", "|---|---:|---:|"]
    lines += [f"| {r['name']} | {r['windows']} | {r['kept']} |" for r in kept]
    empty = len(found["of_recordings"]) - len(kept)
    lines += [f"| {empty} more without clips | | |", ""] if empty else [""]
    if found["problems"]:
        lines += ["Recordings with problems:", ""]
        lines += [
            f"- {p['recording']}{' (skipped)' if p['skipped'] else ''}: {p['sentence']}"
            for p in found["problems"]
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
        # Sentences may name places of this machine; they are in the report.
        "skipped": sorted({p.recording for p in problems if p.skipped}),
        "clips": sorted(clips, key=lambda clip: str(clip["name"])),
    }


def versions() -> dict[str, str]:
    """Versions of this project and of what it computes with."""
    found = {"savg": __version__}
    for name, package in PACKAGES.items():
        try:
            found[name] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def _other_splits(folder: Path, name: str, split: str) -> dict[str, Any]:
    """What a file says about other splits whose clips are still there."""
    try:
        before = json.loads((folder / name).read_text(encoding="utf-8"))["splits"]
        return {
            s: before[s]
            for s in SPLITS
            if s != split and s in before and (folder / split_folder(s)).is_dir()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(path: Path, splits: Mapping[str, Any]) -> None:
    whole = {"version": VERSION, "splits": splits}
    _text(path, json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _text(path: Path, text: str) -> None:
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _ordered(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.recording, problem.sentence))


def _share(count: int, total: int) -> str:
    return f" ({100 * count / total:.2f} %)" if total else ""


def _cell(count: int, found: Mapping[str, Any]) -> str:
    return _share(count, found["windows"]).replace("(", "").replace(")", "") + " "


def _categories(found: Mapping[str, Any]) -> str:
    words = ", ".join(f"{count} {name}" for name, count in found["categories"].items())
    ratio = found["speech_to_instrument"]
    return words if ratio is None else f"{words}; {ratio:.2f} : 1"


def _side_words(sides: Mapping[str, Any]) -> str:
    if not sides["judged"]:
        return "no clip whose sound is clearly to one side"
    words = f"{sides['agree']} of {sides['judged']} clips with a sound to one side are louder there"
    if sides["correlation"] is None:
        return words
    return f"{words}; level difference against position r = {sides['correlation']:.2f}"


def _position_table(found: Mapping[str, Any]) -> list[str]:
    places = found["positions"]
    edges = places["edges"]
    lines = ["| label x (pixels) | speech | instrument |", "|---|---:|---:|"]
    rows = zip(edges, edges[1:], *(places[name] for name in CATEGORY_NAMES), strict=False)
    lines += [f"| {a:g}…{b:g} | {speech} | {music} |" for a, b, speech, music in rows]
    return [*lines, ""]


def _level_table(found: Mapping[str, Any]) -> list[str]:
    rows = {
        "level (dB)": found["level_db"],
        "left − right (dB)": found["difference_db"],
        "peak": found["peak"],
        "share of frames with sound": found["active"],
    }
    names = ("min", "p5", "p50", "p95", "max")
    lines = ["| of the clips | " + " | ".join(names) + " |", "|---|---:|---:|---:|---:|---:|"]
    for name, spread in rows.items():
        cells = [f"{spread[n] + 0.0:.2f}" for n in names] if spread else ["–"] * len(names)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]
