"""Takes for tests: labels as the construction reads them, and takes of one person."""

from __future__ import annotations

import numpy as np

from savg.data.scenes import World
from savg.data.scenes.recording import draw_recording
from savg.data.scenes.scene import Note, Person, Phrase, Scene, Sound, Track
from savg.data.scenes.voices import bank
from savg.data.scenes.world import DEMO_LOOKS
from savg.data.starss.labels import RecordingLabels
from savg.data.starss.synth import label_rows


def labels_of_take(scene: Scene) -> RecordingLabels:
    """The labels of a take as if read from its file."""
    return RecordingLabels(*np.array(label_rows(scene), int).reshape(-1, 6).T)


def one_person(
    azimuth: float, seconds: float = 10.0, distance: float = 1.6, instrument: str = ""
) -> Scene:
    """A take of one person with a blue top at an azimuth (°) who speaks, or plays, all the time."""
    a = np.deg2rad(azimuth)
    look, voice = DEMO_LOOKS[1], 1
    track = Track((0.0,), (float(distance * np.cos(a)),), (float(distance * np.sin(a)),))
    span = (0.0, seconds)
    if instrument:
        beats = np.arange(0.0, seconds - 0.4, 0.4)
        notes = tuple(Note(float(t), 0.4, 60 + i % 5, 0.9) for i, t in enumerate(beats))
        sound = Sound(0, 9, notes=notes, level=0.04, span=span)
    else:
        own_phrases = np.flatnonzero(bank().voices == voice)
        phrases, time = [], 0.0
        while time < seconds - 0.5:
            index = int(own_phrases[len(phrases) % len(own_phrases)])
            end = min(seconds, time + bank().length(index))
            phrases.append(Phrase(time, end, index, 1.0))
            time = end + 0.1
        sound = Sound(0, 1, phrases=tuple(phrases), level=0.04, span=span)
    action = "play" if instrument else "speak"
    person = Person(look, track, action, instrument, pose=2)
    recording = draw_recording(3, World.varied(), 12.0)
    return Scene(
        7, seconds, recording.room, recording.room_seed, (1.0, 1.0, 1.0), (person,), (sound,), 0.001
    )
