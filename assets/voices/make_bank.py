"""Makes bank.npz: phrases of recorded voices for the synthetic scenes.

    python assets/voices/make_bank.py DEBS          (needs av, numpy, scipy, soundfile and pyworld)

DEBS is a folder into which the Debian packages asterisk-core-sounds-it-g722 and
asterisk-core-sounds-ru-g722 (1.6.1) were unpacked (`dpkg-deb -x PACKAGE.deb DEBS`). For the two voices
that belong to further speakers the program `festival` with festvox-kallpc16k and festvox-us-slt-hts
must be on the PATH.

A voice is a speaker, or the speaker with another pitch and other formants (WORLD vocoder), and has
phrases of its own. Each phrase is trimmed, levelled to the same rms and stored as Opus at 16 kHz:
`streams` uint8 [bytes of all phrases, each an Ogg Opus file], `offsets` int64 [phrases + 1] in bytes,
`lengths` int64 [phrases] in samples, `voices` int64 [phrases], `origins` unicode [phrases], `names`
unicode, `female` and `held_out` bool [voices].
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from opus import encoded
from scipy.signal import butter, resample_poly, sosfiltfilt

from savg.arrays import write_arrays
from savg.paths import file_sha256

RATE = 16_000
RMS = 0.1
SHORTEST, LONGEST = 1.3, 5.5
"""Seconds of a phrase."""
COMPRESSION = 0.93
"""soundfile's compression level of Opus; about 24 kbit/s for speech."""


class Voice(NamedTuple):
    """pitch, formants, pace: factors on the speaker's; seconds: of phrases."""

    name: str
    speaker: str
    female: bool
    pitch: float = 1.0
    formants: float = 1.0
    pace: float = 1.0
    seconds: float = 22.0
    held_out: bool = False


VOICES = (
    Voice("anna", "ru", True),
    Voice("ben", "it", False),
    Voice("clara", "ru", True, 0.90, 0.97, 0.96),
    Voice("david", "it", False, 0.72, 0.94, 1.03),
    Voice("emma", "it", True, 1.22, 1.15, 1.02),
    Voice("frank", "it", False, 0.62, 0.90, 0.97),
    Voice("greta", "ru", True, 1.12, 1.05, 1.04),
    Voice("hugo", "ru", False, 0.55, 0.84, 0.98),
    Voice("ines", "it", True, 1.05, 1.18, 0.98),
    Voice("jakob", "it", False, 0.85, 1.0, 1.0),
    Voice("kira", "ru", True, 0.96, 1.04, 1.0),
    Voice("leon", "ru", False, 0.64, 0.88, 1.04),
    Voice("mara", "ru", True, 1.22, 1.11, 1.0, 14.0, True),
    Voice("nils", "it", False, 0.54, 0.85, 1.0, 14.0, True),
    Voice("olga", "it", True, 1.34, 1.22, 1.0, 14.0, True),
    Voice("paul", "ru", False, 0.48, 0.80, 1.0, 14.0, True),
    Voice("kal", "kal", False, seconds=14.0, held_out=True),
    Voice("slt", "slt", True, seconds=14.0, held_out=True),
)
FESTIVAL = {"kal": "voice_kal_diphone", "slt": "voice_cmu_us_slt_arctic_hts"}
SENTENCES = (
    "Good morning and welcome to the little theatre by the river.",
    "I moved the blue lamp closer to the window.",
    "Have you ever heard an echo from that side of the room?",
    "Yesterday the rain began before we reached the bridge.",
    "Please listen carefully and tell me where my voice is.",
    "We could meet for coffee around eleven.",
    "This room sounds warmer than the other one.",
    "Now I am going to walk a few steps and keep on talking.",
)


def recorded(debs: Path, speaker: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and audio [samples] of a speaker's prompts of suitable length, in a fixed random order."""
    import av

    files = sorted(debs.rglob(f"sounds/{speaker}_*/**/*.g722"))
    if not files:
        raise SystemExit(
            f"{debs} must hold the unpacked package asterisk-core-sounds-{speaker}-g722 (see the top "
            "of this file)."
        )
    named = {path.stem: path for path in files}
    for name in sorted(named, key=lambda n: hashlib.sha256(n.encode()).hexdigest()):
        with av.open(str(named[name]), format="g722") as container:
            parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        samples = trimmed(np.concatenate(parts) / 32768.0)
        if SHORTEST * RATE <= len(samples) <= LONGEST * RATE:
            yield f"{speaker}/{name}", samples


def synthesised(speaker: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and audio [samples] of sentences spoken by a voice of Festival."""
    from scipy.io import wavfile

    for number, sentence in enumerate(SENTENCES):
        with tempfile.TemporaryDirectory() as folder:
            out, script = Path(folder) / "out.wav", Path(folder) / "say.scm"
            script.write_text(
                f'({FESTIVAL[speaker]})\n(utt.save.wave (utt.synth (Utterance Text "{sentence}")) '
                f'"{out}" \'riff)\n'
            )
            subprocess.run(["festival", "-b", str(script)], check=True)
            rate, samples = wavfile.read(out)
        divisor = np.gcd(RATE, rate)
        samples = resample_poly(samples / 32768.0, RATE // divisor, rate // divisor)
        yield f"{speaker}/{number}", trimmed(samples)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Speech without silence around it and without pauses longer than a tenth of a second."""
    samples = sosfiltfilt(butter(2, 70, "highpass", fs=RATE, output="sos"), samples)
    hop = RATE // 100
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = level > 0.03 * level.max()
    kept, quiet = [], 0
    for index in range(np.flatnonzero(loud)[0], np.flatnonzero(loud)[-1] + 1):
        quiet = 0 if loud[index] else quiet + 1
        if quiet <= 10:
            kept.append(frames[index])
    return np.concatenate(kept)


def changed(samples: np.ndarray, voice: Voice) -> np.ndarray:
    """The phrase with the voice's pitch, formants and pace (WORLD, Morise et al. 2016)."""
    if (voice.pitch, voice.formants, voice.pace) == (1.0, 1.0, 1.0):
        return samples
    import pyworld

    pitch, times = pyworld.harvest(samples, RATE, f0_floor=65, f0_ceil=450)
    envelope = pyworld.cheaptrick(samples, pitch, times, RATE)
    noise = pyworld.d4c(samples, pitch, times, RATE)
    bins = np.arange(envelope.shape[1])
    source = np.minimum(bins / voice.formants, bins[-1])
    below = np.minimum(source.astype(int), bins[-1] - 1)
    part = source - below

    def warped(spectrum: np.ndarray) -> np.ndarray:
        return spectrum[:, below] * (1 - part) + spectrum[:, below + 1] * part

    envelope = np.ascontiguousarray(np.exp(warped(np.log(envelope))))
    noise = np.ascontiguousarray(warped(noise))
    return pyworld.synthesize(voice.pitch * pitch, envelope, noise, RATE, 5.0 / voice.pace)


def levelled(samples: np.ndarray) -> np.ndarray:
    """The phrase with short fades, at rms 0.1 and below full scale."""
    hop = RATE // 100
    fade = np.linspace(0, 1, hop)
    samples = samples.copy()
    samples[:hop] *= fade
    samples[-hop:] *= fade[::-1]
    samples *= RMS / np.sqrt((samples**2).mean())
    return np.tanh(samples / 0.9) * 0.9 if np.abs(samples).max() > 0.9 else samples


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit("python assets/voices/make_bank.py DEBS: DEBS must be a folder.")
    debs = Path(sys.argv[1])
    speakers = {
        name: synthesised(name) if name in FESTIVAL else recorded(debs, name)
        for name in dict.fromkeys(voice.speaker for voice in VOICES)
    }
    streams: list[bytes] = []
    lengths, voices, origins = [], [], []
    for index, voice in enumerate(VOICES):
        seconds = 0.0
        for origin, samples in speakers[voice.speaker]:
            samples = levelled(changed(samples, voice))
            streams.append(encoded(samples, RATE, COMPRESSION))
            lengths.append(len(samples))
            voices.append(index)
            origins.append(origin)
            seconds += len(samples) / RATE
            if seconds >= voice.seconds:
                break
    path = Path(__file__).with_name("bank.npz")
    write_arrays(
        path,
        streams=np.frombuffer(b"".join(streams), np.uint8),
        offsets=np.concatenate([[0], np.cumsum([len(s) for s in streams])]).astype(np.int64),
        lengths=np.array(lengths, np.int64),
        voices=np.array(voices, np.int64),
        origins=np.array(origins),
        names=np.array([voice.name for voice in VOICES]),
        female=np.array([voice.female for voice in VOICES]),
        held_out=np.array([voice.held_out for voice in VOICES]),
    )
    print(f"{len(voices)} phrases, {sum(lengths) / RATE:.0f} s, {path.stat().st_size} bytes")
    print(f"SHA-256 {file_sha256(path)}")


if __name__ == "__main__":
    main()
