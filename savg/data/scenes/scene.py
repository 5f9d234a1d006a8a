"""A scene: everything that happens in one synthetic video, in world coordinates around the camera.

World coordinates in metres: x to the front, y to the left, z up, the camera at the origin. Directions
in degrees, azimuth positive to the left. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.data.scenes.furnished.casting import draw_figures
from savg.data.scenes.furnished.floor import is_free, path_points, places
from savg.data.scenes.furnished.index import HELD_OUT_SEED
from savg.data.scenes.microphones import IDEAL, Microphones
from savg.data.scenes.note_bank import note_bank
from savg.data.scenes.room import Room, make_room
from savg.data.scenes.voices import bank
from savg.data.scenes.world import INSTRUMENTS, Look, World
from savg.geometry import FIELD_OF_VIEW, x_to_azimuth

SPLITS = {"train": 0, "valid": 100_000_000, "test": 200_000_000}
SPLIT_SIZE = 100_000_000


@dataclass(frozen=True)
class Track:
    """The path of a person or object: floor positions x, y (m) at times (s), linear in between."""

    times: tuple[float, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]

    def at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Floor positions (x, y) in metres at `times` [T] → [T, 2]."""
        t = np.asarray(times, float)
        return np.stack(
            [np.interp(t, self.times, self.x), np.interp(t, self.times, self.y)], axis=-1
        )

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The floor positions between which the path is straight."""
        return list(zip(self.x, self.y, strict=True))

    @property
    def moves(self) -> bool:
        """Whether the position ever changes."""
        return len(set(self.x)) > 1 or len(set(self.y)) > 1


@dataclass(frozen=True)
class Person:
    """A person in the room. action: speak, play or idle; pose selects a variant of it.

    phase: of the irregular movements; turn: of the head in degrees to the viewer's right.
    """

    look: Look
    track: Track
    action: str
    instrument: str = ""
    seated: bool = False
    pose: int = 0
    phase: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Phrase:
    """A phrase of the voice bank spoken from `start` to `end` (s), `rate` times as fast and high."""

    start: float
    end: float
    index: int
    rate: float


@dataclass(frozen=True)
class Note:
    """A note: start and length in seconds, MIDI pitch (for drums 0, 1 or 2), strength 0..1.

    program: of the bank of notes; below 0 the first of the instrument.
    """

    start: float
    length: float
    pitch: int
    strength: float
    program: int = -1

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass(frozen=True)
class Event:
    """A sound event (s) of a STARSS23 class other than speech and instruments; seed: of its details."""

    start: float
    end: float
    seed: int


@dataclass(frozen=True)
class Sound:
    """One sound of a scene, of a person or of an object (person -1), with its STARSS23 class.

    Either phrases, notes or events. level: rms; span: the times (s) it is confined to and levelled
    over, the whole scene without one. track, height: position of an object, height in metres above the
    camera; for people they follow from the person, unless they are set.
    """

    person: int
    label: int
    phrases: tuple[Phrase, ...] = ()
    notes: tuple[Note, ...] = ()
    level: float = 0.08
    events: tuple[Event, ...] = ()
    span: tuple[float, float] | None = None
    track: Track | None = None
    height: float | None = None

    def __post_init__(self) -> None:
        if self.person < 0 and (self.track is None or self.height is None):
            raise ValueError("A sound without a person must have a track and a height.")

    @property
    def parts(self) -> tuple[Phrase, ...] | tuple[Note, ...] | tuple[Event, ...]:
        """The phrases, the notes or the events."""
        return self.phrases or self.notes or self.events

    def active(self, times: ArrayLike) -> NDArray[np.bool_]:
        """Whether it is active at `times` [T] → [T]."""
        t = np.asarray(times, float)
        active = np.zeros(t.shape, bool)
        for part in self.parts:
            active |= (t >= part.start) & (t < part.end)
        return active


@dataclass(frozen=True)
class Scene:
    """One synthetic scene. room: index of the world's rooms; light: factors of red, green and blue."""

    seed: int
    seconds: float
    room: int
    room_seed: int
    light: tuple[float, float, float]
    people: tuple[Person, ...]
    sounds: tuple[Sound, ...]
    noise: float = 0.001
    microphones: Microphones = IDEAL

    def azimuths(self, person: int, times: ArrayLike) -> NDArray[np.float64]:
        """Azimuth of a person in degrees at `times` [T] → [T]."""
        x, y = self.people[person].track.at(times).T
        return np.rad2deg(np.arctan2(y, x))

    def track_of(self, sound: Sound) -> Track:
        """The floor positions of a sound's source."""
        return sound.track or self.people[sound.person].track

    def height_of(self, sound: Sound) -> float:
        """Height of a sound's source (a mouth, an instrument, an object) above the camera in metres."""
        if sound.height is not None:
            return sound.height
        person = self.people[sound.person]
        share = 0.62 if person.instrument else 0.86
        eye = make_room(self.room_seed, self.room).eye
        return (share - (0.22 if person.seated else 0)) * person.look.height - eye

    def points(self, sound: Sound, times: ArrayLike) -> NDArray[np.float64]:
        """Positions of a sound's source at `times` [T], in world coordinates [T, 3]."""
        floor = self.track_of(sound).at(times)
        return np.concatenate([floor, np.full((len(floor), 1), self.height_of(sound))], axis=1)

    def span_of(self, sound: Sound) -> tuple[float, float]:
        """Start and end (s) of the time that a sound is confined to."""
        return sound.span or (0.0, self.seconds)


def split_seed(split: str, index: int) -> int:
    """The seed of scene `index` of a split (train, valid or test); splits never share a seed."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    if not 0 <= index < SPLIT_SIZE:
        raise ValueError(f"index must be in 0 … {SPLIT_SIZE - 1}, got {index}.")
    return SPLITS[split] + index


def draw_scene(seed: int, world: World, seconds: float = 5.0) -> Scene:
    """The scene of a seed: one person speaks or plays on screen at least 4 s of every 5, others idle.

    Args:
        seed: of everything drawn; the same seed, world and length always give the same scene.
        world: what people, rooms and instruments are drawn from.
        seconds: length of the scene.

    Example:
        >>> scene = draw_scene(split_seed("train", 0), World.demo())
    """
    rng = np.random.default_rng([seed, 23])
    room = world.view(int(rng.integers(world.rooms)))
    playing = bool(rng.random() < world.instrument_share)
    count = 1 + int(rng.choice(len(world.bystanders), p=world.bystanders))
    tracks = _draw_tracks(rng, world, count, seconds, playing, make_room(world.room_seed, room))
    looks = draw_looks(rng, world, len(tracks), playing)
    people = []
    for index, (look, track) in enumerate(zip(looks, tracks, strict=True)):
        action = ("play" if playing else "speak") if index == 0 else "idle"
        instrument = ""
        if action == "play":
            instrument = look.instrument if world.looks else str(rng.choice(world.instruments))
        seated = not track.moves and may_sit(world, instrument) and rng.random() < world.sit_share
        turn = float(rng.uniform(-world.turn, world.turn)) if world.heads_turn else 0.0
        people.append(
            Person(
                look,
                track,
                action,
                instrument,
                bool(seated),
                int(rng.integers(8)),
                float(rng.uniform(0, 100)),
                turn,
            )
        )
    phrases: tuple[Phrase, ...] = ()
    notes: tuple[Note, ...] = ()
    if playing:
        label, notes = 9, draw_notes(rng, people[0].instrument, seconds, world.held_out)
    else:
        voice = people[0].look.voice
        label = 0 if bank().female[voice] else 1
        phrases = _draw_phrases(rng, voice, seconds)
    level = float(rng.uniform(0.055, 0.095))
    brightness = rng.uniform(0.92, 1.06)
    warmth = rng.uniform(-0.03, 0.03)
    light = (brightness * (1 + warmth), brightness, brightness * (1 - warmth))
    sound = Sound(0, label, phrases, notes, level)
    noise = float(rng.uniform(0.0005, 0.0015))
    microphones = draw_microphones(seed, world)
    return Scene(
        seed,
        float(seconds),
        room,
        world.room_seed,
        light,
        tuple(people),
        (sound,),
        noise,
        microphones,
    )


def draw_microphones(seed: int, world: World) -> Microphones:
    """The microphones of a scene's seed: ideal, or drawn for the world's share of real ones."""
    rng = np.random.default_rng([seed, 97])
    return Microphones.draw(rng) if rng.random() < world.real_microphones else IDEAL


def draw_looks(rng: np.random.Generator, world: World, count: int, playing: bool) -> list[Look]:
    """Looks of up to `count` people, each of the world's fixed people at most once.

    playing: whether the first must play one of the world's instruments.
    """
    if world.is_furnished:
        held_out = world.room_seed == HELD_OUT_SEED
        figures = draw_figures(rng, held_out, count, world.figures, world.recolours)
        return [
            replace(
                _random_look(rng, world, figure.female),
                figure=figure.name,
                variant=variant,
                height=figure.height,
            )
            for figure, variant in figures
        ]
    if not world.looks:
        return [_random_look(rng, world) for _ in range(count)]
    first = [
        i for i, k in enumerate(world.looks) if not playing or k.instrument in world.instruments
    ]
    chosen = [int(rng.choice(first))]
    rest = [i for i in range(len(world.looks)) if i not in chosen]
    while len(chosen) < count and rest:
        chosen.append(rest.pop(int(rng.integers(len(rest)))))
    looks = [world.looks[i] for i in chosen]
    return [_with_held_out_voice(look) for look in looks] if world.held_out else looks


def _with_held_out_voice(look: Look) -> Look:
    """A fixed person with a voice of the same sex that is never trained on."""
    voices = bank().of(bool(bank().female[look.voice]), held_out=True)
    return replace(look, voice=int(voices[look.voice % len(voices)]))


def may_sit(world: World, instrument: str) -> bool:
    """Whether somebody with this instrument, or none, may sit."""
    return not instrument if world.is_furnished else instrument != "violin"


def _random_look(rng: np.random.Generator, world: World, female: bool | None = None) -> Look:
    female = bool(rng.random() < 0.5) if female is None else female
    voices = bank().of(female, world.held_out)
    skins = ((244, 206, 178), (232, 186, 152), (204, 152, 112), (160, 110, 78), (112, 74, 54))
    hairs = (
        (30, 24, 22),
        (70, 44, 28),
        (130, 84, 44),
        (206, 166, 96),
        (150, 60, 30),
        (150, 150, 150),
    )
    styles = ("long", "long", "bun", "short", "cap") if female else ("short",) * 4 + ("bald", "cap")

    def colour(low: int, high: int) -> tuple[int, int, int]:
        r, g, b = (int(v) for v in rng.integers(low, high, 3))
        return r, g, b

    return Look(
        skin=skins[rng.integers(len(skins))],
        hair=hairs[rng.integers(len(hairs))],
        hair_style=str(rng.choice(styles)),
        top=colour(20, 245),
        legs=colour(25, 150),
        shoes=colour(20, 110),
        long_sleeves=bool(rng.random() < 0.6),
        skirt=bool(female and rng.random() < 0.4),
        height=float(rng.uniform(1.58, 1.76) if female else rng.uniform(1.66, 1.9)),
        breadth=float(rng.uniform(0.88, 1.0) if female else rng.uniform(0.98, 1.18)),
        voice=int(rng.choice(voices)),
        instrument=str(rng.choice(world.instruments)),
    )


def _draw_tracks(
    rng: np.random.Generator, world: World, count: int, seconds: float, playing: bool, room: Room
) -> list[Track]:
    """One path per person, the active one first; bystanders for whom no place is free are left out."""
    tracks: list[Track] = []
    occupied: list[tuple[float, float]] = []
    for index in range(count):
        can_walk = not (playing and index == 0)
        walker = world.walkers_first and can_walk and rng.random() < world.walk_share
        for attempt in range(60 if world.is_furnished else 20):
            if world.walkers_first:
                walks = walker and attempt < 45
            else:
                walks = can_walk and rng.random() < world.walk_share
            offsets = np.sort(rng.uniform(-world.reach, world.reach, 2))
            if walks and offsets[1] - offsets[0] < world.walk_least:
                continue
            if walks:
                offsets = offsets if rng.random() < 0.5 else offsets[::-1]
            else:
                offsets[:] = rng.uniform(-world.reach, world.reach)
            low, high = float(offsets.min()), float(offsets.max())
            gap = world.separation
            if all(high + gap < a or low - gap > b for a, b in occupied):
                path = _path(rng, offsets, world.depths, seconds, walks)
                if world.is_furnished and not is_free(room, path_points(path.corners)):
                    continue
                occupied.append((low, high))
                tracks.append(path)
                break
        if not tracks:
            slope = world.reach * float(np.tan(np.deg2rad(FIELD_OF_VIEW / 2)))
            x, y = rng.choice(places(room, world.depths, slope))
            tracks.append(Track((0.0,), (float(x),), (float(y),)))
            share = -float(y / x) / float(np.tan(np.deg2rad(FIELD_OF_VIEW / 2)))
            occupied.append((share, share))
    return tracks


def _path(
    rng: np.random.Generator,
    offsets: NDArray[np.float64],
    depths: tuple[float, float],
    seconds: float,
    walks: bool,
) -> Track:
    """The path with positions `offsets` in the frame, as shares of half its width, right positive."""
    x = np.full(2, rng.uniform(*depths))
    if walks:
        x[1] = np.clip(x[0] + rng.uniform(-0.6, 0.6), *depths)
    azimuths = np.deg2rad(x_to_azimuth(1.0 + offsets, width=2.0))
    y = x * np.tan(azimuths)
    if not walks:
        return Track((0.0,), (float(x[0]),), (float(y[0]),))
    length = float(np.hypot(x[1] - x[0], y[1] - y[0]))
    begin = float(rng.uniform(0, 0.25) * seconds)
    end = min(seconds, begin + max(length / rng.uniform(0.5, 1.0), 0.5))
    end = max(end, begin + length / 1.3)
    return Track((begin, end), (float(x[0]), float(x[1])), (float(y[0]), float(y[1])))


def _draw_phrases(rng: np.random.Generator, voice: int, seconds: float) -> tuple[Phrase, ...]:
    """Phrases with short pauses; together they cover at least 84 % of the time."""
    order = rng.permutation(bank().phrases_of(voice))
    silence = 0.16 * seconds
    time = float(rng.uniform(0, 0.25 * silence))
    silence -= time
    rate = float(rng.uniform(0.94, 1.08))
    phrases: list[Phrase] = []
    while time < seconds:
        index = int(order[len(phrases) % len(order)])
        length = bank().length(index) / rate
        phrases.append(Phrase(time, time + length, index, rate))
        pause = float(min(rng.uniform(0.08, 0.35), max(silence - 0.02, 0.0)))
        silence -= pause
        time += length + pause
    return tuple(phrases)


SCALE = (0, 2, 4, 7, 9)
CHORDS = (0.1, 0.3, 0.8)
"""Shares of a melody's notes that become chords on a guitar or keyboard; one is drawn."""
RANGES = {"guitar": (43, 64), "violin": (57, 79), "keyboard": (55, 79), "drum": (0, 3)}


@lru_cache(maxsize=64)
def _pitches(instrument: str, key: int) -> tuple[int, ...]:
    low, high = RANGES[instrument]
    return tuple(p for p in range(low, high) if (p - key) % 12 in SCALE)


def draw_notes(
    rng: np.random.Generator, instrument: str, seconds: float, held_out: bool = False
) -> tuple[Note, ...]:
    """A melody (a rhythm for drums) of `seconds` by one program of the instrument.

    held_out: by a program that is never trained on. ValueError for an unknown instrument.
    """
    if instrument not in INSTRUMENTS:
        raise ValueError(f"instrument must be one of {INSTRUMENTS}, got {instrument!r}.")
    program = int(rng.choice(note_bank().of(instrument, held_out)))
    beat = float(rng.choice((0.24, 0.28, 0.32, 0.36)))
    lengths = {"violin": (1, 2, 2, 3, 4), "drum": (1, 1, 1, 2)}.get(instrument, (1, 1, 2, 2, 3))
    key = int(rng.choice((0, 2, 5, 7)))
    pitches = tuple(range(3)) if instrument == "drum" else _pitches(instrument, key)
    place = int(rng.integers(len(pitches)))
    time, rest_left = float(rng.uniform(0, 0.2)), 0.4
    chords = float(rng.choice(CHORDS))
    notes: list[Note] = []
    draw: Callable[[int, int], int] = lambda a, b: int(rng.integers(a, b))  # noqa: E731
    while time < seconds:
        length = beat * lengths[draw(0, len(lengths))]
        if instrument == "drum":
            place = draw(0, 3)
        else:
            place = int(np.clip(place + draw(-2, 3), 0, len(pitches) - 1))
        strength = float(rng.uniform(0.6, 1.0))
        notes.append(Note(time, length, pitches[place], strength, program))
        if instrument in ("guitar", "keyboard") and rng.random() < chords:
            for step in (2, 4, -3)[: draw(1, 4)]:
                other = pitches[int(np.clip(place + step, 0, len(pitches) - 1))]
                notes.append(Note(time, length, other, 0.7 * strength, program))
        time += length
        if rest_left > 0 and rng.random() < 0.08:
            time += 0.3
            rest_left -= 0.3
    return tuple(notes)
