"""What the Results tab reads: benchmark tables and reports of listening tests.

Everything comes from files; a file that is not what it should be is named in a sentence and the others
are shown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.evaluation.result_files import MAX_BYTES, RESULTS, read_json, read_sets
from savg.metrics.spatial import SpatialAvAlign
from savg.mos.results.sections import sections_of
from savg.numerals import integer, number
from savg.tables import read_csv
from savg.viz.documents import Section

VARIABLE = "SAVG_REPORTS"
"""Environment variable: folders that `mos report` wrote, or folders of such folders."""


@dataclass(frozen=True)
class Measure:
    """Spatial AV-Align of one set of clips with its 95 % interval and chance baselines."""

    label: str
    clips: int
    score: float
    low: float | None
    high: float | None
    tp: int
    fn: int
    baselines: dict[str, float]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's files: its figures of spatial alignment, how it was made, its whole table."""

    name: str
    title: str
    command: str
    hardware: str
    measures: tuple[Measure, ...]
    markdown: str


@dataclass(frozen=True)
class Report:
    """A listening test's report as `mos report` wrote it, and its clips where it has them."""

    key: str
    title: str
    simulated: bool
    data: dict[str, Any]
    sections: tuple[Section, ...]
    clips: tuple[dict[str, Any], ...] = field(default=())

    def section(self, key: str) -> Section:
        """The section of this key."""
        return next(section for section in self.sections if section.key == key)


def benchmarks(folder: Path = RESULTS) -> list[Benchmark]:
    """The benchmarks with results, those with spatial alignment first."""
    names = sorted({p.stem for p in folder.glob("*.json")} | {p.stem for p in folder.glob("*.md")})
    return sorted((_benchmark(folder, name) for name in names), key=lambda b: not b.measures)


def _benchmark(folder: Path, name: str) -> Benchmark:
    table = folder / f"{name}.md"
    text = table.read_text(encoding="utf-8", errors="replace") if table.is_file() else ""
    data = read_json(folder / f"{name}.json")
    setting = data.get("setting") if isinstance(data, dict) else None
    setting = setting if isinstance(setting, dict) else {}
    hardware = [setting.get("cpu"), setting.get("gpu")]
    if setting.get("torch"):
        hardware.append(f"torch {setting['torch']}")
    first = text.splitlines()[0].lstrip("# ") if text.strip() else ""
    return Benchmark(
        name,
        first or name.replace("_", " ").capitalize(),
        str(setting.get("command") or f"python -m benchmarks.{name}").strip(),
        ", ".join(str(part) for part in hardware if part),
        tuple(_measures(data)),
        text or f"```json\n{json.dumps(data, indent=1)[:20_000]}\n```",
    )


def _measures(data: Any) -> Iterator[Measure]:
    """Spatial AV-Align of every set of clips in a result."""
    for one in read_sets(data).values():
        result = one.metrics.get(SpatialAvAlign.name)
        if result is not None and result.value is not None:
            yield Measure(
                one.label,
                one.clips,
                result.value,
                result.low,
                result.high,
                int(result.notes.get("tp") or 0),
                int(result.notes.get("fn") or 0),
                {name: value for name, value in result.nulls.items() if value is not None},
            )


class Reports:
    """The reports that an operator publishes, looked for again each time somebody asks."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Reports:
        """Those of SAVG_REPORTS."""
        return cls([Path(p) for p in environment.get(VARIABLE, "").split(os.pathsep) if p])

    def __bool__(self) -> bool:
        return bool(self.folders)

    def files(self) -> list[Path]:
        """The report.json files there are now."""
        names = ("report.json", "simulated-report.json")
        files: dict[Path, None] = {}
        for folder in self.folders:
            below = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
            for place in (folder, *below, *(p / "report" for p in below), folder / "report"):
                files |= {(place / n).resolve(): None for n in names if (place / n).is_file()}
        return list(files)

    def choices(self) -> tuple[list[tuple[str, str]], list[str]]:
        """(title, key) of each readable report, real listeners first, and what is wrong with others."""
        reports: list[tuple[tuple[bool, str], str]] = []
        problems: list[str] = []
        for index, path in enumerate(self.files()):
            try:
                report = read_report(path, str(index))
            except SavgError as error:
                problems.append(str(error))
                continue
            reports.append(((report.simulated, report.title), report.key))
        if self.folders and not reports and not problems:
            problems.append(f"{VARIABLE} names no folder with a report.json in it.")
        return [(title, key) for (_, title), key in sorted(reports)], problems

    def open(self, key: object) -> Report:
        """The report of a key."""
        files = self.files()
        if not isinstance(key, str) or not key.isdecimal() or int(key[:6]) >= len(files):
            raise SavgError("This report is not there: choose one of the list.")
        return read_report(files[int(key[:6])], key)


def read_report(path: Path, key: str = "0") -> Report:
    """A report.json; SavgError names the file without its folder's folders."""
    shown = f"{path.parent.name}/{path.name}"
    data = read_json(path)
    try:
        name, simulated = str(data["study"]["name"]), bool(data["simulated"])
        sections = tuple(sections_of(data))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SavgError(f"{shown} is no report of a listening test.") from error
    mark = " (simulated listeners)" if simulated else ""
    clips = path.with_name(path.name.replace("report.json", "clips.csv"))
    return Report(key, f"{name}{mark}", simulated, data, sections, tuple(_clips(clips)))


def _clips(path: Path) -> list[dict[str, Any]]:
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return []
    try:
        return [
            {
                "condition": row["condition"],
                "clip": row["clip"],
                "ratings": integer(row["ratings"]),
                "mean_rating": number(row["mean_rating"]),
                "spatial_av_align": number(row["spatial_av_align"]),
            }
            for row in read_csv(path)
        ]
    except (KeyError, TypeError, ValueError, SavgError):
        return []
