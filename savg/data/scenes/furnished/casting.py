"""Which people of the bank appear in a scene."""

from __future__ import annotations

import numpy as np

from savg.data.scenes.furnished.sprites import SpritePerson, bank


def draw_figures(
    rng: np.random.Generator, held_out: bool, count: int, first: int = 0, recolours: int = 0
) -> list[tuple[SpritePerson, int]]:
    """`count` people of the bank and a recolour of each; nobody twice while there are others.

    held_out: the people that are never trained on, else the others; first, recolours: only so many of
    these people and of each one's recolours (0: all).
    """
    split = "held_out" if held_out else "train"
    people = [person for person in bank().people if person.split == split]
    people = people[: first or None]
    order: list[int] = []
    while len(order) < count:
        order += rng.permutation(len(people)).tolist()
    chosen = [people[index] for index in order[:count]]
    colours = [len(person.recolours[: recolours or None]) for person in chosen]
    return [(person, int(rng.integers(n))) for person, n in zip(chosen, colours, strict=True)]
