"""The model card of a pipeline: licence, data, figures, intended use, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from savg.hub import Card

CARD_FILE = "README.md"

SPDX = {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "CC0-1.0": "cc0-1.0"}
"""Licences by the Hub's names for them."""

FRONT = """---
license: {licence}
library_name: savg-studio
tags:
- savg
- video-generation
- spatial-audio
---
"""

USE = """## Intended use

Research on video and stereo sound that agree on where things are (SAVGBench's task, Spatial AV-Align),
and teaching. Clips are 256×256 and a few seconds long. Not for passing generated clips off as
recordings, and not for decisions about people: detectors of persons and sounds err, most of all on
material unlike what they were trained on.

```python
from savg.pipelines.registry import {registry}

pipeline = {registry}.load("USER/NAME", "{name}")
```
"""


def model_card(
    name: str,
    components: Mapping[str, Card],
    figures: Mapping[str, str] | None = None,
    registry: str = "CLIPS",
) -> str:
    """The card of a pipeline.

    Args:
        name: of the pipeline.
        components: their provenance by role.
        figures: what was measured, by name; None where nothing was.
        registry: in which it is: CLIPS or AUDIO.
    """
    known = {SPDX.get(card.licence) for card in components.values()}
    licence = known.pop() if len(known) == 1 else None
    rows = [
        f"| {role} | {_cell(card.licence)} | {_cell(card.origin)} | {_cell(_training(card))} |"
        for role, card in components.items()
    ]
    measured = [f"- {key}: {value}" for key, value in (figures or {}).items()]
    parts = [
        FRONT.format(licence=licence or "other") + f"# {name}",
        "A pipeline of SAVG Studio: networks that together make or score video with stereo sound.",
        "## Licence and data",
        "Each component keeps its own licence.",
        "\n".join(
            ["| component | licence | origin and data | training |", "|---|---|---|---|", *rows]
        ),
        "## Figures",
        "\n".join(measured) or "Nothing was measured with these weights together.",
        USE.format(name=name, registry=registry),
    ]
    return "\n\n".join(parts)


def _training(card: Card) -> str:
    names = {"step": "steps", "samples": "samples"}
    told = [f"{card.facts[key]} {word}" for key, word in names.items() if key in card.facts]
    return ", ".join(told) or "–"


def _cell(text: str) -> str:
    """Text in a cell of a table: one line, no separator."""
    return " ".join(text.split()).replace("|", "\\|") or "–"
