"""Synthetic scenes: video and audio agree with each other and with the labels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from savg.annotation import LABEL_CLASSES
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.data.scenes import render as render_module_function
from savg.data.scenes.audio import dry_audio, envelope, foa_audio, stereo_audio
from savg.data.scenes.camera import Equirectangular, Perspective
from savg.data.scenes.furnished.index import room_of
from savg.data.scenes.instruments import tone_of
from savg.data.scenes.people import strike
from savg.data.scenes.render import labels_of, without_people
from savg.data.scenes.scene import SPLIT_SIZE, Note, Scene
from savg.data.scenes.shapes import reach
from savg.data.scenes.voices import bank
from savg.format import ClipFormat
from savg.geometry import foa_to_stereo, project
from savg.train.sources import Synthetic

WORLDS = {name: World.named(name) for name in ("demo", "stage", "varied")}
FOCAL = 128 / np.tan(np.deg2rad(50))


def scenes(world: str, count: int, first: int = 0) -> list[Scene]:
    return [draw_scene(split_seed("test", first + i), WORLDS[world]) for i in range(count)]


def pan(audio: np.ndarray) -> float:
    left, right = np.sqrt(np.mean(np.square(audio.astype(float)), axis=1))
    return float((right - left) / (right + left))


@pytest.fixture
def no_shadows(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    module = sys.modules[render_module_function.__module__]
    monkeypatch.setattr(module, "shadows", lambda *args: None)


def test_the_same_seed_is_the_same_clip() -> None:
    one, two = (render(draw_scene(5, WORLDS["varied"]), size=64) for _ in range(2))
    other = render(draw_scene(6, WORLDS["varied"]), size=64)
    assert np.array_equal(one.clip.video, two.clip.video)
    assert np.array_equal(one.clip.audio, two.clip.audio)
    assert np.array_equal(one.boxes.xyxy, two.boxes.xyxy)
    assert not np.array_equal(one.clip.audio, other.clip.audio)
    assert not np.array_equal(one.clip.video, other.clip.video)


@pytest.mark.parametrize("world", WORLDS)
def test_one_source_is_active_at_least_four_fifths_and_on_screen(world: str) -> None:
    categories = set()
    for scene in scenes(world, 60):
        assert len(scene.sounds) == 1
        times = (np.arange(50) + 0.5) / 10
        assert scene.sounds[0].active(times).sum() >= 40
        azimuth = scene.azimuths(scene.sounds[0].person, times)
        assert np.abs(azimuth).max() < 49
        person = scene.people[scene.sounds[0].person]
        categories.add(LABEL_CLASSES[scene.sounds[0].label])
        if person.action == "speak":
            assert scene.sounds[0].label == (0 if bank().female[person.look.voice] else 1)
        else:
            assert scene.sounds[0].label == 9
        assert all(p.action == "idle" for i, p in enumerate(scene.people) if i)
    assert categories == {0, 1}


def test_labels_follow_the_tangent_law() -> None:
    for scene in scenes("varied", 12):
        labels = labels_of(scene, ClipFormat())
        times = (labels.frames + 0.5) / 10
        azimuth = np.deg2rad(scene.azimuths(scene.sounds[0].person, times))
        assert labels.x == pytest.approx(128 - FOCAL * np.tan(azimuth), abs=1e-6)
        assert ((labels.x >= 0) & (labels.x < 256) & (labels.y > 0) & (labels.y < 144)).all()


@pytest.mark.parametrize("world", WORLDS)
def test_figure_label_and_louder_channel_are_on_the_same_side(world: str) -> None:
    offsets, pans = [], []
    for scene in scenes(world, 16, first=100):
        if scene.people[0].track.moves or len(scene.people) > 1:
            continue
        rendered = render(scene)
        empty = render(without_people(scene, ()), ClipFormat()).clip.picture[4].astype(int)
        change = np.abs(rendered.clip.picture[4].astype(int) - empty).sum(axis=2) > 30
        top = np.flatnonzero(change.any(axis=1))[0]
        head = np.flatnonzero(change[top : top + 10].any(axis=0)).mean() + 0.5
        x = float(rendered.labels.x[0])
        if not scene.people[0].instrument:
            assert abs(head - x) < 6
        offsets.append(x - 128)
        pans.append(pan(rendered.clip.audio))
        if abs(x - 128) > 15:
            assert np.sign(pans[-1]) == np.sign(x - 128)
    assert len(offsets) >= 4
    assert np.corrcoef(np.sin(np.arctan(np.array(offsets) / FOCAL)), pans)[0, 1] > 0.95


def test_half_of_those_who_speak_walk_far_where_paths_are_learned() -> None:
    drawn = [draw_scene(split_seed("test", index), World.stroll()) for index in range(60)]
    speakers = [scene.people[0] for scene in drawn if scene.people[0].action == "speak"]
    walkers = [person.track for person in speakers if person.track.moves]
    assert len(walkers) > 0.4 * len(speakers) > 12
    for track in walkers:
        x = [128 - FOCAL * y / depth for depth, y in track.corners]
        assert abs(x[1] - x[0]) >= 64 - 1e-6  # half of half of 256


def test_the_lounge_shows_four_rooms_and_six_people_in_two_colours() -> None:
    world = World.named("lounge")
    drawn = [draw_scene(split_seed("test", index), world) for index in range(150)]
    shown = [room_of(world.room_seed, scene.room) for scene in drawn]
    places = {(room.name, heading, mirrored) for room, heading, mirrored in shown}
    assert places == {(f"room0{n}", h, False) for n, h in ((0, 3), (2, 3), (4, 3), (5, 2))}
    looks = {(p.look.figure, p.look.variant) for scene in drawn for p in scene.people}
    assert len(looks) == 12 and {variant for _, variant in looks} == {0, 1}
    speakers = [scene.people[0] for scene in drawn if scene.people[0].action == "speak"]
    walking = [person for person in speakers if person.track.moves]
    assert 0.25 < len(walking) / len(speakers) < 0.5
    # Held out are its voices and notes alone: it shows the same rooms and people.
    other = [draw_scene(scene.seed, World.named("lounge", held_out=True)) for scene in drawn[:20]]
    assert [s.room for s in other] == [s.room for s in drawn[:20]]
    assert [s.people[0].look.figure for s in other] == [s.people[0].look.figure for s in drawn[:20]]
    voices = {s.people[0].look.voice for s in other} & {s.people[0].look.voice for s in drawn}
    assert not voices


def test_a_part_of_a_world_s_rooms_is_evenly_spread() -> None:
    two = Synthetic(worlds=("lounge",), rooms=2).world("lounge")
    rooms = {draw_scene(split_seed("train", index), two).room for index in range(40)}
    assert rooms == {3, 35}


@pytest.mark.parametrize("field", ["figures", "recolours"])
def test_a_world_s_numbers_must_not_be_negative(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} .*got"):
        replace(World.demo(), **{field: -1})
    with pytest.raises(ValueError, match=r"views must be 4 numbers ≥ 0, got \(1, 2\)"):
        replace(World.demo(), views=(1, 2))


def test_a_walk_longer_than_the_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"walk_least must be in 0\.\.1\.56, .* got 1\.6"):
        replace(World.demo(), walk_least=1.6)


def test_a_walking_source_moves_in_the_audio() -> None:
    tracks_checked = 0
    for scene in scenes("varied", 80, first=500):
        track = scene.people[0].track
        times = np.arange(5) + 0.5
        azimuth = scene.azimuths(0, times)
        if not track.moves or np.ptp(azimuth) < 35:
            continue
        audio = stereo_audio(scene, 16000).reshape(2, 5, 16000)
        pans = [pan(audio[:, second]) for second in range(5)]
        assert np.corrcoef(-np.sin(np.deg2rad(azimuth)), pans)[0, 1] > 0.9
        tracks_checked += 1
    assert tracks_checked >= 2


@pytest.mark.usefixtures("no_shadows")
@pytest.mark.parametrize("world", WORLDS)
def test_boxes_are_tight_around_people(world: str) -> None:
    checked = 0
    for scene in scenes(world, 14, first=40):
        if any(p.instrument or p.seated for p in scene.people):
            continue
        full = render(scene)
        empty = render(without_people(scene, ())).clip.video
        if len(scene.people) > 1:
            alone = without_people(scene, (0,))
            full = render(alone)
        for frame in (0, 7, 19):
            change = np.abs(full.clip.video[frame].astype(int) - empty[frame]).sum(axis=2) > 12
            ys, xs = np.nonzero(change)
            box = full.boxes.xyxy[full.boxes.frames == frame]
            assert box.shape == (1, 4)
            extent = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert box[0] == pytest.approx(extent, abs=2.5)
            checked += 1
    assert checked >= 9


def test_boxes_name_every_person_in_every_frame() -> None:
    for scene in scenes("varied", 10, first=60):
        boxes = render(scene, size=64).boxes
        counts = np.bincount(boxes.frames, minlength=20)
        assert counts.min() >= 1
        assert counts.max() <= len(scene.people)
        assert (boxes.xyxy[:, [0, 2]] >= 0).all() and (boxes.xyxy[:, [0, 2]] <= 256).all()
        assert (boxes.xyxy[:, [1, 3]] >= 56).all() and (boxes.xyxy[:, [1, 3]] <= 200).all()


@pytest.mark.parametrize("world", WORLDS)
def test_a_small_rendering_is_the_large_one_averaged(world: str) -> None:
    for scene in scenes(world, 4, first=80):
        large, small = render(scene), render(scene, size=64)
        assert small.clip.video.shape == (20, 64, 64, 3)
        assert np.array_equal(large.clip.audio, small.clip.audio)
        assert np.array_equal(large.boxes.xyxy.round(0), small.boxes.xyxy.round(0))
        down = [cv2.resize(f, (64, 36), interpolation=cv2.INTER_AREA) for f in large.clip.picture]
        difference = np.abs(np.stack(down).astype(int) - small.clip.picture)
        assert difference.mean() < 2.5


def test_levels_are_those_of_the_data() -> None:
    levels = []
    for scene in scenes("demo", 30) + scenes("varied", 10):
        audio = stereo_audio(scene, 16000)
        assert np.abs(audio).max() <= 0.951
        levels.append(np.sqrt(np.mean(np.square(audio, dtype=float))))
    assert 0.03 < np.median(levels) < 0.15
    assert min(levels) > 0.015 and max(levels) < 0.2


def test_labelled_frames_are_audible_and_others_quiet() -> None:
    for scene in scenes("demo", 12):
        audio = stereo_audio(scene, 16000)
        level = np.sqrt(np.square(audio, dtype=float).sum(0).reshape(50, 1600).mean(1))
        inside = scene.sounds[0].active((np.arange(500) + 0.5) / 100).reshape(50, 10)
        active, silent = inside.all(axis=1), ~inside.any(axis=1)
        assert np.median(level[active]) > 0.02
        if silent.any():
            assert level[silent].mean() < 0.6 * level[active].mean()


def test_a_scene_without_sources_has_noise_alone() -> None:
    scene = without_people(draw_scene(3, WORLDS["demo"]), ())
    rendered = render(scene, size=64)
    assert len(rendered.labels) == 0 and len(rendered.boxes) == 0
    assert np.sqrt(np.mean(np.square(rendered.clip.audio))) < 0.003


def test_foa_decodes_to_the_stereo_of_the_clip() -> None:
    scene = draw_scene(11, WORLDS["varied"])
    foa = foa_audio(scene, 16000)
    assert foa.shape == (4, 80000)
    stereo = stereo_audio(scene, 16000)
    decoded = foa_to_stereo(foa)
    decoded *= min(1.0, 0.95 / np.abs(decoded).max())
    assert np.allclose(decoded, stereo, atol=1e-5)


@pytest.mark.parametrize("instrument", ["guitar", "violin", "keyboard"])
def test_notes_have_their_pitch(instrument: str) -> None:
    for pitch, frequency in ((57, 220.0), (69, 440.0)):
        tone = tone_of(instrument, pitch, 16000)[1600:9792].astype(float)
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 1 << 17))
        rate = 16000 / (1 << 17)
        near = slice(round(0.9 * frequency / rate), round(1.1 * frequency / rate))
        peak = (near.start + spectrum[near].argmax()) * rate
        assert peak == pytest.approx(frequency, rel=0.012)
        between = slice(round(1.4 * frequency / rate), round(1.6 * frequency / rate))
        assert spectrum[near].max() > 8 * spectrum[between].max()


def test_speech_is_no_steady_tone_and_music_is() -> None:
    """Spectral peaks stay where they are for the length of a note, not in speech."""

    def steadiness(scene: Scene) -> float:
        dry = dry_audio(scene, scene.sounds[0], 16000).astype(float)
        frames = np.lib.stride_tricks.sliding_window_view(dry, 2048)[::512] * np.hanning(2048)
        spectra = np.abs(np.fft.rfft(frames, axis=1))[:, 8:400]
        spectra /= np.linalg.norm(spectra, axis=1, keepdims=True) + 1e-3
        return float(np.median((spectra[1:] * spectra[:-1]).sum(1)))

    speech, music = [], []
    for scene in scenes("demo", 40):
        (music if scene.sounds[0].notes else speech).append(steadiness(scene))
    assert np.median(music) > np.median(speech) + 0.05


def test_mouth_and_hands_follow_the_audio() -> None:
    times = np.arange(0, 1, 0.01)
    notes = (Note(0.3, 0.4, 60, 1.0), Note(0.7, 0.3, 62, 1.0))
    lifted = strike(times, notes)
    assert lifted[[30, 70]] == pytest.approx(0, abs=1e-9)
    assert lifted[0] == 1 and lifted[50] == 1
    dry = np.zeros(16000)
    dry[8000:] = np.sin(np.arange(8000) * 0.3)
    open_mouth = envelope(dry, 16000, np.array([0.2, 0.8]))
    assert open_mouth[0] == 0 and open_mouth[1] > 0.5


def test_limbs_keep_their_length() -> None:
    rng = np.random.default_rng(0)
    shoulder, hand = rng.normal(size=(2, 50, 3))
    elbow, joined = reach(shoulder, hand, 0.3, 0.25, rng.normal(size=(50, 3)))
    assert np.linalg.norm(elbow - shoulder, axis=1) == pytest.approx(0.3, abs=1e-6)
    assert np.linalg.norm(joined - elbow, axis=1) == pytest.approx(0.25, abs=1e-6)


def test_cameras() -> None:
    rng = np.random.default_rng(1)
    azimuth, elevation = rng.uniform(-45, 45, 40), rng.uniform(-25, 25, 40)
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    points = 3 * np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=1)
    pixels, _ = Perspective(256, 144).project(points)
    x, y = project(azimuth, elevation)
    assert pixels == pytest.approx(np.stack([x, y], axis=1), abs=1e-6)
    turned, _ = Perspective(256, 144, view=10).project(points)
    assert turned[:, 0] == pytest.approx(128 - FOCAL * np.tan(np.deg2rad(azimuth - 10)), abs=1e-6)
    for camera in (Perspective(32, 18, view=30), Equirectangular(64, 32)):
        back, _ = camera.project(camera.rays())
        grid_x, grid_y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        assert back[..., 0] == pytest.approx(grid_x + 0.5, abs=1e-6)
        assert back[..., 1] == pytest.approx(grid_y + 0.5, abs=1e-6)


def test_splits_do_not_share_seeds() -> None:
    last_train, first_valid = split_seed("train", SPLIT_SIZE - 1), split_seed("valid", 0)
    assert last_train < first_valid < split_seed("test", 0)
    with pytest.raises(ValueError, match="train, valid, test"):
        split_seed("dev", 0)
    with pytest.raises(ValueError, match="index"):
        split_seed("train", -1)


def test_wrong_worlds_and_lengths_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"must sum to 1, got 0\.6"):
        World(rooms=1, looks=(), instruments=("guitar",), bystanders=(0.5, 0.1))
    with pytest.raises(ValueError, match="5 s"):
        render(draw_scene(1, WORLDS["demo"]), ClipFormat(frames=8))


def test_other_lengths_and_rates() -> None:
    format = ClipFormat(frames=8, sample_rate=22050, size=128, picture_height=72)
    rendered = render(draw_scene(1, WORLDS["demo"], seconds=2.0), format)
    assert rendered.clip.audio.shape == (2, 44100)
    assert rendered.clip.video.shape == (8, 128, 128, 3)
    assert rendered.labels.x.max() < 128
