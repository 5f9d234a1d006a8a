"""The audio of a 360° take in first-order Ambisonics, with room acoustics by pyroomacoustics.

pyroomacoustics (extra `dataset`) finds the image sources of a box with the room's walls and an
absorption that gives its reverberation time. Each image arrives from its own direction at four
coincident microphones W, Y, Z, X (ACN/SN3D). From the time at which images above the highest order
would be missing, a diffuse tail continues with the same decay. The direct sound has the source's
exact direction at each moment, and no delay, so that video and audio stay synchronous.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from savg.data.scenes.audio import REFERENCE, SPEED_OF_SOUND, dry_audio
from savg.data.scenes.microphones import as_recorded
from savg.data.scenes.room import Room, make_room
from savg.data.scenes.scene import Scene, Sound
from savg.extras import import_extra

Array = NDArray[np.floating]
ORDER = 18
"""Highest order of image sources."""
PATH_STEP = 0.3
"""Metres of a path between two responses that are cross-faded."""
BLUR = 0.03
"""Images of order 2 and more are moved by up to this many metres, as furniture would do; without it
the regular grid of images is audible as a sweep."""
ELSEWHERE = 0.45
"""Level of a source towards the walls relative to that towards the camera, which it faces.

At 1 the modes of the room sometimes make low notes louder on the wrong side.
"""
RUMBLE, RUMBLE_BELOW = 4.0, 80.0
"""Level of low-frequency noise relative to the noise floor, and its upper limit in Hz."""


def room_audio(scene: Scene, rate: int, dry: list[Array] | None = None) -> NDArray[np.float32]:
    """The audio of a take as FOA [4, samples], with a noise floor.

    dry: `dry_audio` of each sound, computed here without it. Raises SavgError without pyroomacoustics.
    """
    samples = round(scene.seconds * rate)
    mixed = _noise(scene, samples, rate)
    sources = dry if dry is not None else [dry_audio(scene, s, rate) for s in scene.sounds]
    for sound, source in zip(scene.sounds, sources, strict=True):
        first = round(scene.span_of(sound)[0] * rate)
        audio = source_at_camera(scene, sound, source, rate)[:, : samples - first]
        mixed[:, first : first + audio.shape[1]] += audio
    return as_recorded(mixed, scene.microphones, rate)


def source_at_camera(
    scene: Scene, sound: Sound, source: Array, rate: int, reflections: bool = True
) -> NDArray[np.float32]:
    """One source at the camera as FOA [4, samples], from the start of its span to the end of its decay.

    source: its `dry_audio`. reflections: with the room's response, or the direct sound alone.
    """
    room = make_room(scene.room_seed, scene.room)
    begin, end = scene.span_of(sound)
    gains = direct_gains(scene, sound, len(source), rate)
    direct = (gains * source).astype(np.float32)
    if not reflections:
        return direct
    times = _stations(scene, sound, begin, end)
    points = scene.points(sound, times)
    responses = [foa_response(room, tuple(np.round(p, 3)), rate) for p in points]
    size = fft.next_fast_len(len(source) + responses[0].shape[1], real=True)
    at = begin + np.arange(len(source)) / rate
    total: Array = np.zeros((4, size // 2 + 1), np.complex64)
    for index, response in enumerate(responses):
        share = np.interp(at, times, np.eye(len(times))[index]).astype(np.float32)
        spectrum = fft.rfft(source.astype(np.float32) * share, size)
        total += spectrum * fft.rfft(response, size)
    audio = fft.irfft(total, size)[:, : len(source) + responses[0].shape[1]].astype(np.float32)
    audio[:, : len(source)] += direct
    return audio


def direct_gains(scene: Scene, sound: Sound, samples: int, rate: int) -> Array:
    """FOA gains of the direct sound [4, 1], or [4, samples] of one that moves."""
    begin, end = scene.span_of(sound)
    if not _moves(scene, sound, begin, end):
        return _plane_wave(scene.points(sound, [begin]))
    corners = np.arange(0, samples + 160, 160)
    steps = _plane_wave(scene.points(sound, begin + corners / rate))
    return np.stack([np.interp(np.arange(samples), corners, step) for step in steps])


def _plane_wave(points: Array) -> Array:
    """FOA gains [4, N] of sources at points [N, 3], level 1 at the reference distance."""
    distance = np.maximum(np.linalg.norm(points, axis=1), 0.5)
    x, y, z = points.T / distance
    return np.stack([np.ones_like(x), y, z, x]) * REFERENCE / distance


def _moves(scene: Scene, sound: Sound, begin: float, end: float) -> bool:
    track = scene.track_of(sound)
    inside = [t for t in track.times if begin < t < end]
    return bool(np.ptp(track.at([begin, *inside, end]), axis=0).max() > 1e-6)


def _stations(scene: Scene, sound: Sound, begin: float, end: float) -> Array:
    """Times (s) at which the room's response is computed: one, or several along a path."""
    if not _moves(scene, sound, begin, end):
        return np.array([begin])
    fine = np.linspace(begin, end, max(2, round(20 * (end - begin))))
    steps = np.linalg.norm(np.diff(scene.track_of(sound).at(fine), axis=0), axis=1)
    path = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(2, round(float(path[-1]) / PATH_STEP) + 1)
    return np.unique(np.interp(np.linspace(0, path[-1], count), path, fine))


@lru_cache(maxsize=64)
def foa_response(room: Room, point: tuple[float, float, float], rate: int) -> NDArray[np.float32]:
    """FOA impulse response [4, samples] of a room to a source at `point` (m), without the direct sound.

    Time 0 is the arrival of the direct sound, level 1 its level at the reference distance.
    """
    images, gains, orders = image_sources(room, point)
    distance = np.linalg.norm(images, axis=1)
    near = float(distance[orders == 0][0])
    rng = np.random.default_rng([*room.key, 43])
    moved = distance + np.where(orders > 1, rng.uniform(-BLUR, BLUR, len(distance)), 0.0)
    delay = np.round((moved - near) / SPEED_OF_SOUND * rate).astype(np.int64)
    complete = round(_complete(room, near) * rate)
    length = round(1.1 * room.reverberation * rate)
    audible = (orders > 0) & (delay >= 0) & (delay < min(complete, length))
    level = ELSEWHERE * gains[audible] * REFERENCE / distance[audible]
    toward = images[audible] / distance[audible, None]
    weights = (level, level * toward[:, 1], level * toward[:, 2], level * toward[:, 0])
    response = np.stack([np.bincount(delay[audible], w, length) for w in weights])
    return (response + _tail(room, response[0], complete, rate)).astype(np.float32)


def image_sources(room: Room, point: tuple[float, float, float]) -> tuple[Array, Array, Array]:
    """Image sources up to ORDER around the camera: positions [N, 3] (m), gains [N], orders [N]."""
    acoustics = _pyroomacoustics()
    size = np.array([room.back + room.front, room.right + room.left, room.height])
    camera = np.array([room.back, room.right, room.eye])
    absorption, _ = acoustics.inverse_sabine(room.reverberation, size)
    box = acoustics.ShoeBox(
        size, fs=16_000, materials=acoustics.Material(absorption), max_order=ORDER
    )
    box.add_source(np.clip(camera + point, 0.02, size - 0.02))
    box.add_microphone(camera)
    box.image_source_model()
    source = box.sources[0]
    return source.images.T - camera, source.damping[0], source.orders


def _complete(room: Room, near: float) -> float:
    """Seconds after the direct sound up to which ORDER covers every image."""
    sides = np.array([room.back + room.front, room.right + room.left, room.height])
    return float((ORDER / np.sqrt((1 / sides**2).sum()) - near) / SPEED_OF_SOUND)


def _tail(room: Room, images: Array, complete: int, rate: int) -> Array:
    """A diffuse continuation [4, samples] of the images' energy from sample `complete` on."""
    length = len(images)
    tail = np.zeros((4, length))
    if complete >= length:
        return tail
    rng = np.random.default_rng([*room.key, 37])
    tail[:, complete:] = rng.standard_normal((4, length - complete))
    tail[1:] *= np.sqrt(1 / 3)
    window = round(0.06 * rate)
    recent = images[max(0, complete - window) : complete]
    decay = 10 ** (-3 * np.arange(-len(recent), length - complete) / (room.reverberation * rate))
    level = np.sqrt(np.square(recent).sum() / np.square(decay[: len(recent)]).sum())
    tail[:, complete:] *= level * decay[len(recent) :]
    return tail


def _noise(scene: Scene, samples: int, rate: int) -> NDArray[np.float32]:
    """The noise floor and a low rumble [4, samples]."""
    from scipy.signal import butter, sosfilt

    rng = np.random.default_rng([scene.seed, 73])
    noise = rng.standard_normal((4, samples), np.float32)
    noise[1:] *= np.float32(0.6)
    low = sosfilt(butter(2, RUMBLE_BELOW, fs=rate, output="sos"), noise[0])
    noise[0] += (RUMBLE / max(float(np.std(low)), 1e-9) * low).astype(np.float32)
    return noise * np.float32(scene.noise)


def require_acoustics() -> None:
    """Raise SavgError where pyroomacoustics is not installed."""
    _pyroomacoustics()


def _pyroomacoustics() -> Any:
    return import_extra("pyroomacoustics", "Room acoustics")
