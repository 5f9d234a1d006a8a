"""Which people of the bank appear in a scene."""

from __future__ import annotations

import numpy as np

from savg.data.scenes.furnished.sprites import SpritePerson, bank


def draw_figures(
    rng: np.random.Generator, held_out: bool, count: int
) -> list[tuple[SpritePerson, int]]:
    """`count` people of the bank and a recolour of each; nobody twice while there are others.

    held_out: the people that are never trained on, else the others.
    """
    split = "held_out" if held_out else "train"
    people = [person for person in bank().people if person.split == split]
    order: list[int] = []
    while len(order) < count:
        order += rng.permutation(len(people)).tolist()
    chosen = [people[index] for index in order[:count]]
    return [(person, int(rng.integers(len(person.recolours)))) for person in chosen]
