"""The person detector that is a part of a pipeline: read from its folder, and written beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from savg.detectors import detector_of, person_detector
from savg.hub import Card, component_card, save_component
from savg.models.nanodet import Nanodet
from savg.pipelines.visual_features import Persons

UNTOLD = Card("", "beside the pipeline")
"""Of a detector that came without a card."""


def read_persons(
    place: str | os.PathLike[str], device: torch.device, score: float | None = None
) -> tuple[Persons, Card]:
    """The detector whose weights are in a component folder, of whichever kind, and its card.

    score: of a detection, at least; None: the detector's own. CheckpointError or SavgError for a
    folder without a person detector.
    """
    card = component_card(place)
    options = {} if score is None else {"score_threshold": score}
    return person_detector(detector_of(place), place, device=str(device), **options), card


def other_cards(cards: Mapping[str, Card]) -> dict[str, Card]:
    """The cards but that of the person detector, which does not describe another one."""
    return {role: card for role, card in cards.items() if role != "persons"}


def write_persons(persons: Persons | None, place: Path, card: Card | None) -> None:
    """Write the detector's weights as a component; nothing for one without a network, or a folder that
    is there."""
    network = getattr(persons, "model", None)
    if network is not None and not place.exists():
        kind = "nanodet" if isinstance(network, Nanodet) else "yolox"
        save_component(network, place, kind, card or UNTOLD)
