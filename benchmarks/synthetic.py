"""Synthetic clips that benchmarks measure: those of the test split, and those trained on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from savg.data.scenes import Rendered, World, draw_scene, render, split_seed
from savg.data.scenes.world import WORLDS as NAMES
from savg.evaluation.observe import extract
from savg.metrics.base import Reference
from savg.metrics.nearest_clip import FEATURE, SIDE, thumbnails
from savg.train.sources import world_of

WORLDS = {name: partial(world_of, name, "test") for name in NAMES}
"""Names of worlds → them; those that are split with people, rooms, voices, notes never trained on."""

TRAINED_ON = ("solo", "stage"), 4000
"""Worlds, as many clips of each, and number of training clips of the bundled joint network."""


def held_out(world: str, index: int) -> Rendered:
    """A clip of the test split, which no training reads."""
    return render(draw_scene(split_seed("test", index), WORLDS[world]()))


def trained_on(count: int, names: Sequence[str] = ()) -> Reference | None:
    """The first training clips of the joint network, to tell copies; None for no clip.

    names: of the worlds that it was trained on, in turns; none: those of `TRAINED_ON`, as bundled.
    """
    if not count:
        return None
    worlds = [World.named(name) for name in names or TRAINED_ON[0]]
    turns = (divmod(index, len(worlds)) for index in range(count))
    scenes = (draw_scene(split_seed("train", index), worlds[turn]) for index, turn in turns)
    return Reference(
        {
            str(index): extract(render(scene, size=SIDE).clip, {FEATURE: thumbnails})
            for index, scene in enumerate(progress(scenes, count, "training clips"))
        }
    )


def progress(items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The items, with a bar on standard error."""
    from tqdm import tqdm

    yield from tqdm(items, total=total, desc=what, file=sys.stderr)
