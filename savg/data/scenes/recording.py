"""360° takes: people all around the camera who stand, walk, speak and play, and other sounds.

A take is a series of acts. In clean acts one source at a time is active, as the curation requires; in
the mixed ones sources overlap, so that the curation drops most of a take, as it does with real
recordings (about 0.2 clips for each second of STARSS23).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from savg.data.scenes import events as kinds
from savg.data.scenes.furnished.floor import is_free, path_points
from savg.data.scenes.room import Room, make_room
from savg.data.scenes.scene import (
    Event,
    Person,
    Phrase,
    Scene,
    Sound,
    Track,
    draw_looks,
    draw_microphones,
    draw_notes,
    may_sit,
)
from savg.data.scenes.voices import bank
from savg.data.scenes.world import World

PEOPLE = (2, 3, 4, 5)
PEOPLE_SHARE = (0.2, 0.4, 0.3, 0.1)
APART = 28.0
"""Least angle in degrees between the places of two people."""
WALL_GAP, FRONT_GAP = 0.5, 1.0
"""Metres between people and the walls; there is furniture along the front one."""
NEAREST, PASSING = 1.25, 0.7
"""Least distance of people from the camera, and from each other on a walk, in metres."""
WALKS_A_MINUTE = 2.0
MUSIC_SHARE = 0.55
"""Probability that a minute of a take with a player has a clean act of music."""
AUDIENCE_SHARE = 0.4
"""Probability that somebody who neither speaks nor plays may laugh and clap."""
LOUD_SHARE, LOUD = 0.05, 2.6
"""Share of sounds that are louder by the factor LOUD, so that clips of them clip."""

_OBJECTS = (
    kinds.TELEPHONE,
    kinds.DOMESTIC,
    kinds.DOOR,
    kinds.MUSIC,
    kinds.WATER,
    kinds.BELL,
    kinds.KNOCK,
)
_HEIGHTS = {kinds.DOOR: -0.2, kinds.KNOCK: 0.0, kinds.MUSIC: 0.2, kinds.FOOTSTEPS: -1.0}

Act = tuple[str, float, float]
"""Kind (speech, music or mixed), start and end in seconds."""


def draw_recording(seed: int, world: World, seconds: float = 60.0) -> Scene:
    """The 360° take of a seed; the same seed, world and length give the same take.

    Args:
        seed: of everything drawn.
        world: what people, rooms and instruments are drawn from.
        seconds: length of the take.

    Raises:
        ValueError: for a length that is not positive.
    """
    if seconds <= 0:
        raise ValueError(f"seconds must be > 0, got {seconds:g}.")
    rng = np.random.default_rng([seed, 67])
    index = world.view(int(rng.integers(world.rooms)))
    room = make_room(world.room_seed, index)
    people = _draw_people(rng, world, room, seconds)
    acts = _draw_acts(rng, seconds, any(p.action == "play" for p in people))
    director = _Director(rng, room, people, seconds, world.held_out)
    for kind, begin, end in acts:
        getattr(director, kind)(begin, end)
    director.footsteps([act for act in acts if act[0] != "mixed"])
    brightness, warmth = rng.uniform(0.92, 1.06), rng.uniform(-0.03, 0.03)
    light = (brightness * (1 + warmth), brightness, brightness * (1 - warmth))
    noise = float(rng.uniform(0.001, 0.0025))
    sounds = tuple(sorted(director.sounds, key=lambda sound: sound.span or (0.0, 0.0)))
    return Scene(
        seed,
        float(seconds),
        index,
        world.room_seed,
        light,
        tuple(people),
        sounds,
        noise,
        draw_microphones(seed, world),
    )


def _draw_people(
    rng: np.random.Generator, world: World, room: Room, seconds: float
) -> list[Person]:
    """At least one person who speaks, often one who plays; the others speak, play or are silent."""
    count = int(rng.choice(PEOPLE, p=PEOPLE_SHARE))
    looks = draw_looks(rng, world, count, playing=False)
    places: list[tuple[float, float]] = []
    people: list[Person] = []
    for number, look in enumerate(looks):
        place = _draw_place(rng, world, room, places)
        if place is None:
            continue
        places.append(place)
        share = ((1.0, 0.0), (0.2, 0.75))[number] if number < 2 else (0.5, 0.12)
        speak, play = share
        action = str(rng.choice(["speak", "play", "idle"], p=[speak, play, 1 - speak - play]))
        instrument = ""
        if action == "play":
            own_instrument = look.instrument in world.instruments and bool(world.looks)
            instrument = look.instrument if own_instrument else str(rng.choice(world.instruments))
        seated = bool(may_sit(world, instrument) and rng.random() < world.sit_share)
        turn = float(rng.uniform(-world.turn, world.turn)) if world.heads_turn else 0.0
        pose, phase = int(rng.integers(8)), float(rng.uniform(0, 100))
        track = Track((0.0,), (place[0],), (place[1],))
        people.append(Person(look, track, action, instrument, seated, pose, phase, turn))
    for number, person in enumerate(people):
        if not person.instrument and not person.seated and rng.random() < 2 * world.walk_share:
            track = _draw_walks(rng, world, room, places, number, seconds)
            people[number] = replace(person, track=track)
    return people


def _distance_to_wall(room: Room, azimuth: float, gap: float, front: float) -> float:
    """Distance in metres from the camera in a direction (radians) that stays `gap` from the walls."""
    x, y = np.cos(azimuth), np.sin(azimuth)
    along = (room.front - front) / x if x > 1e-9 else (room.back - gap) / max(-x, 1e-9)
    across = (room.left - gap) / y if y > 1e-9 else (room.right - gap) / max(-y, 1e-9)
    return float(min(along, across))


def _draw_place(
    rng: np.random.Generator, world: World, room: Room, occupied: list[tuple[float, float]]
) -> tuple[float, float] | None:
    """A free place on the floor, anywhere around the camera; None if many draws find none."""
    for _ in range(120 if world.is_furnished else 40):
        azimuth = float(rng.uniform(-np.pi, np.pi))
        far = _distance_to_wall(room, azimuth, WALL_GAP, FRONT_GAP)
        distance = max(NEAREST, min(float(rng.uniform(*world.depths)), far))
        others = np.array([np.arctan2(y, x) for x, y in occupied])
        if distance > far + 0.1:
            continue
        if (np.cos(others - azimuth) < np.cos(np.deg2rad(APART))).all():
            place = float(distance * np.cos(azimuth)), float(distance * np.sin(azimuth))
            if not world.is_furnished or is_free(room, place):
                return place
    return None


def _draw_walks(
    rng: np.random.Generator,
    world: World,
    room: Room,
    places: list[tuple[float, float]],
    number: int,
    seconds: float,
) -> Track:
    """A path of straight walks to free places at random times, none too near to other people."""
    here = np.array(places[number])
    others = [np.array(place) for i, place in enumerate(places) if i != number]
    corners = [(0.0, here)]
    walks = max(1, int(rng.poisson(WALKS_A_MINUTE * seconds / 60)))
    for time in np.sort(rng.uniform(0, seconds, walks)):
        start = max(float(time), corners[-1][0])
        for _ in range(12):
            place = _draw_place(rng, world, room, [])
            if place is None:
                continue
            goal = np.array(place)
            end = start + float(np.linalg.norm(goal - here)) / float(rng.uniform(0.6, 1.0))
            clear = _clearance(here, goal, np.zeros(2)) > NEAREST - 0.25
            clear &= all(_clearance(here, goal, other) > PASSING for other in others)
            if world.is_furnished:
                way = [(float(p[0]), float(p[1])) for p in (here, goal)]
                clear &= is_free(room, path_points(way))
            if clear and end > start + 0.5 and end < seconds:
                corners += [(start, here), (end, goal)]
                here = goal
                break
    times, floor = zip(*corners, strict=True)
    return Track(times, tuple(float(p[0]) for p in floor), tuple(float(p[1]) for p in floor))


def _clearance(a: np.ndarray, b: np.ndarray, point: np.ndarray) -> float:
    """Distance of a point from the line between a and b."""
    line = b - a
    share = np.clip((point - a) @ line / max(float(line @ line), 1e-9), 0, 1)
    return float(np.linalg.norm(a + share * line - point))


def _draw_acts(rng: np.random.Generator, seconds: float, music: bool) -> list[Act]:
    """Clean acts with mixed ones between them, together as long as the take."""
    minutes = max(1, round(seconds / 60))
    clean = [("speech", float(rng.uniform(5.5, 6.5))) for _ in range(minutes)]
    if music and seconds > 16:
        count = int((rng.random(minutes) < MUSIC_SHARE).sum())
        clean += [("music", float(rng.uniform(5.4, 6.0))) for _ in range(count)]
    rng.shuffle(clean)
    rest = seconds - sum(length for _, length in clean)
    if rest <= 2.0:
        return [("speech", 0.0, seconds)]
    shares = rng.dirichlet(np.full(len(clean) + 1, 3.0)) * rest
    acts: list[Act] = []
    time = 0.0
    for share, act in zip(shares, [*clean, None], strict=True):
        end = time + float(share) if act is not None else seconds
        acts.append(("mixed", time, end))
        time = end
        if act is not None:
            acts.append((act[0], time, time + act[1]))
            time += act[1]
    return acts


class _Director:
    """Draws the sounds of the people and objects of one take, act by act."""

    def __init__(
        self,
        rng: np.random.Generator,
        room: Room,
        people: list[Person],
        seconds: float,
        held_out: bool = False,
    ) -> None:
        self.rng, self.room, self.people, self.seconds = rng, room, people, seconds
        self.held_out = held_out
        self.speakers = [i for i, p in enumerate(people) if p.action == "speak"]
        self.players = [i for i, p in enumerate(people) if p.action == "play"]
        idle = [i for i, p in enumerate(people) if p.action == "idle"]
        self.audience = [i for i in idle if rng.random() < AUDIENCE_SHARE]
        self.sounds: list[Sound] = []

    def speech(self, begin: float, end: float) -> None:
        """One person speaks, or two in turn."""
        begin, end = begin + 0.15, end - 0.15
        if len(self.speakers) > 1 and self.rng.random() < 0.5:
            first, second = self.rng.permutation(self.speakers)[:2]
            middle = begin + float(self.rng.uniform(0.35, 0.65)) * (end - begin)
            self._talk(int(first), begin, middle)
            self._talk(int(second), middle + 0.2, end)
        else:
            self._talk(int(self.rng.choice(self.speakers)), begin, end)

    def music(self, begin: float, end: float) -> None:
        """One person plays."""
        self._perform(int(self.rng.choice(self.players)), begin + 0.1, end - 0.1)

    def mixed(self, begin: float, end: float) -> None:
        """Talk or music, overlapped after short gaps by somebody or something else."""
        time = begin
        person = -1
        while time < end - 0.8:
            last = min(end, time + float(self.rng.uniform(2.5, 6.0)))
            roles = [i for i in (*self.speakers, *self.players, -1) if i != person or i < 0]
            person = int(self.rng.choice(roles))
            self._turn(person, time, last)
            self._layer(person, time, last)
            time = last + float(self.rng.uniform(0.0, 0.3))

    def _layer(self, person: int, begin: float, end: float) -> None:
        time = begin + float(self.rng.uniform(0.0, 0.2))
        while time < end - 0.4:
            last = min(end, time + float(self.rng.uniform(1.0, 3.5)))
            others = [i for i in (*self.speakers, *self.players) if i != person]
            if others and person >= 0 and self.rng.random() < 0.65:
                self._turn(int(self.rng.choice(others)), time, last)
            else:
                self._other_event(person, time, last)
            time = last + float(self.rng.uniform(0.1, 0.8))

    def _turn(self, person: int, begin: float, end: float) -> None:
        if person in self.players:
            self._perform(person, begin, end)
        elif person >= 0:
            self._talk(person, begin, end)

    def _level(self) -> float:
        level = 0.046 * float(np.exp(self.rng.normal(0, 0.25)))
        return level * (LOUD if self.rng.random() < LOUD_SHARE else 1.0)

    def _talk(self, person: int, begin: float, end: float) -> None:
        """Phrases one after the other, the last one cut at the end of the turn."""
        voice = self.people[person].look.voice
        own_phrases = self.rng.permutation(bank().phrases_of(voice))
        rate, time = float(self.rng.uniform(0.94, 1.08)), begin
        phrases: list[Phrase] = []
        while time < end - 0.4:
            index = int(own_phrases[len(phrases) % len(own_phrases)])
            last = min(end, time + bank().length(index) / rate)
            phrases.append(Phrase(time, last, index, rate))
            time = last + float(self.rng.uniform(0.08, 0.3))
        if phrases:
            label = 0 if bank().female[voice] else 1
            self._add(Sound(person, label, tuple(phrases), span=(begin, end)))

    def _perform(self, person: int, begin: float, end: float) -> None:
        instrument = self.people[person].instrument
        melody = draw_notes(self.rng, instrument, end - begin, self.held_out)
        notes = tuple(
            replace(n, start=n.start + begin, length=min(n.length, end - begin - n.start))
            for n in melody
            if n.start < end - begin - 0.15
        )
        if notes:
            self._add(Sound(person, 9, notes=notes, span=(begin, end)))

    def _other_event(self, busy: int, begin: float, end: float) -> None:
        """A sound event of another class: of an object, or of somebody who claps or laughs."""
        event = (Event(begin, end, int(self.rng.integers(2**31))),)
        free = [i for i in (*self.speakers, *self.audience) if i != busy]
        if free and self.rng.random() < 0.3:
            label = kinds.CLAPPING if self.rng.random() < 0.4 else kinds.LAUGHTER
            person = int(self.rng.choice(free))
            self._add(Sound(person, label, events=event, span=(begin, end)))
            return
        label = int(self.rng.choice(_OBJECTS))
        azimuth = float(self.rng.uniform(-np.pi, np.pi))
        gap = 0.1 if label in (kinds.DOOR, kinds.KNOCK) else 0.4
        distance = _distance_to_wall(self.room, azimuth, gap, gap)
        x, y = distance * np.cos(azimuth), distance * np.sin(azimuth)
        height = _HEIGHTS.get(label, -0.4)
        track = Track((begin,), (float(x),), (float(y),))
        self._add(Sound(-1, label, events=event, span=(begin, end), track=track, height=height))

    def footsteps(self, quiet: list[Act]) -> None:
        """Footsteps of the people who walk, except in the acts `quiet`."""
        floor = -self.room.eye + 0.05
        for index, person in enumerate(self.people):
            track = person.track
            corners = zip(track.times, track.times[1:], np.diff(track.x), strict=False)
            for begin, end, step in corners:
                apart = all(end < a or begin > b for _, a, b in quiet)
                if step and apart and self.rng.random() < 0.6:
                    event = (Event(begin, end, int(self.rng.integers(2**31))),)
                    span = (float(begin), float(end))
                    self._add(
                        Sound(index, kinds.FOOTSTEPS, events=event, span=span, height=floor), 0.4
                    )

    def _add(self, sound: Sound, share: float = 1.0) -> None:
        self.sounds.append(replace(sound, level=share * self._level()))
