"""Makes bank.npz: short phrases for the synthetic scenes, synthesised by the espeak-ng program.

    python assets/voices/make_bank.py          (needs espeak-ng on the PATH, numpy and scipy)

Each phrase is trimmed, levelled to the same rms and stored as 8-bit mu-law at 16 kHz:
`codes` uint8 [samples of all phrases], `starts` int64 [phrases + 1], `voices` int64 [phrases],
`female` bool [voices], `names` unicode [voices].
"""

from __future__ import annotations

import io
import subprocess
import wave
from pathlib import Path

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

RATE = 16000
MU = 255.0
RMS = 0.1
# name, espeak-ng voice and variant, female, pitch 0-99, words a minute
VOICES = [
    ("anna", "en-us+f2", True, 62, 165),
    ("ben", "en-us+m3", False, 38, 160),
    ("clara", "en-gb+Annie", True, 55, 170),
    ("david", "en-gb-x-rp+m7", False, 28, 155),
    ("emma", "en-gb-scotland+f4", True, 48, 175),
    ("frank", "en-us+Michael", False, 45, 170),
]
PHRASES = [
    "Good morning and welcome to the little theatre by the river",
    "I moved the blue lamp closer to the window",
    "Have you ever heard an echo from that side of the room",
    "Yesterday the rain began before we reached the bridge",
    "Please listen carefully and tell me where my voice is",
    "We could meet for coffee around eleven",
    "This room sounds warmer than the other one",
    "Now I am going to walk a few steps and keep on talking",
]


def speak(text: str, voice: str, pitch: int, speed: int) -> np.ndarray:
    """One phrase as mono audio [samples] in −1..1 at 16 kHz, trimmed, with short pauses."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", text]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(raw)) as reader:
        rate = reader.getframerate()
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32768.0
    divisor = np.gcd(RATE, rate)
    samples = resample_poly(samples, RATE // divisor, rate // divisor)
    samples = sosfiltfilt(butter(2, 90, "highpass", fs=RATE, output="sos"), samples)
    hop = RATE // 100
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = level > 0.02 * level.max()
    loud_frames, quiet = [], 0
    for index in range(np.flatnonzero(loud)[0], np.flatnonzero(loud)[-1] + 1):
        quiet = 0 if loud[index] else quiet + 1
        if quiet <= 10:
            loud_frames.append(frames[index])
    samples = np.concatenate(loud_frames)
    fade = np.linspace(0, 1, hop)
    samples[:hop] *= fade
    samples[-hop:] *= fade[::-1]
    samples *= RMS / np.sqrt((samples**2).mean())
    return samples / max(1.0, np.abs(samples).max() / 0.98)


def main() -> None:
    codes, starts, voices = [], [0], []
    for index, (_, voice, _, pitch, speed) in enumerate(VOICES):
        for text in PHRASES:
            samples = speak(text, voice, pitch, speed)
            companded = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.log1p(MU)
            codes.append(np.round((companded + 1) * 127.5).astype(np.uint8))
            starts.append(starts[-1] + len(samples))
            voices.append(index)
    np.savez_compressed(
        Path(__file__).with_name("bank.npz"),
        codes=np.concatenate(codes),
        starts=np.array(starts, np.int64),
        voices=np.array(voices, np.int64),
        female=np.array([row[2] for row in VOICES]),
        names=np.array([row[0] for row in VOICES]),
    )
    print(f"{len(voices)} phrases, {starts[-1] / RATE:.0f} s")


if __name__ == "__main__":
    main()
