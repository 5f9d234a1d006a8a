"""360° takes: the drawn scene, the panorama, and clips cut directly out of a take."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import lru_cache

import numpy as np
import pytest
from scene_takes import labels_of_take, one_person

from savg.data.scenes import World, draw_scene, panorama, render, split_seed
from savg.data.scenes.audio import dry_audio
from savg.data.scenes.camera import Equirectangular
from savg.data.scenes.panorama import panoramas, person_boxes
from savg.data.scenes.recording import draw_recording
from savg.data.scenes.render import voices_of, without_people
from savg.data.scenes.room import make_room
from savg.data.scenes.scene import Person, Scene, Sound, Track
from savg.data.starss.projection import Projector
from savg.data.starss.results import Construction
from savg.data.starss.synth import Plan, draw_take, label_rows
from savg.data.starss.windows import judge
from savg.format import ClipFormat
from savg.geometry import azimuth_to_x, wrap_degrees

WORLD = World.varied()
TAKES = 30


@lru_cache(maxsize=1)
def takes() -> list[Scene]:
    return [draw_take(Plan(11), index)[1] for index in range(TAKES)]


def silent(scene: Scene, count: int) -> np.ndarray:
    return np.zeros((len(scene.people), count))


def panorama_images(scene: Scene, times: np.ndarray, width: int = 480) -> list[np.ndarray]:
    voices = silent(scene, len(times))
    return [p.copy() for p, _ in panoramas(scene, times, voices, width, width // 2)]


@pytest.mark.parametrize(
    ("world", "index", "digest", "video_sum", "audio_sum"),
    [
        ("demo", 0, "7970cda8288ca86b", 210.0230, -0.175770),
        ("demo", 7, "dbae485b26d2051a", -693.4330, 6.140915),
        ("varied", 1, "beb970a4b32c8375", 164.1028, -0.842636),
        ("varied", 12, "66aaa7f265c4153c", -372.5243, 0.398018),
    ],
)
def test_training_scenes_stay_as_they_are(
    world: str, index: int, digest: str, video_sum: float, audio_sum: float
) -> None:
    """People and their places are those that the first bundled weights were trained with; mouths, hands
    and sound are those of the recorded voices and notes."""
    scene = draw_scene(split_seed("train", index), getattr(World, world)())
    text = json.dumps(_plain([asdict(person) for person in scene.people]), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest
    clip = render(scene, size=64).clip
    video, audio = clip.video.astype(float).ravel(), clip.audio.astype(float).ravel()
    assert video @ np.cos(np.arange(video.size)) == pytest.approx(video_sum, abs=0.5)
    assert audio @ np.cos(np.arange(audio.size)) == pytest.approx(audio_sum, abs=2e-2)


def _plain(value):
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, dict):
        later_fields = {"figure", "variant", "voice"}
        return {k: _plain(v) for k, v in value.items() if k not in later_fields}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def test_the_same_seed_is_the_same_take() -> None:
    assert draw_recording(4, WORLD, 30.0) == draw_recording(4, WORLD, 30.0)
    assert draw_recording(4, WORLD, 30.0) != draw_recording(5, WORLD, 30.0)
    with pytest.raises(ValueError, match="seconds must be > 0, got 0"):
        draw_recording(4, WORLD, 0.0)


def test_the_curation_keeps_few_clips_of_both_categories_and_drops_by_every_rule() -> None:
    per_category = np.zeros(2, int)
    dropped: dict[str, int] = {}
    for scene in takes():
        verdict = judge(labels_of_take(scene), scene.seconds, Construction())
        per_category += np.bincount([c.category for c in verdict.candidates], minlength=2)
        dropped = {rule: dropped.get(rule, 0) + n for rule, n in verdict.dropped.items()}
    assert 0.2 < per_category.sum() / (60.0 * TAKES) < 0.5
    assert per_category[1] > 50
    assert 1.2 < per_category[0] / per_category[1] < 5
    assert min(dropped[rule] for rule in ("class", "overlap", "activity", "off_screen")) > 0
    assert min(dropped["class"], dropped["overlap"]) > 0.1 * sum(dropped.values())


def test_people_are_all_around_within_the_room_and_keep_their_distance() -> None:
    times = np.arange(0, 60, 0.1)
    sides = np.zeros(4, int)
    walking = silent_people = 0
    for scene in takes():
        room = make_room(scene.room_seed, scene.room)
        assert 2 <= len(scene.people) <= 5
        for index, person in enumerate(scene.people):
            x, y = person.track.at(times).T
            assert -room.back + 0.3 < x.min() and x.max() < room.front - 0.6
            assert -room.right + 0.3 < y.min() and y.max() < room.left - 0.3
            assert np.hypot(x, y).min() > 0.9
            assert (np.hypot(np.diff(x), np.diff(y)) / 0.1).max() < 1.1
            sides[int(scene.azimuths(index, [0.0])[0] // 90) % 4] += 1
            walking += person.track.moves
            silent_people += not any(s.person == index for s in scene.sounds)
        starts = np.array([p.track.at(0.0) for p in scene.people])
        gaps = np.linalg.norm(starts[:, None] - starts, axis=2)
        assert gaps[~np.eye(len(starts), dtype=bool)].min() > 0.5
    assert sides.min() > 0.12 * sides.sum()
    assert walking > 5 and silent_people > 5


def test_nobody_talks_over_themselves_and_sounds_keep_to_their_spans() -> None:
    labels = set()
    for scene in takes():
        rows = label_rows(scene)
        labels |= {row[1] for row in rows}
        assert len({row[:3] for row in rows}) == len(rows)
        mouths = [s for s in scene.sounds if s.person >= 0 and s.label != 6]
        for sound in scene.sounds:
            begin, end = sound.span
            assert 0 <= begin < end <= scene.seconds
            assert all(begin <= p.start and p.end <= end + 1e-9 for p in sound.parts)
        for one in mouths:
            for other in mouths:
                if one is not other and one.person == other.person:
                    assert one.span[1] <= other.span[0] or other.span[1] <= one.span[0]
    assert labels == set(range(13))


def test_a_thing_needs_a_place() -> None:
    with pytest.raises(ValueError, match="track and a height"):
        Sound(-1, 11)


@pytest.mark.parametrize("azimuth", [0.0, 77.0, -120.0, 179.9, -179.0, 165.0])
def test_a_figure_is_at_its_azimuth_in_the_panorama(azimuth: float) -> None:
    scene = one_person(azimuth)
    width = 720
    image = panorama_images(scene, np.array([2.0]), width)[0].astype(int)
    empty = panorama_images(without_people(scene), np.array([2.0]), width)[0]
    change = (np.abs(image - empty).sum(axis=2) > 60)[: width // 4 + 20].any(axis=0)
    # Rotated by the azimuth, the figure must be in the middle.
    rotated = np.roll(change, round(azimuth / 360 * width))
    columns = np.flatnonzero(rotated)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(width / 2, abs=3.5)
    assert 10 < len(columns) < 60
    seam = change[0] and change[-1]
    assert seam == (abs(azimuth) > 175)
    box = person_boxes(scene, np.array([2.0]), width, width // 2)[0, 0]
    measured = (0.5 - (box[0] + box[2]) / 2 / width) * 360
    assert abs(wrap_degrees(measured - azimuth)) < 1.5


def test_only_patches_are_repainted_and_they_are_all_that_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = next(s for s in takes() if sum(p.track.moves for p in s.people) > 1)
    moving = next(p.track for p in scene.people if p.track.moves)
    times = moving.times[1] + np.arange(40) / 20.0
    voices = silent(scene, 40)
    frames = []
    for image, patches in panoramas(scene, times, voices, 480, 240):
        if frames:
            changed = (image != frames[-1]).any(axis=2)
            for patch in patches:
                for rows, columns, _ in panorama.pieces(patch, 480):
                    changed[rows, columns] = False
            assert not changed.any()
        frames.append(image.copy())
    restore_all = lambda image, empty, patch: np.copyto(image, empty)  # noqa: E731
    monkeypatch.setattr(panorama, "_restore", restore_all)
    assert np.array_equal(frames, panorama_images(scene, times))
    assert not np.array_equal(frames[0], frames[-1])


def test_patches_across_the_seam() -> None:
    image = np.arange(4 * 10).reshape(4, 10)
    for patch, columns in (((-3, 0, 2, 4), [7, 8, 9, 0, 1]), ((8, 0, 12, 4), [8, 9, 0, 1])):
        parts = panorama.pieces(patch, 10)
        joined = np.concatenate([image[rows, cols] for rows, cols, _ in parts], axis=1)
        assert joined[0].tolist() == columns
        assert next(own.start for _, _, own in parts) == 0
    assert panorama.pieces((23, 1, 26, 3), 10) == [(slice(1, 3), slice(3, 6), slice(0, 3))]


def test_the_backdrop_in_strips_equals_that_in_one_piece() -> None:
    room = make_room(1000, 3)
    full = panorama.backdrop_of(room, Equirectangular(160, 80))
    assert np.array_equal(panorama.panorama_backdrop(1000, 3, 160, 80), full)


@pytest.mark.parametrize("view", [0.0, 130.0, -170.0])
def test_a_clip_of_a_take_is_the_view_of_its_panorama(view: float) -> None:
    """Rendered by the perspective camera, and projected out of the panorama."""
    scene = without_people(one_person(view + 22.0), (0,))
    start, format = 3.0, ClipFormat()
    direct = render(scene, format, view=view, start=start).clip.picture[4].astype(int)
    time = np.array([start + 4 / format.fps])
    voices = voices_of(scene, time, [dry_audio(scene, s, 16000) for s in scene.sounds], 16000)
    projector, crops, nobody = Projector((1920, 960), (256, 144), 100.0), [], without_people(scene)
    for world, speech in ((scene, voices), (nobody, voices[:0])):
        full = next(iter(panoramas(world, time, speech, 1920, 960)))[0]
        crops.append(projector(full, round(view) % 360).astype(int))
    assert np.abs(direct - crops[0]).mean() < 3.0
    empty = render(nobody, format, view=view, start=start).clip.picture[4].astype(int)
    changed = [np.abs(a - b).sum(axis=2) > 90 for a, b in ((direct, empty), crops)]
    centres = [np.flatnonzero(m[40:].any(axis=0)).mean() for m in changed]
    assert centres[0] == pytest.approx(centres[1], abs=2.0)
    assert centres[0] == pytest.approx(float(azimuth_to_x(22.0)), abs=8.0)


def test_a_rotated_clip_has_rotated_labels_boxes_and_audio() -> None:
    scene = one_person(60.0)
    for view in (20.0, 60.0, 100.0):
        rendered = render(scene, view=view, start=2.0)
        x = float(azimuth_to_x(60.0 - view))
        assert len(rendered.labels) > 40
        assert rendered.labels.x == pytest.approx(x, abs=0.01)
        assert (rendered.boxes.xyxy[:, ::2].mean()) == pytest.approx(x, abs=6)
        left, right = np.sqrt(np.mean(np.square(rendered.clip.audio.astype(float)), axis=1))
        if view != 60.0:
            assert (right > left) == (x > 128)
    behind = render(scene, view=-110.0, start=2.0)
    assert len(behind.boxes) == 0 and len(behind.labels) == 0
    empty = render(without_people(scene), view=-110.0, start=2.0)
    assert np.array_equal(behind.clip.video, empty.clip.video)


def test_a_clip_of_a_take_lies_within_it() -> None:
    scene = one_person(0.0)
    for start in (-0.5, 5.5):
        with pytest.raises(ValueError, match="within 10 s"):
            render(scene, start=start)
    with pytest.raises(ValueError, match="as long as the scene, 10 s, got 5 s"):
        render(scene)


def test_walks_in_several_legs_turn_the_body_the_way_they_go() -> None:
    from savg.data.scenes.people import walking

    there = Track((1.0, 3.0, 5.0, 7.0), (2.0, 2.0, 2.0, 2.0), (1.0, -1.0, -1.0, 1.0))
    look = one_person(0.0).people[0].look
    times = np.array([0.5, 2.0, 4.0, 6.0, 8.0])
    phase, direction = walking(Person(look, there, "idle"), times, there.at(times))
    assert (phase != 0).tolist() == [False, True, False, True, False]
    assert direction[1] == pytest.approx(90) and direction[3] == pytest.approx(-90)
    assert phase[3] - phase[1] == pytest.approx(2 * np.pi * 2.0 / 1.24)


def test_dry_audio_is_levelled_over_its_span() -> None:
    scene = takes()[0]
    for sound in scene.sounds:
        dry = dry_audio(scene, sound, 16000)
        assert len(dry) == round((sound.span[1] - sound.span[0]) * 16000)
        rms = float(np.sqrt(np.mean(np.square(dry, dtype=float))))
        assert 0.5 * sound.level < rms < 1.5 * sound.level
    late = replace(scene.sounds[0], span=(0.0, scene.seconds))
    assert len(dry_audio(scene, late, 8000)) == 8000 * scene.seconds
