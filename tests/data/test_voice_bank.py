"""The bundled voices and notes: what is held out, levels, pitches by an estimate of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from savg.data.scenes import World, draw_scene, recorded, split_seed
from savg.data.scenes.instruments import play, tone_of
from savg.data.scenes.note_bank import SHA256 as NOTES_SHA256
from savg.data.scenes.note_bank import note_bank
from savg.data.scenes.scene import Note, draw_notes
from savg.data.scenes.voices import BANK_RATE, SHA256, bank
from savg.errors import SavgError
from savg.train.sources import Synthetic

KINDS = ("guitar", "violin", "keyboard", "drum", "xylophone")


def fundamental(audio: np.ndarray, rate: int = BANK_RATE) -> float:
    """Median pitch in Hz of the voiced 40 ms frames of audio (normalised autocorrelation)."""
    length, hop = round(0.04 * rate), round(0.02 * rate)
    low, high = rate // 450, rate // 65
    pitches = []
    for begin in range(0, len(audio) - length - high, hop):
        frame, later = audio[begin : begin + length], audio[begin : begin + length + high]
        energy = np.convolve(np.square(later), np.ones(length), "valid")
        match = np.correlate(later, frame, "valid") / np.sqrt(energy * energy[0] + 1e-9)
        best = low + int(np.argmax(match[low:]))
        strong = np.flatnonzero(match[low:best] > 0.9 * match[best])
        if match[best] > 0.7 and frame.std() > 0.03:
            pitches.append(rate / (low + strong[0] if len(strong) else best))
    return float(np.median(pitches))


def test_phrases_are_decoded_to_their_length_and_level() -> None:
    for index in range(0, len(bank().lengths), 7):
        phrase = bank().phrase(index)
        assert phrase.dtype == np.float32 and len(phrase) == bank().lengths[index]
        assert bank().length(index) == len(phrase) / BANK_RATE and 1.0 < bank().length(index) < 6.5
        assert np.sqrt(np.mean(np.square(phrase))) == pytest.approx(0.1, rel=0.06)
        assert np.abs(phrase).max() < 1.0
        assert np.array_equal(
            phrase, recorded.decoded(bank().streams, bank().offsets, index)[: len(phrase)]
        )


def test_no_prompt_is_said_by_two_voices_and_held_out_voices_have_their_own() -> None:
    assert len(set(bank().origins.tolist())) == len(bank().origins)
    held = bank().held_out[bank().voices]
    assert {*bank().origins[held]}.isdisjoint(bank().origins[~held])
    for female in (True, False):
        trained, others = bank().of(female), bank().of(female, held_out=True)
        assert len(trained) == 6 and len(others) == 3 and not set(trained) & set(others)
        assert all(len(bank().phrases_of(voice)) >= 3 for voice in (*trained, *others))
    speakers = {name.split("/")[0] for name in bank().origins[~held]}
    assert speakers == {"it", "ru"} and {"kal", "slt"} < {n.split("/")[0] for n in bank().origins}


def test_women_speak_higher_than_men() -> None:
    pitch = {}
    for voice in range(len(bank().names)):
        pitch[voice] = np.median(
            [fundamental(bank().phrase(i)) for i in bank().phrases_of(voice)[:2]]
        )
    women = [pitch[v] for v in pitch if bank().female[v]]
    men = [pitch[v] for v in pitch if not bank().female[v]]
    assert min(women) > 150 and max(women) < 330 and min(men) > 70 and max(men) < 210
    assert np.median(women) > 1.4 * np.median(men)


def cents_off(tone: np.ndarray, pitch: int, rate: int) -> float:
    """Cents between a note and equal temperament: the lag at which it repeats after many periods."""
    period = rate / (440.0 * 2 ** ((pitch - 69) / 12))
    part = tone[round(0.15 * rate) : round(0.75 * rate)].astype(float)
    many = 2 * max(1, round(0.025 * rate / period))  # organs sound an octave below as well
    lags = np.arange(int(many * period * 0.975), int(many * period * 1.025) + 2)

    def similarity(lag: int) -> float:
        early, late = part[:-lag], part[lag:]
        return float(early @ late / np.sqrt((early @ early) * (late @ late)))

    match = np.array([similarity(int(lag)) for lag in lags])
    best = int(np.clip(match.argmax(), 1, len(lags) - 2))
    a, b, c = match[best - 1 : best + 2]
    exact = lags[best] + 0.5 * (a - c) / (a - 2 * b + c)
    return float(-1200 * np.log2(exact / (many * period)))


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_every_program_is_in_tune(rate: int) -> None:
    for program, kind in enumerate(note_bank().kinds):
        if kind == "drum":
            continue
        errors = [
            cents_off(tone_of(str(kind), pitch, rate, program), pitch, rate)
            for pitch in (58, 60, 62, 63)
        ]
        # A bowed string's vibrato is ± 20 cents by itself.
        most = 25 if kind == "violin" else 12
        assert np.abs(np.median(errors)) < most / 2 and np.abs(errors).max() < most, (
            note_bank().names[program],
            errors,
        )


def test_notes_of_other_pitches_are_the_nearest_one_resampled() -> None:
    program = int(note_bank().of("guitar")[0])
    assert note_bank().note(program, 44)[1] == 43 and note_bank().note(program, 45)[1] == 46
    tone = tone_of("guitar", 45, 16_000, program)
    assert np.abs(tone).max() == 1 and np.isfinite(tone).all()
    tone[:] = 0
    assert np.abs(tone_of("guitar", 45, 16_000, program)).max() == 1


def test_held_out_programs_are_drawn_only_where_they_are_wanted() -> None:
    for kind in KINDS:
        trained, held = (set(note_bank().of(kind, h).tolist()) for h in (False, True))
        assert trained and held and not trained & held
        if kind == "xylophone":
            continue
        for held_out, programs in ((False, trained), (True, held)):
            seen = {
                note.program
                for seed in range(30)
                for note in draw_notes(np.random.default_rng(seed), kind, 3.0, held_out)
            }
            assert seen == programs
    with pytest.raises(ValueError, match="instrument must be one of guitar, violin"):
        note_bank().of("harp")


@pytest.mark.parametrize("name", ["demo", "solo", "stage", "stroll", "varied"])
@pytest.mark.parametrize("held_out", [False, True])
def test_a_world_draws_voices_and_programs_of_its_part(held_out: bool, name: str) -> None:
    world = Synthetic((name,), (1,), held_out=held_out).world(name)
    for index in range(40):
        scene = draw_scene(split_seed("valid", index), world)
        (sound,) = scene.sounds
        for person in scene.people:
            assert bank().held_out[person.look.voice] == held_out
        for phrase in sound.phrases:
            assert bank().held_out[bank().voices[phrase.index]] == held_out
        for note in sound.notes:
            assert note_bank().held_out[note.program] == held_out
    assert World.named(name) == Synthetic((name,), (1,)).world(name)


def test_playing_keeps_time_and_level() -> None:
    notes = (Note(0.25, 0.2, 60, 1.0), Note(1.0, 0.5, 64, 0.5))
    for kind in KINDS:
        audio = play(
            kind,
            tuple(n if kind != "drum" else Note(n.start, n.length, 1, 1.0) for n in notes),
            16_000,
            32_000,
        )
        assert np.sqrt(np.mean(np.square(audio))) == pytest.approx(0.1, rel=1e-3)
        assert not audio[:4000].any() and audio[4000:4400].any()
        assert np.abs(audio[4000:8000]).max() > 4 * np.abs(audio[15_000:15_990]).max()


@pytest.mark.parametrize(("name", "sha256"), [("bank.npz", SHA256), ("notes.npz", NOTES_SHA256)])
def test_a_missing_or_altered_file_is_one_sentence_with_its_hash(
    name: str, sha256: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = recorded.assets_dir() / "voices" / name
    monkeypatch.setattr(recorded, "assets_dir", lambda: tmp_path)
    target = tmp_path / "voices" / name
    with pytest.raises(SavgError) as missing:
        recorded.bundled_bank(name, sha256)
    assert str(missing.value) == f"{target} is missing: it must be the file with SHA-256 {sha256}."
    target.parent.mkdir()
    shutil.copy(source, target)
    assert recorded.bundled_bank(name, sha256)["streams"].dtype == np.uint8
    data = bytearray(target.read_bytes())
    data[5000] ^= 1
    target.write_bytes(data)
    with pytest.raises(SavgError, match=f"SHA-256 must be {sha256}, got [0-9a-f]{{64}}\\.$"):
        recorded.bundled_bank(name, sha256)
