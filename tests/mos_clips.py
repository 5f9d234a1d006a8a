"""Small folders of clips with sounds at known places, and pools of stimuli, for listening tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from savg.clip import Clip
from savg.format import ClipFormat
from savg.mos.study.design import Stimulus, Study, standard

FORMAT = ClipFormat(frames=4, size=64, picture_height=36)
"""One second of small pictures."""


def panned_clip(
    seed: int, decibels: float, level: float = 0.05, format: ClipFormat = FORMAT
) -> Clip:
    """A clip whose noise is `decibels` louder at the left, with a grey picture."""
    rng = np.random.default_rng(seed)
    noise = np.cumsum(rng.standard_normal(format.samples))
    noise -= np.convolve(noise, np.ones(200) / 200, "same")
    noise *= level / noise.std()
    share = 10 ** (decibels / 20)
    gains = np.array([share, 1.0]) / np.hypot(share, 1.0)
    sound = np.clip(gains[:, None] * noise, -1, 1).astype(np.float32)
    video = np.full((format.frames, format.size, format.size, 3), 40 + seed % 100, np.uint8)
    return Clip(video, sound, format)


def write_folder(folder: Path, clips: int, seed: int = 0, widest: float = 12.0) -> Path:
    """`clips` mp4 clips, panned evenly from right to left by up to `widest` dB, of two levels."""
    folder.mkdir(parents=True)
    for i, decibels in enumerate(np.linspace(-widest, widest, clips)):
        clip = panned_clip(seed + i, float(decibels), 0.05 if i % 2 else 0.02)
        clip.write(folder / f"clip_{i:02d}.mp4")
    return folder


def small_study(**settings: object) -> Study:
    """Three conditions of two trials each, with anchors, a repeat and a catch trial."""
    values: dict[str, object] = {
        "trials": 6,
        "anchor_trials": 1,
        "practice": 2,
        "repeats": 1,
        "repeat_gap": 3,
        "catch": 1,
    }
    names = ["joint", "two_stage", "ground_truth"]
    return standard("small", names, "ground_truth", **{**values, **settings})  # type: ignore[arg-type]


def pool(study: Study, clips: int, *, anchors: int = 12, spare: int = 0) -> list[Stimulus]:
    """Clips of each condition; anchors, practice and reference share ground-truth scenes."""
    stimuli = []
    for condition in study.conditions:
        for i in range(clips):
            scene = f"{i}" if study.matched else f"{condition.name}/{i}"
            kind = "reference" if condition.name == study.reference else "system"
            stimuli.append(
                Stimulus(f"{condition.name}-{i}", condition.name, f"{i}.mp4", scene, kind, 5.0)  # type: ignore[arg-type]
            )
    base = "" if study.matched else f"{study.reference}/"
    for anchor in study.anchors:
        for i in range(anchors):
            stimuli.append(
                Stimulus(
                    f"{anchor.name}-{i}", anchor.name, f"{i}.mp4", f"{base}{i}", anchor.name, 5.0
                )  # type: ignore[arg-type]
            )
    for i in range(study.practice + spare):
        stimuli.append(Stimulus(f"p{i}", "practice", "p", f"practice/{i}", "practice", 5.0))
    for i in range(study.catch + spare):
        stimuli.append(Stimulus(f"c{i}", "catch", "c", f"catch/{i}", "catch", 5.0, expected=1 + i))
    return stimuli
