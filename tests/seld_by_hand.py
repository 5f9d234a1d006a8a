"""SELD scores again, by dictionaries and plain loops.

On a line several matchings often have the same least sum, so that here too SciPy's choice counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, nan
from statistics import fmean

from scipy.optimize import linear_sum_assignment

Row = tuple[int, int, float]
"""Frame, class, position."""


def matched(
    labels: Sequence, guesses: Sequence, distance: Callable[[object, object], float]
) -> list[tuple[int, int]]:
    """The pairs of indices at the least sum of distances."""
    cost = [[distance(a, b) for b in guesses] for a in labels]
    return list(zip(*(side.tolist() for side in linear_sum_assignment(cost)), strict=True))


def blocks(
    files: Sequence[tuple[Sequence[tuple], Sequence[tuple]]],
    classes: int,
    limit: float,
    worst: float,
    distance: Callable[[tuple, tuple], float],
) -> dict[str, float]:
    """DCASE2022's scores of files of (predicted, labelled) rows (frame, class, position…)."""
    tp, fp, far, fn, hit, apart = ([0.0] * classes for _ in range(6))
    errors = references = 0
    for predicted, labelled in files:
        last = max((row[0] for row in labelled), default=0)
        for block in range(ceil(last / 10)):
            wrong = missed = 0
            for c in range(classes):
                sides = []
                for rows in (predicted, labelled):
                    frames: dict[int, list[tuple]] = {}
                    for row in rows:
                        if row[0] // 10 == block and row[1] == c:
                            frames.setdefault(row[0], []).append(row[2:])
                    sides.append(frames)
                p, g = sides
                np_, ng = (max(map(len, side.values()), default=0) for side in (p, g))
                references += ng
                tracks: dict[int, list[float]] = {}
                for frame in g:
                    if frame in p:
                        for i, j in matched(g[frame], p[frame], distance):
                            tracks.setdefault(i, []).append(distance(g[frame][i], p[frame][j]))
                if p and g and not tracks:
                    fn[c], missed = fn[c] + np_, missed + np_
                    continue
                for values in tracks.values():
                    hit[c] += 1
                    apart[c] += fmean(values)
                    if fmean(values) <= limit:
                        tp[c] += 1
                    else:
                        far[c], wrong = far[c] + 1, wrong + 1
                fp[c], wrong = fp[c] + max(np_ - ng, 0), wrong + max(np_ - ng, 0)
                fn[c], missed = fn[c] + max(ng - np_, 0), missed + max(ng - np_, 0)
            substitutions = min(wrong, missed)
            errors += substitutions + (missed - substitutions) + (wrong - substitutions)
    if not references:
        return dict.fromkeys(("er", "f", "le", "lr", "seld"), nan)
    over = range(classes)
    f = fmean(tp[c] / (tp[c] + far[c] + (fp[c] + fn[c]) / 2 + 1e-300) for c in over)
    le = fmean(apart[c] / hit[c] if hit[c] else worst for c in over)
    lr = fmean(hit[c] / (hit[c] + fn[c] + 1e-300) for c in over)
    er = errors / references
    return {"er": er, "f": f, "le": le, "lr": lr, "seld": fmean([er, 1 - f, le / worst, 1 - lr])}


def folded(azimuth: float) -> float:
    azimuth = (azimuth + 180) % 360 - 180
    return 180 - azimuth if azimuth > 90 else -180 - azimuth if azimuth < -90 else azimuth


def stereo(
    files: Sequence[tuple[Sequence[tuple], Sequence[tuple]]], official: bool, classes: int = 13
) -> dict[str, float]:
    """DCASE2025's scores of files of (predicted, labelled) rows: frame, class, source, azimuth,
    distance, on-screen."""
    names = ("tp", "on", "n", "fp", "fn", "az", "d", "rel", "flag")
    table = [dict.fromkeys(names, 0.0) for _ in range(classes)]
    flag = (lambda v: int(v)) if official else (lambda v: int(v >= 0.5))
    for predicted, labelled in files:
        end = max((r[0] for r in labelled), default=0)
        if not official:
            end = 1 + max((r[0] for r in [*predicted, *labelled]), default=-1)
        for frame in range(end):
            for c in range(classes):
                p, g = ([r for r in rows if r[:2] == (frame, c)] for rows in (predicted, labelled))
                if official:
                    p, g = ten(p), ten(g)
                k = table[c]
                pairs = (
                    matched(g, p, lambda a, b: abs(folded(a[3]) - folded(b[3]))) if p and g else []
                )
                for i, j in pairs:
                    az = abs(folded(g[i][3]) - folded(p[j][3]))
                    d = abs(g[i][4] - p[j][4])
                    right = flag(g[i][5]) == flag(p[j][5])
                    good = az <= 20 and d / (g[i][4] + 2.220446049250313e-16) <= 1
                    for name, value in (("tp", good), ("on", good and right), ("n", 1), ("az", az),
                                        ("d", d), ("rel", d / g[i][4]), ("flag", right)):  # fmt: skip
                        k[name] += value
                k["fp"] += len(p) - len(pairs)
                k["fn"] += len(g) - len(pairs)
    some = [k for k in table if k["n"] + k["fp"] + k["fn"]]
    counted, paired = (table if official else some), [k for k in table if k["n"]]
    shares = {
        name: sum(k[row] / (k["n"] + (k["fp"] + k["fn"]) / 2 + 1e-300) for k in counted)
        / len(counted)
        for name, row in (("f", "tp"), ("f_onscreen", "on"))
    }
    errors = {"azimuth_error": "az", "distance_error": "d", "relative_distance_error": "rel",
             "onscreen_accuracy": "flag"}  # fmt: skip
    return shares | {name: fmean(k[row] / k["n"] for k in paired) for name, row in errors.items()}


def ten(rows: list[tuple]) -> list[tuple]:
    """Rows of a class and frame by tracks 0–9, as the public baseline keeps them."""
    slots: dict[int, tuple] = {}
    for row in rows:
        slot = row[2]
        if slot in slots or slot > 9:
            unused = sorted(set(range(10)) - set(slots))
            slot = unused[0] if unused else 0
        slots[slot] = row
    return list(slots.values())
