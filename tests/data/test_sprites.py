"""The reader of the bank of people, on made-up ones and on the bundled file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_sprites import ACTIONS, PIXELS_PER_METRE, made_up_bank, made_up_contents

from savg.data.scenes.furnished.sprites import COLUMNS, MOUTHS, SpriteBank, read_bank
from savg.errors import SavgError
from savg.paths import file_sha256


@pytest.fixture(scope="module")
def made_up() -> SpriteBank:
    return made_up_bank()


def test_a_sprite_has_premultiplied_colours_and_its_boxes(made_up: SpriteBank) -> None:
    sprite = made_up.sprite("person1", "speak", 0, 0)
    assert sprite.rgba.shape == (144, 60, 4) and sprite.rgba.dtype == np.uint8
    assert (sprite.rgba[..., :3] <= sprite.rgba[..., 3:]).all()
    assert sprite.pixels_per_metre == PIXELS_PER_METRE and sprite.anchor == (30, 142)
    x0, y0, x1, y1 = sprite.body
    outside = sprite.rgba[..., 3].copy()
    outside[y0:y1, x0:x1] = 0
    assert not outside.any() and sprite.rgba[y0:y1, x0:x1, 3].any()
    assert sprite.relief.shape == (144, 60, 2) and np.abs(sprite.relief).max() < 0.02


def test_a_mirrored_turn_is_the_flipped_sprite(made_up: SpriteBank) -> None:
    right, left = (made_up.sprite("person0", "walk", 3, turn) for turn in (45, -45))
    assert np.array_equal(left.rgba, right.rgba[:, ::-1])
    assert left.anchor[0] == 60 - right.anchor[0]
    x0, y0, x1, y1 = right.body
    assert left.body == (60 - x1, y0, 60 - x0, y1)
    mouths = made_up.mouths("person0", "walk", 3, 45)
    assert np.array_equal(made_up.mouths("person0", "walk", 3, -45), mouths[:, :, ::-1])


def test_an_open_mouth_changes_its_box_alone(made_up: SpriteBank) -> None:
    closed = made_up.sprite("person2", "speak", 1, 30)
    patches = made_up.mouths("person2", "speak", 1, 30)
    assert closed.mouth and len(patches) == len(MOUTHS)
    x0, y0, x1, y1 = closed.mouth
    assert np.array_equal(patches[0], closed.rgba[y0:y1, x0:x1])
    for openness, patch in ((0.0, 0), (0.5, 1), (1.0, 2)):
        spoken = made_up.speaking("person2", "speak", 1, 30, mouth=openness).rgba.copy()
        assert np.array_equal(spoken[y0:y1, x0:x1], patches[patch])
        spoken[y0:y1, x0:x1] = closed.rgba[y0:y1, x0:x1]
        assert np.array_equal(spoken, closed.rgba)
    assert not np.array_equal(patches[0], patches[2])
    away = made_up.sprite("person2", "walk", 0, 135)
    assert away.mouth is None
    with pytest.raises(SavgError, match="No mouth is seen in walk at 135°"):
        made_up.mouths("person2", "walk", 0, 135)


def test_a_variant_recolours_clothes_and_not_the_face(made_up: SpriteBank) -> None:
    plain, red = (made_up.sprite("person1", "speak", 0, 0, v) for v in (0, 1))
    cloth, face = (slice(80, 100), slice(25, 35)), (slice(12, 24), slice(25, 35))
    assert np.array_equal(plain.rgba[face], red.rgba[face])
    assert np.ptp(plain.rgba[cloth][..., :3].mean(axis=(0, 1))) < 2
    assert red.rgba[cloth][..., :3].mean(axis=(0, 1)) == pytest.approx([204, 26, 26], abs=8)
    assert np.array_equal(plain.rgba[..., 3], red.rgba[..., 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody", "speak", 0, 0), "person must be one of person0, .* got 'nobody'"),
        (("person0", "dance", 0, 0), "action must be one of speak, .* got 'dance'"),
        (("person0", "speak", 3, 0), "no speak of phase 3 at a turn of 0°"),
        (("person0", "speak", 0, 45), "no speak of phase 0 at a turn of 45°"),
        (("person0", "speak", 0, 0, 2), r"variant of person0 must be in 0\.\.1, got 2"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    made_up: SpriteBank, arguments: tuple, message: str
) -> None:
    with pytest.raises(SavgError, match=message):
        made_up.sprite(*arguments)


def test_the_nearest_turn_goes_around_the_circle(made_up: SpriteBank) -> None:
    walk = made_up.actions["walk"]
    turns = (20, 25, 170, -170, 359, -100)
    assert [walk.nearest_turn(t) for t in turns] == [0, 45, 180, 180, 0, -90]
    assert set(ACTIONS) == set(made_up.actions)


def test_a_missing_or_altered_file_is_named_with_its_hash(tmp_path: Path) -> None:
    index, arrays = made_up_contents()
    file = tmp_path / "people.npz"
    np.savez(file, **arrays)
    expected = file_sha256(file)
    (tmp_path / "people.json").write_text(json.dumps(index | {"sha256": expected}))
    assert len(read_bank(tmp_path)) == len(arrays["table"])
    data = bytearray(file.read_bytes())
    data[500] ^= 1
    file.write_bytes(data)
    with pytest.raises(SavgError, match=rf"people\.npz is altered: .*{expected}"):
        read_bank(tmp_path)
    file.unlink()
    with pytest.raises(SavgError, match=rf"people\.npz is missing: .*{expected}"):
        read_bank(tmp_path)
    (tmp_path / "people.json").unlink()
    with pytest.raises(SavgError, match=r"people\.json"):
        read_bank(tmp_path)


def test_an_index_of_another_form_is_refused() -> None:
    index, arrays = made_up_contents()
    with pytest.raises(SavgError, match="of another form"):
        SpriteBank({k: v for k, v in index.items() if k != "actions"}, arrays)
    table = arrays["table"]
    for column, value in (("action", 99), ("action", -1)):
        spoiled = table.copy()
        spoiled[3, COLUMNS.index(column)] = value
        with pytest.raises(SavgError, match="of another form"):
            SpriteBank(index, arrays | {"table": spoiled})
    for wrong in (table[:, :5], table[0], np.zeros((), np.int32)):
        with pytest.raises(SavgError, match="of another form"):
            SpriteBank(index, arrays | {"table": wrong})
    spoiled = table.copy()
    spoiled[:, COLUMNS.index("offset")] = 2**30
    with pytest.raises(SavgError, match="cannot be decoded"):
        SpriteBank(index, arrays | {"table": spoiled}).sprite("person0", "speak", 0, 0)
