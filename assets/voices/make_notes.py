"""Makes notes.npz: single notes of sampled instruments for the synthetic scenes.

    python assets/voices/make_notes.py FluidR3_GM.sf2   (needs tinysoundfont, numpy, scipy, soundfile)

The sound font is in the Debian package fluid-soundfont-gm (3.1). Each program's notes follow one
another in one Opus stream at 16 kHz, each tuned to equal temperament, with peak 0.9: `streams`
uint8 [bytes of all programs, each an Ogg Opus file], `offsets` int64 [programs + 1] in bytes; for each
program `names` unicode, `kinds` unicode, `held_out` bool, `seconds` float64 (of a note);
`pitches` int64 and `owners` int64 [notes]: MIDI pitch (of a drum 0, 1 or 2) and program, in the order
of the notes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from opus import encoded
from scipy.signal import resample_poly

from savg.arrays import write_arrays
from savg.paths import file_sha256

RATE, RENDERED = 16_000, 48_000
COMPRESSION = 0.925
"""soundfile's compression level of Opus; about 25 kbit/s."""
DRUMS = 128
HITS = (36, 45, 38)
"""Keys of the low drum, the mid drum and the snare."""
RESTART = 0.02
"""Seconds of silence after each note."""


class Program(NamedTuple):
    """bank and preset of the sound font; keys: MIDI pitches; seconds: of a note."""

    name: str
    kind: str
    bank: int
    preset: int
    keys: range
    seconds: float
    held_out: bool = False


GUITAR, VIOLIN, KEYS = range(43, 66, 3), range(57, 80, 3), range(55, 80, 4)
BARS = range(60, 85, 4)
PROGRAMS = (
    Program("nylon guitar", "guitar", 0, 24, GUITAR, 1.6),
    Program("steel guitar", "guitar", 0, 25, GUITAR, 1.6),
    Program("clean guitar", "guitar", 0, 27, GUITAR, 1.4),
    Program("jazz guitar", "guitar", 0, 26, GUITAR, 1.4, True),
    Program("violin", "violin", 0, 40, VIOLIN, 1.5),
    Program("cello", "violin", 0, 42, VIOLIN, 1.5),
    Program("viola", "violin", 0, 41, VIOLIN, 1.5, True),
    Program("grand piano", "keyboard", 0, 0, KEYS, 1.5),
    Program("honky-tonk piano", "keyboard", 0, 3, KEYS, 1.4),
    Program("stage piano", "keyboard", 0, 4, KEYS, 1.4),
    Program("organ", "keyboard", 0, 16, KEYS, 1.2),
    Program("digital piano", "keyboard", 0, 5, KEYS, 1.4, True),
    Program("harpsichord", "keyboard", 0, 6, KEYS, 1.2, True),
    Program("standard drums", "drum", DRUMS, 0, range(3), 0.8),
    Program("room drums", "drum", DRUMS, 8, range(3), 0.8),
    Program("electronic drums", "drum", DRUMS, 24, range(3), 0.8),
    Program("brushed drums", "drum", DRUMS, 40, range(3), 0.8),
    Program("power drums", "drum", DRUMS, 16, range(3), 0.8, True),
    Program("xylophone", "xylophone", 0, 13, BARS, 0.9),
    Program("marimba", "xylophone", 0, 12, BARS, 0.9),
    Program("vibraphone", "xylophone", 0, 11, BARS, 1.2, True),
)


def rendered(synth, font: int, program: Program, key: int) -> np.ndarray:
    """One note as mono audio [samples] at 16 kHz, from its onset."""
    drum = program.bank == DRUMS
    channel = 9 if drum else 0
    synth.program_select(channel, font, program.bank, program.preset, drum)
    synth.noteon(channel, HITS[key] if drum else key, 100)
    count = round((program.seconds + 0.2) * RENDERED)
    stereo = np.frombuffer(bytes(synth.generate(count)), np.float32).reshape(-1, 2)
    synth.sounds_off_all() if hasattr(synth, "sounds_off_all") else synth.sounds_off(channel)
    synth.generate(RENDERED // 10)
    mono = stereo.mean(axis=1).astype(float)
    begin = int(np.argmax(np.abs(mono) > 0.02 * np.abs(mono).max()))
    return resample_poly(mono[max(0, begin - RENDERED // 500) :], RATE, RENDERED)


def cents_off(note: np.ndarray, key: int) -> float:
    """How far a note is from equal temperament, in cents: mean phase advance of harmonics 1 and 2."""
    frequency = 440.0 * 2 ** ((key - 69) / 12)
    part = note[round(0.1 * RATE) : round(0.9 * RATE)]
    spectrum = np.fft.fft(part * np.hanning(len(part)))
    bins = np.fft.fftfreq(len(part), 1 / RATE)
    errors, weights = [], []
    for harmonic in (1, 2):
        near = np.abs(bins / (harmonic * frequency) - 1) < 0.04
        tone = np.fft.ifft(np.where(near, spectrum, 0))[len(part) // 10 : -len(part) // 10]
        power = np.abs(tone[1:]) ** 2
        advance = np.angle(tone[1:] * tone[:-1].conj()) * RATE / (2 * np.pi)
        exact = float(np.average(advance, weights=power))
        errors.append(1200 * np.log2(exact / (harmonic * frequency)))
        weights.append(power.mean())
    return float(np.average(errors, weights=weights))


def tuned(note: np.ndarray, cents: float, samples: int) -> np.ndarray:
    """The note made lower by `cents`, cut to `samples`, with a short fade and peak 0.9."""
    at = np.arange(samples) * 2 ** (-cents / 1200)
    from scipy.interpolate import CubicSpline

    note = CubicSpline(np.arange(len(note)), note)(np.minimum(at, len(note) - 1))
    fade = round(0.02 * RATE)
    note[-fade:] *= np.linspace(1, 0, fade)
    return 0.9 * note / np.abs(note).max()


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        raise SystemExit("python assets/voices/make_notes.py FONT: FONT must be FluidR3_GM.sf2.")
    try:
        import tinysoundfont
    except ImportError as error:
        raise SystemExit(
            "make_notes.py needs tinysoundfont; install it with: pip install --no-deps tinysoundfont"
        ) from error
    synth = tinysoundfont.Synth(samplerate=RENDERED, gain=0)
    font = synth.sfload(sys.argv[1])
    streams, pitches, owners = [], [], []
    for index, program in enumerate(PROGRAMS):
        parts = []
        for key in program.keys:
            note = rendered(synth, font, program, key)
            cents = 0.0 if program.kind == "drum" else cents_off(note, key)
            parts += [tuned(note, cents, round(program.seconds * RATE))]
            parts += [np.zeros(round(RESTART * RATE))]
            pitches.append(key)
            owners.append(index)
            print(f"{program.name} {key}: {cents:+.1f} cents")
        streams.append(encoded(np.concatenate(parts), RATE, COMPRESSION))
    path = Path(__file__).with_name("notes.npz")
    write_arrays(
        path,
        streams=np.frombuffer(b"".join(streams), np.uint8),
        offsets=np.concatenate([[0], np.cumsum([len(s) for s in streams])]).astype(np.int64),
        names=np.array([p.name for p in PROGRAMS]),
        kinds=np.array([p.kind for p in PROGRAMS]),
        held_out=np.array([p.held_out for p in PROGRAMS]),
        seconds=np.array([p.seconds for p in PROGRAMS]),
        pitches=np.array(pitches, np.int64),
        owners=np.array(owners, np.int64),
    )
    print(f"{len(pitches)} notes, {path.stat().st_size} bytes")
    print(f"SHA-256 {file_sha256(path)}")


if __name__ == "__main__":
    main()
