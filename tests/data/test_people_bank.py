"""The bundled people: what there is, where they stand, and that sprites agree with their boxes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from savg.data.scenes.furnished.recolour import Recolour
from savg.data.scenes.furnished.sprites import SpriteBank, bank
from savg.data.scenes.world import INSTRUMENTS
from savg.paths import assets_dir

STANDING = ("speak", "idle", "walk")


@pytest.fixture(scope="module")
def people() -> SpriteBank:
    return bank()


def test_there_are_enough_people_of_both_splits(people: SpriteBank) -> None:
    train = [p for p in people.people if p.split == "train"]
    held_out = [p for p in people.people if p.split == "held_out"]
    assert len(train) >= 6 and len(held_out) >= 2
    assert len(train) + len(held_out) == len(people.people)
    for group in (train, held_out):
        assert {p.female for p in group} == {True, False}
        assert len({p.skin_tone for p in group}) >= 3
    assert len({p.name for p in people.people}) == len(people.people)


def test_everybody_does_everything(people: SpriteBank) -> None:
    assert set(people.actions) == {*STANDING, "sit_speak", "sit_idle", *INSTRUMENTS}
    stored = 0
    for info in people.actions.values():
        turns = [t for t in info.turns if t >= 0] if info.mirrored else info.turns
        stored += info.phases * len(turns)
        assert info.strokes * info.pitches in (1, info.phases)
    assert len(people) == stored * len(people.people)
    assert {t % 360 for t in people.actions["walk"].turns} == set(range(0, 360, 45))
    assert {t % 360 for t in people.actions["idle"].turns} == set(range(0, 360, 45))


def test_sprites_stand_on_their_anchor_within_their_box(people: SpriteBank) -> None:
    for person in people.people:
        for action, info in people.actions.items():
            for turn in info.turns[:: max(1, len(info.turns) // 3)]:
                sprite = people.sprite(person, action, info.phases - 1, turn)
                alpha = sprite.rgba[..., 3]
                x0, y0, x1, y1 = sprite.body
                height, width = alpha.shape
                assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
                assert (sprite.rgba[..., :3] <= alpha[..., None]).all()
                if action in STANDING:
                    tall = (sprite.anchor[1] - y0) / sprite.pixels_per_metre
                    assert tall == pytest.approx(person.height, abs=0.16), (person.name, action)
                    assert abs(y1 - sprite.anchor[1]) < 0.2 * sprite.pixels_per_metre
                    assert x0 - 8 <= sprite.anchor[0] <= x1 + 8
                elif action.startswith("sit"):
                    assert sprite.anchor[1] - y0 < 0.85 * person.height * sprite.pixels_per_metre


def test_a_box_leaves_the_instrument_out(people: SpriteBank) -> None:
    for person in people.people:
        for instrument in ("guitar", "keyboard"):
            sprite = people.sprite(person, instrument, 0, 0)
            seen = np.flatnonzero((sprite.rgba[..., 3] > 100).any(axis=0))
            x0, _, x1, _ = sprite.body
            assert (seen[-1] + 1 - seen[0]) - (x1 - x0) > 0.1 * sprite.pixels_per_metre


def test_mouths_of_those_who_speak_open_darker(people: SpriteBank) -> None:
    for person in people.people:
        for action in ("speak", "sit_speak"):
            for turn in people.actions[action].turns:
                sprite = people.sprite(person, action, 1, turn)
                closed, half, wide = people.mouths(person, action, 1, turn)[..., :3].astype(int)
                assert sprite.mouth is not None
                x0, y0, x1, y1 = sprite.mouth
                assert closed.shape[:2] == (y1 - y0, x1 - x0) and min(closed.shape[:2]) >= 3
                top = sprite.body[1] + 0.05 * person.height * sprite.pixels_per_metre
                assert top < (y0 + y1) / 2 < top + 0.16 * person.height * sprite.pixels_per_metre
                change = [np.abs(patch - closed).max() for patch in (half, wide)]
                assert min(change) > 15 and wide.mean() < closed.mean()


def test_phases_differ_and_mirrored_turns_are_flipped(people: SpriteBank) -> None:
    person = people.people[0]
    for action, info in people.actions.items():
        pictures = {people.sprite(person, action, p, 0).rgba.tobytes() for p in range(info.phases)}
        assert len(pictures) == info.phases, action
        if info.mirrored:
            turn = max(t for t in info.turns if t < 180)
            left, right = (people.sprite(person, action, 0, s * turn) for s in (-1, 1))
            assert np.array_equal(left.rgba, right.rgba[:, ::-1])


def test_recolours_change_clothes_a_lot_and_faces_not_at_all(people: SpriteBank) -> None:
    for person in people.people:
        assert person.recolours[0] == Recolour() and len(person.recolours) >= 4
        plain = people.sprite(person, "speak", 0, 0)
        x0, y0, x1, y1 = plain.mouth or (0, 0, 0, 0)
        x, y = (x0 + x1) // 2, (y0 + y1) // 2
        for variant in range(1, len(person.recolours)):
            other = people.sprite(person, "speak", 0, 0, variant)
            assert np.array_equal(other.rgba[..., 3], plain.rgba[..., 3])
            assert np.array_equal(other.rgba[y, x], plain.rgba[y, x])
            change = np.abs(other.rgba[..., :3].astype(int) - plain.rgba[..., :3]).max(axis=-1)
            assert (change[plain.rgba[..., 3] > 100] > 12).mean() > 0.15, person.name


def test_surfaces_face_where_they_are(people: SpriteBank) -> None:
    for person in people.people:
        sprite = people.sprite(person, "idle", 0, 0)
        trunk = slice(round(0.2 * len(sprite.rgba)), round(0.45 * len(sprite.rgba)))
        solid = sprite.rgba[trunk, :, 3] > 200
        columns = np.broadcast_to(np.arange(solid.shape[1]) - sprite.anchor[0], solid.shape)
        right = np.corrcoef(sprite.relief[trunk, :, 0][solid], columns[solid])[0, 1]
        assert right > 0.25 and np.abs(sprite.relief).max() <= 1.02, person.name


def test_the_files_are_small_and_every_source_is_credited(people: SpriteBank) -> None:
    folder = assets_dir() / "furnished"
    size = sum((folder / name).stat().st_size for name in ("people.npz", "people.json"))
    assert size <= 3.6 * 2**20
    readme = (folder / "README.md").read_text(encoding="utf-8")
    index = json.loads((folder / "people.json").read_text(encoding="utf-8"))
    assert {p.source for p in people.people} <= set(people.sources) == set(index["sources"])
    for name in (
        "Reallusion",
        "Kator",
        "Scopia",
        "Seavenois",
        "MZiemys",
        "exL",
        "CC BY 3.0 US",
        "CC0",
    ):
        assert name in readme and any(name in line for line in people.sources.values()), name
