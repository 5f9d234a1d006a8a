"""The furnished world: people pasted into views of rooms, on made-up people and rooms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up_rooms import DIMS, NEAR_DISTANCE, PIECE, write_rooms
from made_up_sprites import made_up_bank

from savg.data.scenes import Scene, World, draw_recording, draw_scene, render
from savg.data.scenes.camera import Perspective
from savg.data.scenes.furnished import (
    casting,
    effects,
    index,
    moments,
    painter,
    sprites,
    stamps,
    views,
)
from savg.data.scenes.furnished.floor import BESIDE, WALL, is_free, path_points
from savg.data.scenes.panorama import panoramas, person_boxes
from savg.data.scenes.room import make_room
from savg.data.scenes.scene import Note, Person, Sound, Track
from savg.data.starss.synth import Plan, draw_take, label_rows
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.geometry import azimuth_to_x

SEED = index.TRAIN_SEED
PLAIN = effects.Exposure((1.0, 1.0, 1.0), 1.0, 0.0, 0.0, 0)


@pytest.fixture(autouse=True)
def made_up_world(tmp_path, monkeypatch) -> Iterator[None]:
    folder, bank = write_rooms(tmp_path / "furnished"), made_up_bank()
    monkeypatch.setattr(index, "folder", lambda: folder)
    for module in (sprites, casting, moments, stamps):
        monkeypatch.setattr(module, "bank", lambda: bank)
    caches = (index.rooms, make_room, views.panorama_of, views.view_of, views.equirectangular_of)
    for cache in caches:
        cache.cache_clear()
    stamps._cache.clear()
    yield
    for cache in caches:
        cache.cache_clear()
    stamps._cache.clear()


@pytest.fixture
def plain_camera(monkeypatch) -> None:
    monkeypatch.setattr(painter, "draw_exposure", lambda seed, light: PLAIN)


def one(x: float, y: float, playing: bool = True, turn: float = 0.0) -> Scene:
    """A scene with one person at (x, y) who plays the guitar all the time."""
    look = draw_scene(5, World.furnished()).people[0].look
    track = Track((0.0,), (x,), (y,))
    person = Person(look, track, "play", "guitar", turn=turn)
    notes = tuple(Note(0.2 * k, 0.2, 50 + k % 5, 0.9) for k in range(25))
    sounds = (Sound(0, 9, notes=notes),) if playing else ()
    return Scene(3, 5.0, 0, SEED, (1.0, 1.0, 1.0), (person,), sounds)


def empty_room(scene: Scene) -> np.ndarray:
    return views.view_of(SEED, scene.room, Perspective(256, 144)).image


def test_the_same_seed_is_the_same_clip() -> None:
    world = World.furnished()
    first, again = (render(draw_scene(11, world), size=64) for _ in range(2))
    np.testing.assert_array_equal(first.clip.video, again.clip.video)
    np.testing.assert_array_equal(first.boxes.xyxy, again.boxes.xyxy)
    other = render(draw_scene(12, world), size=64)
    assert np.abs(first.clip.video.astype(int) - other.clip.video).mean() > 1


def test_left_is_left_and_louder_there() -> None:
    x = 2.5
    scene = one(x, x * np.tan(np.deg2rad(30)))
    made = render(scene)
    middle = (made.boxes.xyxy[:, 0] + made.boxes.xyxy[:, 2]) / 2
    expected = azimuth_to_x(30.0)
    assert expected < 128
    np.testing.assert_allclose(middle, expected, atol=3)
    np.testing.assert_allclose(made.labels.x, expected, atol=0.5)
    energy = np.square(made.clip.audio).sum(axis=1)
    assert energy[0] > 1.5 * energy[1]


def test_boxes_are_where_the_picture_changes(plain_camera) -> None:
    scene = one(2.2, 0.3)
    made = render(scene)
    base = empty_room(scene).astype(int)
    for frame in (0, 9, 19):
        changed = np.abs(made.clip.picture[frame].astype(int) - base).max(axis=2)
        x0, y0, x1, y1 = made.boxes.xyxy[made.boxes.frames == frame][0]
        body = changed[: int(y1) - 56 - 8] > 25
        ys, xs = np.nonzero(body)
        assert abs(xs.min() - x0) <= 1.5
        assert abs(xs.max() + 1 - x1) <= 1.5
        assert abs(ys.min() - (y0 - 56)) <= 1.5


def test_furniture_before_a_person_hides_them(plain_camera) -> None:
    angle = np.tan(np.deg2rad(-30))
    behind = render(one(3.0, 3.0 * angle))
    scene = one(3.0, 3.0 * angle)
    rows = slice(40, 110)
    np.testing.assert_array_equal(behind.clip.picture[0][rows], empty_room(scene)[rows])
    assert not len(behind.boxes.xyxy)
    before = render(one(0.8, 0.8 * angle))
    assert len(before.boxes.xyxy) == 20
    assert np.abs(before.clip.picture[0][rows].astype(int) - empty_room(scene)[rows]).max() > 50


def test_a_person_half_behind_furniture_keeps_the_box_of_the_visible_half(plain_camera) -> None:
    edge = np.deg2rad(-30 + 12)
    made = render(one(3.0, 3.0 * np.tan(edge)))
    x0, _, x1, _ = made.boxes.xyxy[0]
    assert x1 == pytest.approx(azimuth_to_x(-18.0), abs=1.5)
    assert x0 < x1 - 5


def test_depth_is_the_persons_where_they_are_and_the_rooms_elsewhere(plain_camera) -> None:
    made = render(one(2.4, 0.6), depth=True)
    assert made.depth is not None
    assert made.depth.shape == (20, 256, 256)
    x0, y0, x1, y1 = made.boxes.xyxy[0]
    middle = made.depth[0, int(y0 + y1) // 2, int(x0 + x1) // 2]
    assert middle == pytest.approx(2.4, abs=1e-3)
    assert made.depth[0, 128, 140] == pytest.approx(DIMS["front"], rel=0.02)
    assert made.depth[0, 128, int(azimuth_to_x(-30.0))] == pytest.approx(
        NEAR_DISTANCE * np.cos(np.deg2rad(30)), rel=0.03
    )
    assert (made.depth[:, :56] == 0).all()
    assert (made.depth[:, 56:200] > 0).all()
    with pytest.raises(ValueError, match="depth must be False for a drawn world"):
        render(draw_scene(0, World.demo()), depth=True)


def test_panorama_and_view_show_people_at_the_same_place() -> None:
    scene = replace(one(2.5, 0.0), seconds=5.0)
    times = np.array([0.0, 1.0])
    for azimuth in (-150.0, -60.0, 10.0, 178.0):
        a = np.deg2rad(azimuth)
        track = Track((0.0,), (float(2.3 * np.cos(a)),), (float(2.3 * np.sin(a)),))
        turned = replace(scene, people=(replace(scene.people[0], track=track),))
        box = person_boxes(turned, times, 720, 360)[0, 0]
        centre = 180 - (box[0] + box[2]) / 2 / 2
        assert (centre - azimuth + 180) % 360 - 180 == pytest.approx(0, abs=1.0)
        seen = render(turned, view=azimuth, start=0.0).boxes.xyxy[0]
        assert (seen[0] + seen[2]) / 2 == pytest.approx(128, abs=2)
        # The floor at 2.3 m is as far below the horizon in both.
        low = np.rad2deg(np.arctan((seen[3] - 128) / (128 / np.tan(np.deg2rad(50)))))
        assert (box[3] - 180) / 2 == pytest.approx(low, abs=1.2)


def test_only_the_patches_of_a_panorama_change() -> None:
    scene = draw_recording(4, World.furnished(), 8.0)
    times = np.arange(6) / 2
    last: np.ndarray | None = None
    voices = np.zeros((len(scene.people), len(times)))
    for image, patches in panoramas(scene, times, voices, 480, 240):
        if last is not None:
            untouched = np.ones((240, 480), bool)
            for x0, y0, x1, y1 in patches:
                untouched[y0:y1, np.arange(x0, x1) % 480] = False
                assert not any(v % 2 for v in (x0, y0, x1, y1))
            np.testing.assert_array_equal(image[untouched], last[untouched])
        last = image.copy()


@pytest.mark.parametrize("place", range(index.TURNS))
def test_headings_and_mirrors_turn_picture_depth_and_sizes_alike(place: int) -> None:
    room = make_room(SEED, place)
    walls = [DIMS["front"], DIMS["left"], DIMS["back"], DIMS["right"]]
    assert room.front == walls[place % 4]
    assert {room.left, room.right} == {walls[(place + 1) % 4], walls[(place + 3) % 4]}
    for azimuth, wall in (
        (0.0, room.front),
        (90.0, room.left),
        (180.0, room.back),
        (-90.0, room.right),
    ):
        view = views.view_of(SEED, place, Perspective(64, 36, azimuth))
        clear = view.depth[14, 30:34]
        if view.cover[14, 30:34].max() == 0:
            np.testing.assert_allclose(clear, wall, rtol=0.02)
    x0, y0, x1, y1, _ = PIECE
    corners = {(x0, y0), (x1, y1)}
    for _ in range(place % 4):
        corners = {(y, -x) for x, y in corners}
    if place >= 4:
        corners = {(x, -y) for x, y in corners}
    low, high = np.min(list(corners), axis=0), np.max(list(corners), axis=0)
    piece = room.furniture[0]
    np.testing.assert_allclose((piece.low[:2], piece.high[:2]), (low, high))


def test_the_white_post_is_where_the_heading_says() -> None:
    for place in range(index.TURNS):
        azimuth = -90.0 * (place % 4) * (-1 if place >= 4 else 1)
        view = views.view_of(SEED, place, Perspective(64, 36, azimuth)).image
        assert view[5, 31:33].min() > 200


def test_a_small_frame_is_the_large_one_averaged_down(plain_camera) -> None:
    for seed in (21, 22, 23):
        scene = draw_scene(seed, World.furnished())
        large, small = render(scene).clip.picture, render(scene, size=64).clip.picture
        averaged = [cv2.resize(f, (64, 36), interpolation=cv2.INTER_AREA) for f in large]
        assert np.abs(small.astype(int) - np.stack(averaged)).mean() < 2.5


def test_people_stand_on_free_floor_and_splits_share_nobody() -> None:
    names = {}
    for held_out in (False, True):
        world = World.furnished(held_out=held_out)
        assert world.rooms == index.TURNS
        names[held_out] = set()
        for seed in range(40):
            scene = draw_scene(seed, world)
            room = make_room(scene.room_seed, scene.room)
            for person in scene.people:
                names[held_out].add(person.look.figure)
                points = path_points(person.track.corners)
                assert is_free(room, points)
                assert (points[:, 0] < room.front - WALL).all()
    assert names[False] == {"person0", "person1"}
    assert names[True] == {"person2"}


def test_floor_beside_furniture_walls_and_behind_tall_things_is_not_free() -> None:
    room = make_room(SEED, 0)
    x0, y0, x1, y1, _ = PIECE
    assert is_free(room, [(2.5, 0.0)])
    assert not is_free(room, [((x0 + x1) / 2, (y0 + y1) / 2)])
    assert not is_free(room, [(x0 - BESIDE / 2, y0)])
    assert not is_free(room, [(DIMS["front"] - 0.2, 0.0)])
    behind = 1.4 * x1, 1.4 * (y0 + y1) / 2
    assert is_free(room, [behind])
    tall = replace(room, furniture=(replace(room.furniture[0], high=(x1, y1, 1.9)),))
    assert not is_free(tall, [behind])


def test_bystanders_are_silent_and_as_many_as_asked_for() -> None:
    for count in (0, 1, 2):
        world = World.named(f"furnished{count}") if count else World.furnished(bystanders=0)
        assert world.bystanders.index(1.0) == count
        for seed in range(6):
            scene = draw_scene(seed, world)
            assert {sound.person for sound in scene.sounds} == {0}
            assert len(scene.people) <= count + 1
    with pytest.raises(ValueError, match=r"bystanders must be 0, 1 or 2, got 3\."):
        World.furnished(bystanders=3)
    with pytest.raises(ValueError, match=r"world must be one of demo, .*, got 'moon'\."):
        World.named("moon")


def test_the_mouth_opens_with_the_voice_and_walkers_step() -> None:
    look = draw_scene(5, World.furnished()).people[0].look
    times = np.linspace(0, 2, 9)
    still = Person(look, Track((0.0,), (2.0,), (0.0,)), "speak")
    seen = moments.moments(still, times, np.linspace(0, 1, 9), ())
    mouths = [m.mouth for m in seen]
    assert mouths[0] == 0
    assert mouths[-1] == 2
    assert sorted(mouths) == mouths
    walk = replace(still, track=Track((0.0, 2.0), (2.0, 2.0), (1.0, -0.6)))
    seen = moments.moments(walk, times, np.zeros(9), ())
    assert {m.action for m in seen[1:-1]} == {"walk"}
    assert len({m.phase for m in seen[1:-1]}) > 4
    # From left to right: the person faces the viewer's right.
    assert {m.turn for m in seen[1:-1]} <= {45, 90}


def test_a_missing_or_altered_room_names_file_and_hash() -> None:
    room = index.rooms(SEED)[0]
    path = index.folder() / room.image[0]
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(SavgError, match=rf"altered: its SHA-256 must be {room.image[1]}, got"):
        render(one(2.5, 0.0), size=64)
    path.unlink()
    with pytest.raises(
        SavgError, match=rf"is missing: it must be the file with SHA-256 {room.image[1]}\."
    ):
        render(one(2.5, 0.0), size=64)
    (index.folder() / "world.json").write_text('{"rooms": [{"split": "train"}]}')
    index.rooms.cache_clear()
    with pytest.raises(SavgError, match=r"world\.json is of another form: .*image"):
        World.furnished()
    (index.folder() / "world.json").unlink()
    index.rooms.cache_clear()
    with pytest.raises(SavgError, match="index of the furnished world is missing"):
        World.furnished()


def test_light_comes_from_where_the_room_has_it() -> None:
    right, left = (views.light_at(SEED, 0, azimuth)[3] for azimuth in (-90.0, 90.0))
    assert right * left < 0
    mirrored = views.light_at(SEED, 4, 90.0)[3]
    assert mirrored == pytest.approx(-right)
    between = views.light_at(SEED, 0, 15.0)
    np.testing.assert_allclose(
        between, (views.light_at(SEED, 0, 0.0) + views.light_at(SEED, 0, 30.0)) / 2
    )
    format = ClipFormat()
    assert render(one(2.5, 0.2)).clip.video.shape == (format.frames, 256, 256, 3)


def test_light_on_a_walker_behind_the_camera_comes_from_behind() -> None:
    """Azimuths jump from 180 to −180 there: their mean is a place where nobody was."""
    scene = one(2.5, 0.0)
    track = Track((0.0, 5.0), (-2.0, -2.0), (0.3, -1.5))
    scene = replace(scene, people=(replace(scene.people[0], track=track),))
    (light,) = painter._lights(scene, np.linspace(0, 5, 21))
    expected = painter.light_on(scene, float(np.rad2deg(np.arctan2(-0.6, -2.0))))
    assert light.side == pytest.approx(expected.side, abs=1e-6)
    assert light.side != pytest.approx(painter.light_on(scene, -102.0).side, abs=0.05)


def test_takes_show_people_all_around_on_free_floor_with_exact_labels() -> None:
    name, scene = draw_take(Plan(3, 20.0, (480, 240), "furnished"), 1)
    assert name == f"fold3_room{scene.room + 1}_mix002"
    assert scene.room_seed == SEED
    room = make_room(SEED, scene.room)
    for person in scene.people:
        assert is_free(room, path_points(person.track.corners))
    rows = np.array(label_rows(scene))
    people = rows[rows[:, 2] <= len(scene.people)]
    frame, _, source, azimuth, _, _ = people[len(people) // 2]
    expected = scene.azimuths(source - 1, [(frame + 0.5) / 10])[0]
    assert (azimuth - expected + 180) % 360 - 180 == pytest.approx(0, abs=0.6)
    assert draw_take(Plan(3, 20.0, (480, 240), "furnished", held_out=True), 1)[1].room_seed != SEED
    with pytest.raises(SavgError, match=r"world must be one of demo, .*, got 'moon'\."):
        Plan(3, world="moon")


def test_the_camera_changes_tones_and_adds_noise_the_same_every_time() -> None:
    video = np.full((3, 36, 64, 3), 100, np.uint8)
    bright = effects.Exposure((1.5, 1.2, 0.5), 1.0, 0.0, 0.0, 0)
    np.testing.assert_array_equal(effects.develop(video, bright, 1)[0, 0, 0], (150, 120, 50))
    noisy = effects.Exposure((1.0, 1.0, 1.0), 1.0, 0.0, 4.0, 0)
    first, again = (effects.develop(video, noisy, 1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.std() == pytest.approx(4.0 * (64 / 256) ** 0.5, rel=0.15)
    assert np.abs(first[0].astype(int) - first[1]).max() > 2
    whole = effects.develop(video, noisy, 1, first=1)
    np.testing.assert_array_equal(whole[:2], first[1:])
    large = effects.develop(np.full((1, 675, 1200, 3), 100, np.uint8), noisy, 1)
    assert large.shape == (1, 675, 1200, 3)
    assert large[0, -50:].std() == pytest.approx(4.0, rel=0.1)


def test_near_people_are_painted_over_far_ones(plain_camera) -> None:
    far, near = one(3.2, 0.0), one(1.9, 0.0)
    both = replace(far, people=(near.people[0], far.people[0]), sounds=())
    made, alone = render(both, depth=True), render(replace(near, sounds=()))
    assert made.depth is not None
    x0, y0, x1, y1 = (int(v) for v in render(near).boxes.xyxy[0])
    middle = (x0 + x1) // 2
    assert made.depth[0, (y0 + y1) // 2, middle] == pytest.approx(1.9)
    rows = slice(y0 + 20, y0 + 40)
    np.testing.assert_array_equal(
        made.clip.video[0, rows, middle], alone.clip.video[0, rows, middle]
    )
