"""Screening of headphones and ears before a listening test: sounds, their answers, and the rules.

Sounds are float32 [2, samples] at 48 kHz, channel 0 left, to be sent as WAV or FLAC (lossy codecs
weaken the interaural cue). Huggins pitch: Milne et al. 2020, three intervals of white noise, one with
the phase of a band around 600 Hz turned by 180° in the right ear. Loudness of anti-phase tones: Woods
et al. 2017, three 200 Hz tones, one 6 dB softer, another in opposite phase at the two ears, which
cancels over loudspeakers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from savg.audio.loudness import RATE, integrated_loudness
from savg.mos.study.design import Level

Sound = NDArray[np.float32]
Stage = Literal["channels", "volume", "huggins", "antiphase"]

CENTRE_HZ, BAND = 600.0, 0.06
"""The Huggins band: 600 Hz ± 6 %."""

TONE_HZ, SOFTER_DB = 200.0, -6.0
INTERVAL, PAUSE, RAMP = 1.0, 0.5, 0.1
"""Seconds of an interval, between two, and of a raised-cosine ramp."""


@dataclass(frozen=True)
class Rule:
    """A stage: trials an attempt, right answers needed, attempts allowed, possible answers."""

    stage: Stage
    trials: int
    needed: int
    attempts: int
    choices: tuple[str, ...]


RULES: dict[Stage, Rule] = {
    "channels": Rule("channels", 4, 4, 2, ("left", "centre", "right")),
    "volume": Rule("volume", 1, 0, 1, ("done",)),
    "huggins": Rule("huggins", 6, 6, 2, ("1", "2", "3")),
    "antiphase": Rule("antiphase", 6, 5, 1, ("1", "2", "3")),
}
"""Right answers by chance alone: 1/81, –, 1/729 (twice), 13/729."""


def stages(level: Level) -> tuple[Rule, ...]:
    """What a listener passes through, in order; loudspeakers are ruled out for remote ones."""
    names: tuple[Stage, ...] = ("channels", "volume", "huggins")
    return tuple(RULES[name] for name in (names if level == "in_person" else (*names, "antiphase")))


@dataclass(frozen=True)
class ScreeningSound:
    """A screening sound as stored: `id` says nothing, `answer` never leaves the server."""

    id: str
    stage: Stage
    answer: str

    @property
    def media(self) -> str:
        """The file's name in the study's media folder."""
        return f"{self.id}.flac"


def channel_sound(side: str, rng: np.random.Generator) -> Sound:
    """Three noise bursts at the left, at the right, or in both ears alike (centre)."""
    burst = _ramped(_speech_noise(round(0.3 * RATE), rng), 0.02)
    pause = np.zeros(round(0.15 * RATE))
    wave = 0.1 * np.concatenate([burst, pause, burst, pause, burst])
    return np.stack([wave * (side != "right"), wave * (side != "left")]).astype(np.float32)


def volume_sound(rng: np.random.Generator, loudness: float, seconds: float = 10.0) -> Sound:
    """Noise with the long-term spectrum of speech, alike in both ears, of a loudness in LUFS."""
    wave = np.tile(_ramped(_speech_noise(round(seconds * RATE), rng), 0.5), (2, 1))
    gain = 10 ** ((loudness - integrated_loudness(0.05 * wave)) / 20)
    return np.clip(0.05 * gain * wave, -1.0, 1.0).astype(np.float32)


def huggins_noise(rng: np.random.Generator, pitch: bool) -> Sound:
    """One interval of white noise, the right ear's phase turned by 180° in the band for a pitch."""
    samples = round(INTERVAL * RATE)
    left = 0.1 * rng.standard_normal(samples)
    right = left
    if pitch:
        spectrum = np.fft.rfft(left)
        hertz = np.fft.rfftfreq(samples, 1 / RATE)
        spectrum[np.abs(hertz - CENTRE_HZ) <= BAND * CENTRE_HZ] *= -1.0
        right = np.fft.irfft(spectrum, samples)
    return _ramped(np.stack([left, right]), RAMP).clip(-1, 1).astype(np.float32)


def huggins_trial(target: int, rng: np.random.Generator) -> Sound:
    """Three intervals of which number `target` (1, 2 or 3) has the faint pitch."""
    return _spaced([huggins_noise(rng, pitch=i == target) for i in (1, 2, 3)])


def antiphase_tone(kind: str) -> Sound:
    """A tone: "plain", "softer" by 6 dB, or "opposite" in the two ears."""
    time = np.arange(round(INTERVAL * RATE)) / RATE
    wave = _ramped(0.25 * np.sin(2 * np.pi * TONE_HZ * time), RAMP)
    if kind == "softer":
        wave = wave * 10 ** (SOFTER_DB / 20)
    return np.stack([wave, -wave if kind == "opposite" else wave]).astype(np.float32)


def antiphase_trial(order: Sequence[str]) -> Sound:
    """Three tones in the order given; the right answer is the softer one."""
    return _spaced([antiphase_tone(kind) for kind in order])


def make_set(
    seed: int, loudness: float, name: Callable[[], str]
) -> list[tuple[ScreeningSound, Sound]]:
    """All screening sounds of a study; `name` gives an opaque id each. Volume at `loudness` LUFS."""
    rng = np.random.default_rng(seed)
    made: list[tuple[Stage, str, Sound]] = [("volume", "done", volume_sound(rng, loudness))]
    for side in RULES["channels"].choices * 2:
        made.append(("channels", side, channel_sound(side, rng)))
    for target in (1, 2, 3) * 4:
        made.append(("huggins", str(target), huggins_trial(target, rng)))
    for order in permutations(("plain", "softer", "opposite")):
        made.append(("antiphase", str(order.index("softer") + 1), antiphase_trial(order)))
    return [(ScreeningSound(name(), stage, answer), sound) for stage, answer, sound in made]


def draw(
    sounds: Iterable[ScreeningSound], stage: Stage, seed: int, attempt: int
) -> tuple[ScreeningSound, ...]:
    """The sounds of one attempt (from 0) at a stage, in random order, the same for the same seed.

    Every answer occurs: each side, and each of the three intervals equally often. A second attempt
    at the Huggins stage meets sounds that the first did not.
    """
    rule = RULES[stage]
    found = sorted((s for s in sounds if s.stage == stage), key=lambda s: (s.answer, s.id))
    rng = np.random.default_rng([seed, list(RULES).index(stage)])
    by_answer = {
        choice: [found_ for found_ in found if found_.answer == choice] for choice in rule.choices
    }
    for same in by_answer.values():
        same[:] = [same[i] for i in rng.permutation(len(same))]
    rng = np.random.default_rng([seed, list(RULES).index(stage), attempt])
    each, rest = divmod(rule.trials, len(rule.choices))
    chosen = []
    for same in by_answer.values():
        chosen += [same[(attempt * each + i) % len(same)] for i in range(each)]
    if rest:
        outer = [same for choice, same in by_answer.items() if choice != "centre"]
        for i in rng.permutation(len(outer))[:rest]:
            chosen.append(outer[i][(attempt * each + each) % len(outer[i])])
    return tuple(chosen[i] for i in rng.permutation(len(chosen)))


@dataclass(frozen=True)
class ScreeningAnswer:
    """One answer as stored."""

    stage: Stage
    attempt: int
    trial: int
    correct: bool


@dataclass(frozen=True)
class Progress:
    """Where a listener stands: the next stage, attempt and trial while `state` is "open"."""

    state: Literal["open", "passed", "failed"]
    stage: Stage | None = None
    attempt: int = 0
    trial: int = 0


def progress(level: Level, answers: Iterable[ScreeningAnswer]) -> Progress:
    """Judge the answers by the rules of `stages`; a stage is failed when its attempts are used up."""
    given: dict[tuple[Stage, int], list[bool]] = {}
    for answer in answers:
        given.setdefault((answer.stage, answer.attempt), []).append(answer.correct)
    for rule in stages(level):
        for attempt in range(rule.attempts):
            right = given.get((rule.stage, attempt), [])
            if len(right) < rule.trials:
                return Progress("open", rule.stage, attempt, len(right))
            if sum(right) >= rule.needed:
                break
        else:
            return Progress("failed", rule.stage)
    return Progress("passed")


def _speech_noise(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit RMS that falls by 6 dB an octave from 500 Hz on, without rumble or hiss."""
    noise = rng.standard_normal(samples + RATE)
    for order, hertz, kind in ((1, 500.0, "lowpass"), (2, 100.0, "highpass"), (4, 8e3, "lowpass")):
        noise = sosfilt(butter(order, hertz, kind, fs=RATE, output="sos"), noise)
    noise = noise[RATE:]
    return noise / np.sqrt(np.mean(noise**2))


def _ramped(wave: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Sound [..., samples] with raised-cosine ramps at both ends."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(round(seconds * RATE)) / round(seconds * RATE))
    shape = np.ones(wave.shape[-1])
    shape[: len(rise)] *= rise
    shape[-len(rise) :] *= rise[::-1]
    return wave * shape


def _spaced(intervals: Sequence[Sound]) -> Sound:
    pause = np.zeros((2, round(PAUSE * RATE)), np.float32)
    parts = [part for interval in intervals for part in (interval, pause)]
    return np.concatenate(parts[:-1], axis=1)
