"""Known damages of clips: what a metric ought to notice, mild to severe.

Each takes a clip whose video and audio agree and makes it worse in one way. Left is channel 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip

Audio = NDArray[np.float32]
Video = NDArray[np.uint8]
Apply = Callable[[Clip, float, np.random.Generator], Clip]


@dataclass(frozen=True)
class Damage:
    """A way to damage clips.

    label, unit: in tables; levels: mild to severe; changes: what of a clip is another afterwards;
    apply: the damaged clip of a clip, a level and a generator.
    """

    label: str
    unit: str
    levels: tuple[float, ...]
    changes: Literal["audio", "video"]
    apply: Apply

    def title(self, level: float) -> str:
        """Label with a level: "pan error 20°", "swapped channels"."""
        return f"{self.label} {self.amount(level)}".rstrip()

    def amount(self, level: float) -> str:
        """A level with its unit: "20°", "0.5 s"; empty where there is one level only."""
        if not self.unit:
            return ""
        gap = "" if self.unit in "°%" else " "
        return f"{level:g}{gap}{self.unit}"


def moved_sideways(audio: Audio, degrees: float) -> Audio:
    """Stereo [2, T] of coincident W ± Y microphones with its sound `degrees` further to the left.

    W = (left + right) / 2 and Y = (left − right) / 2. The share of W in Y is the sine of the azimuth of
    a single source; only that share is changed, what is not correlated with W stays as it is.
    """
    w, y = (audio[0] + audio[1]) / 2, (audio[0] - audio[1]) / 2
    power = float(np.dot(w, w))
    if not power:
        return audio
    sine = float(np.clip(np.dot(y, w) / power, -1, 1))
    azimuth = np.arcsin(sine) + np.deg2rad(degrees)
    y = y + np.float32(np.sin(azimuth) - sine) * w
    return within_full_scale(np.stack([w + y, w - y]))


def delayed(audio: Audio, samples: int) -> Audio:
    """The same later, silence first; what comes after the end is lost."""
    late = np.zeros_like(audio)
    late[:, samples:] = audio[:, : audio.shape[1] - samples]
    return late


def noisy(audio: Audio, snr_db: float, rng: np.random.Generator) -> Audio:
    """With white noise in both channels, independent, `snr_db` below the level of the clip."""
    level = float(np.sqrt(np.square(audio, dtype=np.float64).mean()))
    noise = rng.normal(0, level * 10 ** (-snr_db / 20), audio.shape)
    return within_full_scale(audio + noise.astype(np.float32))


def muted(audio: Audio, share: float, rng: np.random.Generator) -> Audio:
    """Silent for a share of its length, from a random moment on, going on at the beginning."""
    count = round(share * audio.shape[1])
    silent = (int(rng.integers(audio.shape[1])) + np.arange(count)) % audio.shape[1]
    quiet = audio.copy()
    quiet[:, silent] = 0
    return quiet


def within_full_scale(audio: Audio) -> Audio:
    """Turned down as a whole where it would leave −1…1."""
    peak = float(np.abs(audio).max(initial=0))
    return (audio / max(peak, 1.0)).astype(np.float32)


def blurred(video: Video, sigma: float) -> Video:
    """Frames blurred by a Gaussian of `sigma` pixels."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in video])


def grainy(video: Video, deviation: float, rng: np.random.Generator) -> Video:
    """Frames with noise of a standard deviation in levels of 0…255."""
    noise = rng.normal(0, deviation, video.shape)
    return np.clip(np.rint(video + noise), 0, 255).astype(np.uint8)


def stuttering(video: Video, share: float, rng: np.random.Generator) -> Video:
    """A share of the frames replaced by the one before; the first stays."""
    count = len(video)
    dropped = 1 + rng.permutation(count - 1)[: round(share * (count - 1))]
    shown = np.arange(count)
    shown[dropped] = 0
    return video[np.maximum.accumulate(shown)]


def _of_audio(change: Callable[[Clip, float, np.random.Generator], Audio]) -> Apply:
    def apply(clip: Clip, level: float, rng: np.random.Generator) -> Clip:
        return Clip(clip.video, np.ascontiguousarray(change(clip, level, rng)), clip.format)

    return apply


def _of_video(change: Callable[[Clip, float, np.random.Generator], Video]) -> Apply:
    def apply(clip: Clip, level: float, rng: np.random.Generator) -> Clip:
        return Clip(np.ascontiguousarray(change(clip, level, rng)), clip.audio, clip.format)

    return apply


def _mono(audio: Audio) -> Audio:
    return np.repeat(audio.mean(axis=0, keepdims=True), 2, axis=0)


def _either_side(clip: Clip, degrees: float, rng: np.random.Generator) -> Audio:
    return moved_sideways(clip.audio, degrees * (1 if rng.random() < 0.5 else -1))


DAMAGES: dict[str, Damage] = {
    "pan": Damage(
        "pan error", "°", (5.0, 10.0, 20.0, 40.0, 60.0), "audio", _of_audio(_either_side)
    ),
    "swapped": Damage(
        "swapped channels", "", (1.0,), "audio", _of_audio(lambda c, _, __: c.audio[::-1])
    ),
    "mono": Damage("mono", "", (1.0,), "audio", _of_audio(lambda c, _, __: _mono(c.audio))),
    "shift": Damage(
        "audio late by",
        "s",
        (0.1, 0.25, 0.5, 1.0, 2.0),
        "audio",
        _of_audio(lambda c, s, _: delayed(c.audio, round(s * c.format.sample_rate))),
    ),
    "noise": Damage(
        "audio noise, SNR",
        "dB",
        (20.0, 10.0, 0.0),
        "audio",
        _of_audio(lambda c, snr, rng: noisy(c.audio, snr, rng)),
    ),
    "silence": Damage(
        "silent for",
        "%",
        (25.0, 50.0, 100.0),
        "audio",
        _of_audio(lambda c, share, rng: muted(c.audio, share / 100, rng)),
    ),
    "blur": Damage(
        "blur, sigma",
        "px",
        (1.0, 2.0, 4.0, 8.0),
        "video",
        _of_video(lambda c, sigma, _: blurred(c.video, sigma)),
    ),
    "grain": Damage(
        "video noise, sd",
        "levels",
        (10.0, 25.0, 50.0),
        "video",
        _of_video(lambda c, deviation, rng: grainy(c.video, deviation, rng)),
    ),
    "dropped": Damage(
        "dropped frames",
        "%",
        (25.0, 50.0, 90.0),
        "video",
        _of_video(lambda c, share, rng: stuttering(c.video, share / 100, rng)),
    ),
}
"""name → damage."""


def damaged(clip: Clip, name: str, level: float, seed: int = 0, index: int = 0) -> Clip:
    """A clip with a damage; `seed` and `index` (of the clip) decide what is random in it."""
    number = list(DAMAGES).index(name)
    rng = np.random.default_rng([seed, number, round(level * 1000), index])
    return DAMAGES[name].apply(clip, level, rng)
