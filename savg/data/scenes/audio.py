"""The audio of a scene in first-order Ambisonics, and of a clip in stereo.

FOA is ACN/SN3D (W, Y, Z, X) around the camera; stereo is left = W + Y, right = W − Y [S1]. Each
source arrives directly, from its direction at each moment, as the six first reflections from their own
directions, and in a diffuse tail.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from savg.data.scenes.events import synthesise_event
from savg.data.scenes.instruments import play
from savg.data.scenes.microphones import IDEAL, Microphones, as_recorded, diffuse_tail
from savg.data.scenes.room import Room, make_room
from savg.data.scenes.scene import Scene, Sound, Track
from savg.data.scenes.voices import BANK_RATE, bank
from savg.geometry import foa_gains, rotate_foa

Array = NDArray[np.floating]
SPEED_OF_SOUND = 343.0
REFERENCE = 2.0
"""Distance in metres at which the direct sound of a source has the source's level."""
HIGH_PASS = 100.0
"""Cut-off in Hz of the high-pass filter of the data [S1]."""
PEAK = 0.95
LEAD = 0.5
"""Seconds before a part of a scene whose reverberation reaches into it."""


def dry_audio(scene: Scene, sound: Sound, rate: int) -> NDArray[np.float32]:
    """The mono audio [samples] that one source emits in its span, rms about its level while active."""
    first, last = scene.span_of(sound)
    samples = round((last - first) * rate)
    if sound.notes:
        instrument = scene.people[sound.person].instrument
        notes = tuple(replace(n, start=n.start - first) for n in sound.notes)
        return play(instrument, notes, rate, samples) * np.float32(sound.level / 0.1)
    dry = np.zeros(samples, np.float32)
    for phrase in sound.phrases:
        begin = round((phrase.start - first) * rate)
        length = min(round((phrase.end - phrase.start) * rate), samples - begin)
        if length > 0:
            voice = bank().phrase(phrase.index)
            at = np.arange(length, dtype=np.float32) * np.float32(phrase.rate * BANK_RATE / rate)
            index_below = np.minimum(at.astype(np.int64), len(voice) - 2)
            part = at - index_below
            dry[begin : begin + length] = (
                voice[index_below] * (1 - part) + voice[index_below + 1] * part
            )
    for event in sound.events:
        begin = round((event.start - first) * rate)
        length = min(round((event.end - event.start) * rate), samples - begin)
        if length > 0:
            dry[begin : begin + length] += synthesise_event(sound.label, event.seed, length, rate)
    return dry * np.float32(sound.level / 0.1)


def envelope(dry: Array, rate: int, times: Array, window: float = 0.09) -> Array:
    """Loudness of mono audio around each of `times` (s), 0..1 relative to its rms [T].

    window: seconds over which the energy is averaged.
    """
    half = max(1, round(window * rate / 2))
    total = np.concatenate([[0.0], np.cumsum(np.square(dry, dtype=np.float64))])
    centre = np.round(np.asarray(times) * rate).astype(int)
    low, high = np.clip(centre - half, 0, len(dry)), np.clip(centre + half, 0, len(dry))
    rms = np.sqrt((total[high] - total[low]) / np.maximum(high - low, 1))
    return np.clip(rms / max(3.5 * np.sqrt(total[-1] / len(dry)) / 1.6, 1e-9), 0, 1)


def foa_audio(scene: Scene, rate: int, dry: list[Array] | None = None) -> NDArray[np.float32]:
    """The scene's audio as FOA [4, samples] float32, with reverberation and a noise floor.

    dry: `dry_audio` of each sound, computed here without it.
    """
    return _mix(scene, rate, dry, (0, 1, 2, 3))


def stereo_audio(scene: Scene, rate: int, dry: list[Array] | None = None) -> NDArray[np.float32]:
    """The scene's audio as in a clip [2, samples] float32, peak at most 0.95; dry as in `foa_audio`."""
    return _limit_peak(_mix(scene, rate, dry, (0, 1)))


def stereo_window(
    scene: Scene, rate: int, start: float, seconds: float, view: float
) -> NDArray[np.float32]:
    """Stereo [2, samples] of `seconds` of a scene from `start` on, for a view at azimuth `view` (°)."""
    lead = min(start, LEAD)
    foa = _mix(scene, rate, None, (0, 1, 2, 3), start - lead, seconds + lead)
    rotated = rotate_foa(foa[:, round(lead * rate) :], view)
    return _limit_peak(rotated[:2])


def _limit_peak(wy: NDArray[np.float32]) -> NDArray[np.float32]:
    w, y = wy
    stereo = np.stack([w + y, w - y])
    peak = float(np.abs(stereo).max())
    return stereo * np.float32(PEAK / peak) if peak > PEAK else stereo


def _mix(
    scene: Scene,
    rate: int,
    dry: list[Array] | None,
    channels: tuple[int, ...],
    start: float = 0.0,
    seconds: float | None = None,
) -> NDArray[np.float32]:
    """FOA channels of a scene, or of `seconds` of it from `start` on."""
    room = make_room(scene.room_seed, scene.room)
    seconds = scene.seconds if seconds is None else seconds
    samples = round(seconds * rate)
    microphones = scene.microphones
    if microphones == IDEAL:
        tail = _tail(room.key, room.reverberation, rate)
    else:
        tail = diffuse_tail(microphones, room.reverberation, rate)
    size = fft.next_fast_len(samples + tail.shape[1], real=True)
    high_pass = _high_pass(size, rate)
    rng = np.random.default_rng([scene.seed, 71])
    mixed = np.float32(scene.noise) * rng.standard_normal((len(channels), samples), np.float32)
    mixed[1:] *= np.float32(0.6)
    for index, sound in enumerate(scene.sounds):
        first, last = scene.span_of(sound)
        if last <= start or first >= start + seconds:
            continue
        source = dry[index] if dry is not None else dry_audio(scene, sound, rate)
        source = _in_window(source, round((first - start) * rate), samples)
        track = scene.track_of(sound)
        mean = track.at(start + np.linspace(0, seconds, 11)).mean(axis=0)
        response = _reflections(room, mean, tail, rate, microphones)[list(channels)]
        spectrum = fft.rfft(source.astype(np.float32), size) * high_pass
        if track.moves:
            gains = _moving_gains(track, samples, rate, start)[list(channels)]
            mixed += gains * fft.irfft(spectrum, size)[:samples]
        else:
            response[:, 0] += _gains(mean[None])[list(channels), 0]
        spectra = fft.rfft(response.astype(np.float32), size)
        spectra *= spectrum
        mixed += fft.irfft(spectra, size, overwrite_x=True)[:, :samples]
    return as_recorded(mixed, microphones, rate)


def _in_window(source: Array, begin: int, samples: int) -> Array:
    """Audio that starts at sample `begin` of a window, cut or padded to the window [samples]."""
    if begin == 0 and len(source) == samples:
        return source
    placed = np.zeros(samples, np.float32)
    skip = max(0, -begin)
    part = source[skip : skip + samples - max(0, begin)]
    placed[max(0, begin) : max(0, begin) + len(part)] = part
    return placed


def _moving_gains(track: Track, samples: int, rate: int, start: float = 0.0) -> NDArray[np.float32]:
    """FOA gains [4, samples] along a path, linear between every 160th sample."""
    corners = np.arange(0, samples + 160, 160)
    steps = _gains(track.at(start + corners / rate))
    at = np.arange(samples)
    return np.stack([np.interp(at, corners, step) for step in steps]).astype(np.float32)


def _gains(floor: Array) -> Array:
    """FOA gains [4, T] of the direct sound from floor positions [T, 2]."""
    distance = np.maximum(np.linalg.norm(floor, axis=1), 0.5)
    azimuth = np.rad2deg(np.arctan2(floor[:, 1], floor[:, 0]))
    return foa_gains(azimuth) * REFERENCE / distance


@lru_cache(maxsize=128)
def _tail(key: tuple[int, int], reverberation: float, rate: int) -> NDArray[np.float32]:
    """Diffuse tail [4, samples] of a room, energy 1 in W; directional channels a third of it."""
    rng = np.random.default_rng([*key, 31])
    length = round(0.8 * reverberation * rate)
    time = np.arange(length) / rate
    noise = rng.standard_normal((4, length)) * 10 ** (-3 * time / reverberation)
    noise[:, : round(0.012 * rate)] = 0
    noise[1:] *= np.sqrt(1 / 3)
    smooth = np.apply_along_axis(lambda n: np.convolve(n, [0.3, 0.4, 0.3], "same"), 1, noise)
    return (smooth / np.sqrt(np.square(smooth[0]).sum())).astype(np.float32)


def _reflections(
    room: Room, floor: Array, tail: Array, rate: int, microphones: Microphones = IDEAL
) -> Array:
    """Impulse response [4, samples] of a room without the direct sound, whose arrival is time 0."""
    late, early = (10 ** (db / 20) for db in (microphones.late_db, microphones.early_db))
    response = 0.28 * late * room.reflection * tail.astype(float)
    source = np.array([floor[0], floor[1], 0.2])
    direct = float(np.linalg.norm(source))
    bounds = (
        (-room.back, room.front),
        (-room.right, room.left),
        (-room.eye, room.height - room.eye),
    )
    for axis, pair in enumerate(bounds):
        for wall in pair:
            image = source.copy()
            image[axis] = 2 * wall - source[axis]
            distance = float(np.linalg.norm(image))
            delay = round((distance - direct) / SPEED_OF_SOUND * rate)
            if 0 <= delay < response.shape[1]:
                azimuth = np.rad2deg(np.arctan2(image[1], image[0]))
                elevation = np.rad2deg(np.arcsin(image[2] / distance))
                gain = 0.6 * early * room.reflection * REFERENCE / distance
                response[:, delay] += gain * foa_gains(azimuth, elevation)
    return response


@lru_cache(maxsize=8)
def _high_pass(size: int, rate: int) -> Array:
    """Response of a second-order Butterworth high-pass at the bins of a real FFT."""
    s = 1j * fft.rfftfreq(size, 1 / rate) / HIGH_PASS
    return (s * s / (s * s + np.sqrt(2) * s + 1)).astype(np.complex64)
