"""How to read a report, in plain English: what holds for every run, and for its own metrics."""

from __future__ import annotations

from savg.evaluation.report_values import ACROSS_MODES, Content, Row

GENERAL = (
    "The interval after a value says how far the number would move with other clips of the same "
    "kind: 95 % of such intervals hold the true value. Two values whose intervals overlap widely "
    "are not shown to differ.",
    "Chance baselines are what clips get without skill: for Spatial AV-Align every sound centred, "
    "left and right swapped, or the sounds of other clips; for distances between sets, two parts "
    "of the reference set. A value that is no better than them says nothing about the model.",
    "The columns beside the generated clips are sets to hold them against: the reference set "
    "itself, and simple baselines that anybody can make. A baseline that scores as well as a model"
    " shows the limits of the metric, not of the model.",
    "A small number behind a value leads to a note: read it before the value.",
)

DISTANCES = (
    "Distances between sets (FVD, KVD, FAD and their kind) depend on the number of clips, on the "
    "network and on how clips are resized: compare only values that agree in all of these. Fréchet"
    " distances of few clips are too large; the figures show the value extrapolated to infinitely "
    "many clips."
)

SPATIAL = (
    "Spatial AV-Align counts a sound as matched if a person is within 40 pixels of it to either "
    "side, a third of the frame in all: a model that puts every sound in the centre already scores"
    " well. The chance baseline “centre” says how well."
)

STEREO = (
    "Coincident stereo (left = W + Y, right = W − Y) tells directions by level and hardly by time:"
    " level differences and pan are the measures for it, time differences say little."
)

NEAREST = (
    "The nearest training clips show whether a model repeats what it was trained on: where the "
    "upper and the lower row of a strip are the same moment, the clip is a copy."
)


def how_to_read(content: Content, nearest: bool) -> list[str]:
    """Paragraphs for a report with this content; nearest: whether it shows nearest clips."""
    names = {row.name for row in content.rows}
    paragraphs = list(GENERAL)
    if any(_is_distance(row) for row in content.rows):
        paragraphs.append(DISTANCES)
    if any(name.startswith("spatial") for name in names):
        paragraphs.append(SPATIAL)
    if any(name.startswith(("ild", "itd", "pan", "coherence", "width")) for name in names):
        paragraphs.append(STEREO)
    if nearest:
        paragraphs.append(NEAREST)
    return [*paragraphs, ACROSS_MODES]


def _is_distance(row: Row) -> bool:
    return row.name.startswith(("fvd", "kvd", "fad", "kad", "favd"))
