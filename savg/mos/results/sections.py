"""The report of a listening test as sections, from the JSON form of an `Analysis`.

Every form of the report is made of these: report.md, report.html, the organiser's page, the studio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from savg.viz.documents import (
    NOT_ENOUGH,
    Block,
    Estimate,
    Figure,
    Section,
    Table,
    finite,
    interval,
    number,
    percent,
)

Result = Mapping[str, Any]
"""`Analysis.to_dict()`, as report.json holds it."""


def sections_of(result: Result) -> list[Section]:
    """All sections; KeyError, TypeError, ValueError or AttributeError for anything else."""
    sections = [_note(result), _study(result), _listeners(result), _means(result)]
    sections += [_differences(result), _reliability(result)]
    if result["plan"]:
        sections.append(_plan(result["plan"]))
    if result["spatial"]:
        sections.append(_spatial(result["spatial"]))
    sections.append(_flags(result))
    if result["levels"].get("conditions"):
        sections.append(_levels(result["levels"]))
    return sections


def _note(result: Result) -> Section:
    warnings = tuple(f"**{warning}**" for warning in result["warnings"])
    return Section("note", "Note", warnings or ("Nothing stands out.",))


def _study(result: Result) -> Section:
    study = result["study"]
    scale = ", ".join(f"{i} {label}" for i, label in enumerate(study["labels"], 1))
    trials = sum(c["trials"] for c in study["conditions"])
    anchors = sum(a["trials"] for a in study["anchors"])
    design = (
        f"{trials} trials of {len(study['conditions'])} conditions a listener, {anchors} of anchors, "
        f"{study['repeats']} repeats, {study['catch']} catch trials; "
        f"{study['level'].replace('_', ' ')} screening."
    )
    blocks = (f"Question: {study['question']}", f"Scale: {scale}.", design)
    return Section("study", "What was asked", blocks)


def _listeners(result: Result) -> Section:
    rows = tuple((str(step), str(int(count))) for step, count in result["flow"].items())
    return Section("listeners", "Listeners", (Table(("step", "listeners"), rows),))


def _means(result: Result) -> Section:
    scores = range(1, len(result["study"]["labels"]) + 1)
    named = ("condition", "MOS", "95 % (these clips)", "95 % (all clips)", "ratings", "clips")
    head = (*named, *map(str, scores))
    blocks: list[Block] = [
        f"{int(result['flow']['analysed'])} listeners. *These clips*: Student's interval of the "
        "listeners' means, for other listeners and the same clips. *All clips*: other listeners and "
        "other clips. Then how often each score was given.",
        Table(head, _mean_rows(result["conditions"])),
        Figure(
            tuple(_estimate(str(c["name"]), c["mos"]) for c in result["conditions"]),
            1.0,
            float(len(scores)),
            "Mean opinion scores with 95 % intervals (these clips).",
        ),
    ]
    if result["without_flagged"]:
        table = Table(head, _mean_rows(result["without_flagged"]))
        blocks += ["Without flagged listeners:", table]
    return Section("means", "Mean opinion scores", tuple(blocks))


def _mean_rows(conditions: Sequence[Result]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            str(c["name"]),
            number(_checked(c["mos"]["estimate"])),
            interval(c["mos"]["low"], c["mos"]["high"]),
            interval(c["two_way"]["low"], c["two_way"]["high"]),
            str(int(c["ratings"])),
            str(int(c["clips"])),
            *(str(int(count)) for count in c["scores"]),
        )
        for c in conditions
    )


def _differences(result: Result) -> Section:
    flagged = result["flow"]["of these flagged"]
    head = ("first", "second", "first − second", "95 %", "without flagged", "mixed model")
    rows = tuple(
        (
            str(d["first"]),
            str(d["second"]),
            number(_checked(d["main"]["estimate"])),
            interval(d["main"]["low"], d["main"]["high"]),
            _both(d["without_flagged"]) if flagged else "–",
            _both(d["mixed"]),
        )
        for d in result["differences"]
    )
    estimates = tuple(
        _estimate(f"{d['first']} − {d['second']}", d["main"]) for d in result["differences"]
    )
    reach = [abs(v) for e in estimates for v in (e.value, e.low, e.high) if v is not None]
    widest = math.ceil(2 * max([*reach, 0.5])) / 2
    return Section(
        "differences",
        "Differences",
        (
            "Two-way bootstrap over listeners and clips: for other listeners and other clips. "
            f"{len(rows)} differences, not corrected for their number.",
            Table(head, rows),
            Figure(estimates, -widest, widest, "Differences with 95 % intervals."),
        ),
    )


def _reliability(result: Result) -> Section:
    repeats, mixed = result["repeats"], result["mixed"]
    rows = [
        ("ordinal Krippendorff α between listeners", number(result["alpha"])),
        ("clips rated twice", str(int(repeats["pairs"]))),
        ("of these equal", percent(repeats["equal"])),
        ("at most one point apart", percent(repeats["within_one"])),
        ("standard deviation of a single rating", number(repeats["rating_sd"])),
    ]
    for name, key in (
        ("between listeners", "listener_sd"),
        ("of their taste for a condition", "listener_condition_sd"),
        ("between clips", "clip_sd"),
        ("of single ratings", "noise_sd"),
    ):
        value = number(mixed[key]) if mixed else NOT_ENOUGH
        rows.append((f"mixed model: standard deviation {name}", value))
    text = (
        "Mixed model: REML; conditions fixed, listeners, listeners in conditions and clips random."
    )
    table = Table(("measure", "value"), tuple(rows))
    return Section("reliability", "Reliability", (text, table))


def _plan(plan: Result) -> Section:
    rows = tuple(
        (
            f"{float(difference):g}",
            number(power),
            "over 1000" if plan["needed"][difference] is None else str(plan["needed"][difference]),
        )
        for difference, power in plan["power"].items()
    )
    head = (
        "difference",
        f"power with {plan['listeners']} listeners",
        "listeners for a power of 0.8",
    )
    text = (
        "Paired t test at 5 %; listeners' differences between conditions have a standard deviation "
        f"of {number(plan['sd'])}."
    )
    return Section("plan", "The next study", (text, Table(head, rows)))


def _spatial(spatial: Result) -> Section:
    rows = tuple(
        (
            str(name),
            str(int(c["clips"])),
            number(c["spearman"]),
            interval(c["low"], c["high"]),
            number(c["pearson"]),
        )
        for name, c in spatial.items()
    )
    text = (
        "Mean rating of each clip against its share of sound events at a person; a clip has few "
        "ratings, which pulls correlations towards zero."
    )
    table = Table(("condition", "clips", "rank correlation", "95 %", "linear"), rows)
    return Section("spatial", "Spatial AV-Align, clip by clip", (text, table))


def _flags(result: Result) -> Section:
    rows = tuple(
        (
            str(code),
            "yes" if code in result["listeners"] else "no",
            str(flag["rule"]),
            str(flag["found"]),
        )
        for code, flags in result["flags"].items()
        for flag in flags
    )
    if not rows:
        return Section("flags", "Flags", ("None.",))
    text = "Rules were fixed before the test; flagged listeners stay in the main analysis."
    table = Table(("listener", "analysed", "rule", "found"), rows)
    return Section("flags", "Flags", (text, table))


def _levels(levels: Result) -> Section:
    rows = tuple(
        (
            str(name),
            str(int(c["clips"])),
            number(c["loudness_mean"], 1),
            number(c["loudness_sd"], 1),
        )
        for name, c in levels["conditions"].items()
    )
    text = (
        f"One gain of {number(levels['gain_db'], 1)} dB for all clips; level differences between the "
        f"channels changed by at most {number(levels['level_difference_change_max_db'])} dB in the "
        "transcoding."
    )
    table = Table(("condition", "clips", "mean LUFS", "standard deviation"), rows)
    return Section("levels", "Levels", (text, table))


def _checked(estimate: object) -> float | None:
    """A number or None; TypeError for anything else."""
    if estimate is not None and not isinstance(estimate, int | float):
        raise TypeError(f"estimate must be a number, got {estimate!r:.40}")
    return finite(estimate)


def _estimate(name: str, values: Result) -> Estimate:
    return Estimate(name, finite(values["estimate"]), finite(values["low"]), finite(values["high"]))


def _both(values: Result | None) -> str:
    if values is None or finite(values["estimate"]) is None:
        return NOT_ENOUGH
    return f"{number(values['estimate'])} ({interval(values['low'], values['high'])})"
