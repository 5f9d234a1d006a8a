"""What StereoSync takes beside boxes, envelope and recordings, by its folder, before it is loaded.

Words need weights that were trained on CLAP's embeddings, and CLAP; depth needs weights that were
trained with it, and a network that sees it. Each function gives "" where a condition can be had here,
else one sentence that says why not.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from savg.errors import SavgError
from savg.extras import import_extra
from savg.hub import CONFIG_FILE, REPO, read_config
from savg.pipelines.description import Description

__all__ = ["no_depth", "no_words"]

FACT = "depth"
"""Of a network's card: what embeds the depth maps that it was trained with; absent for none."""

GRID = "grid"
"""Of that fact: means over a grid. Here and not beside what computes them, as that imports torch."""

NO_WORDS = "These weights know sounds by example only: words need weights trained with CLAP."
NO_DEPTH = "These weights were trained without depth."
BLIND = (
    "These weights follow depth and hold no network that sees it: give maps on the command line "
    "(--depth FILE)."
)


def no_words(description: Description) -> str:
    """Why words cannot say what shall sound."""
    source = description.values.get("clap")
    if not isinstance(source, str) or not REPO.fullmatch(source):
        return NO_WORDS
    from savg.features.clap import ClapBackbone

    return ClapBackbone.missing_words(source)


def no_depth(description: Description) -> str:
    """Why depth cannot be followed."""
    name = _facts(description).get(FACT)
    if not name:
        return NO_DEPTH
    if name != GRID and (problem := _no_module("open_clip", "What embeds depth")):
        return problem
    if description.values.get("depth") is not None:
        return ""
    source = description.values.get("depth_anything")
    if not isinstance(source, str):
        return BLIND
    from savg.features.depth import DepthAnything

    return _no_module("transformers", "Depth Anything") or DepthAnything(source).missing


def _facts(description: Description) -> Mapping[str, Any]:
    """Those of the network's card; empty for a folder without one, which loading tells."""
    folder = description.components.get("network")
    if folder is None or not (folder / CONFIG_FILE).is_file():
        return {}
    card = read_config(folder / CONFIG_FILE).get("card")
    facts = card.get("facts") if isinstance(card, Mapping) else None
    return facts if isinstance(facts, Mapping) else {}


def _no_module(name: str, purpose: str) -> str:
    """Why a module of an extra is not here; it is not imported where it is, which takes seconds."""
    if importlib.util.find_spec(name) is not None:
        return ""
    try:
        import_extra(name, purpose)
    except SavgError as error:
        return str(error)
    return ""
