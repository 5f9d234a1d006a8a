"""The bundled furnished rooms: files as the index says, and people find a place in every view."""

from __future__ import annotations

import numpy as np
import pytest

from savg.data.scenes import World
from savg.data.scenes.camera import Perspective
from savg.data.scenes.furnished import index, views
from savg.data.scenes.furnished.floor import places
from savg.data.scenes.room import make_room
from savg.paths import checked_file

SEEDS = (index.TRAIN_SEED, index.HELD_OUT_SEED)


def test_files_are_small_and_those_of_the_index() -> None:
    total = 0
    for seed in SEEDS:
        for room in index.rooms(seed):
            for name, sha256 in (room.image, room.depth):
                total += checked_file(index.folder() / name, sha256).stat().st_size
    assert 0 < total <= 0.8 * 2**20
    listed = {f for s in SEEDS for r in index.rooms(s) for f in (r.image[0], r.depth[0])}
    found = {f"rooms/{p.name}" for p in (index.folder() / "rooms").iterdir()}
    assert found == listed


@pytest.mark.parametrize("seed", SEEDS)
def test_every_view_has_places_where_people_can_stand(seed: int) -> None:
    world = World.furnished(held_out=seed == index.HELD_OUT_SEED)
    for place in range(world.rooms):
        free = places(make_room(seed, place), world.depths, 1.0)
        assert len(free) > 15, f"room {place} of {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_pictures_and_distances_belong_together(seed: int) -> None:
    """Furniture that the index lists is near where the distances have it."""
    for place in range(0, index.TURNS * len(index.rooms(seed)), index.TURNS):
        room = make_room(seed, place)
        view = views.view_of(seed, place, Perspective(256, 144))
        assert view.image.std() > 10
        assert view.depth[10:60].max() <= 1.05 * np.hypot(room.front, max(room.left, room.right))
        piece = max(room.furniture, key=lambda p: p.high[2] * (p.high[0] > 1))
        middle = (np.array(piece.low) + piece.high) / 2 - (0, 0, room.eye)
        azimuth = float(np.rad2deg(np.arctan2(middle[1], middle[0])))
        camera = Perspective(256, 144, azimuth)
        seen = views.view_of(seed, place, camera)
        reach = float(np.hypot(*middle[:2]))
        assert seen.depth[72 - 8 : 72 + 40, 118:138].min() < reach + 0.5
