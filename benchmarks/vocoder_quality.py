"""Waveforms from the spectrograms of true clips: `python -m benchmarks.vocoder_quality`.

Held-out clips of the test split (voices, phrases and instruments that nothing was trained on) become
mel spectrograms of both channels, and audio again: by Griffin-Lim with each channel by itself, by
Griffin-Lim with one excitation for both, and by the bundled vocoder. Beside them, the true audio and
noise that has the spectrograms' levels. SELD's F-score of both classes, error of the clips' level
differences, errors of mel spectrograms and of spectra at several resolutions, and how periodic voices
and notes still are: waveform and, between 2 and 4 kHz, pulses (`savg.audio.periodicity`). Seconds are
relative to Griffin-Lim with each channel by itself, all by turns on each clip. Intervals are over
clips. Writes vocoder_quality.json and .md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.synthetic import progress
from savg.annotation import CATEGORY_NAMES, INSTRUMENT, SPEECH, ClipLabels
from savg.audio.periodicity import periodicity
from savg.data.scenes import draw_scene, split_seed
from savg.data.scenes.audio import stereo_audio
from savg.data.scenes.render import labels_of
from savg.data.scenes.world import WORLDS
from savg.detectors.sounds import SeldDetector, detect_sounds_in
from savg.evaluation.result_files import RESULTS, provenance, setting, write_result
from savg.format import SAVGBENCH
from savg.hub import load_component, resolve
from savg.metrics.sound_detection import count_sounds
from savg.metrics.statistics import RESAMPLES, mean_interval, percentiles, resampled_clips
from savg.models.griffin_lim import CONFIGS as GRIFFIN_LIM
from savg.models.griffin_lim import GriffinLim
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram
from savg.models.stereo import per_channel, waveforms
from savg.train.audio_data import spectral_distance
from savg.train.sources import Synthetic

Method = Callable[[Tensor], Tensor]
"""Mel spectrograms [1, 2, M, F] → audio [1, 2, T]."""

BATCH = 8
TRUTH, NOISE = "true audio", "noise of the same levels"
ALONE, TOGETHER, VOCODER = "Griffin-Lim, channel by channel", "Griffin-Lim", "vocoder"
TITLES = {
    f"f_{CATEGORY_NAMES[SPEECH]}": "SELD F, speech",
    f"f_{CATEGORY_NAMES[INSTRUMENT]}": "SELD F, instrument",
    "level": "level difference off by (dB; median; 95 % below)",
    "mel": "mel error",
    "spectral": "spectral distance",
    "speech_waveform": "voices: periodic",
    "speech_pulses": "voices: pulses",
    "instrument_waveform": "notes: periodic",
    "instrument_pulses": "notes: pulses",
    "time": "time, relative",
}


@dataclass
class Row:
    """What a method made: counts of SELD [clips, classes, 3], values by measure, seconds."""

    counts: list[NDArray[np.int64]] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, measure: str, value: float) -> None:
        self.values.setdefault(measure, []).append(value)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="demo", help="of stereo SELD, and of the vocoder")
    parser.add_argument("--vocoder", type=Path, help="folder of another vocoder")
    parser.add_argument("--clips", type=int, default=32, metavar="N", help="of each world")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=["solo", "varied"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    vocoder, card = load_component(args.vocoder or resolve(args.weights) / "vocoder")
    rows = measured(vocoder, SeldDetector.from_pretrained(args.weights), args.worlds, args.clips)
    facts = setting(
        "vocoder_quality",
        clips=args.clips * len(args.worlds),
        worlds=args.worlds,
        threads=torch.get_num_threads(),
    )
    table = {name: summary(row, rows[ALONE].seconds) for name, row in rows.items()}
    result = {"setting": facts, "vocoder": card.sha256, "rows": table}
    write_result("vocoder_quality", result, as_markdown(facts, table), args.out)


@torch.inference_mode()
def measured(
    vocoder: torch.nn.Module, detector: SeldDetector, worlds: Sequence[str], count: int
) -> dict[str, Row]:
    """What each method makes of the first clips of each world's test split."""
    griffin_lim = GriffinLim(GRIFFIN_LIM["demo"])
    methods: dict[str, Method] = {
        NOISE: partial(noise, griffin_lim),
        ALONE: lambda mel: per_channel(griffin_lim, mel)[:, :, 0],
        TOGETHER: partial(waveforms, griffin_lim),
        VOCODER: partial(waveforms, vocoder),
    }
    rows = {name: Row() for name in (TRUTH, *methods)}
    for world in worlds:
        drawn = Synthetic((world,), (count,), "test", held_out=True).world(world)
        starts = range(0, count, BATCH)
        for first in progress(starts, len(starts), world):
            scenes = [
                draw_scene(split_seed("test", i), drawn, SAVGBENCH.seconds)
                for i in range(first, min(first + BATCH, count))
            ]
            labels = [labels_of(scene, SAVGBENCH) for scene in scenes]
            true = [
                torch.from_numpy(stereo_audio(scene, SAVGBENCH.sample_rate)) for scene in scenes
            ]
            made = {TRUTH: true} | {
                name: [_timed(rows[name], method, audio) for audio in true]
                for name, method in methods.items()
            }
            for name, audios in made.items():
                _compare(rows[name], detector, labels, true, audios)
    return rows


def noise(griffin_lim: GriffinLim, mel: Tensor) -> Tensor:
    """Audio [1, 2, T] of the same noise in both channels, with the levels of mel spectrograms."""

    def excitation(common: Tensor) -> Tensor:
        samples = common.shape[-1] * griffin_lim.config.hop
        white = torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
        return griffin_lim.levelled(white, common)

    return griffin_lim.two_channels(excitation, mel)


def _timed(row: Row, method: Method, audio: Tensor) -> Tensor:
    """Audio [2, T] that a method makes of the spectrograms of audio [2, T], and its seconds."""
    mel = mel_of(audio)
    began = time.perf_counter()
    made = method(mel[None])[0]
    row.seconds += time.perf_counter() - began
    return made


def mel_of(audio: Tensor) -> Tensor:
    """Mel spectrograms [2, M, F] of audio [2, T]."""
    return MelSpectrogram(MELS["16k"])(audio)


def _compare(
    row: Row,
    detector: SeldDetector,
    labels: list[ClipLabels],
    true: list[Tensor],
    made: list[Tensor],
) -> None:
    """Add some clips to a row."""
    events = detect_sounds_in(detector.model, [a.numpy() for a in made], detector.threshold)
    for detected, truth, reference, audio in zip(events, labels, true, made, strict=True):
        counts = count_sounds(detected, truth)
        row.counts.append(np.stack((counts.tp, counts.fp, counts.fn), axis=-1))
        reference = reference[:, : audio.shape[-1]]
        row.add("level", abs(level_difference(audio) - level_difference(reference)))
        row.add("mel", float((mel_of(audio) - mel_of(reference)).abs().mean()))
        row.add("spectral", float(spectral_distance(audio, reference)))
        periodic = periodicity(audio.mean(0), reference.mean(0), SAVGBENCH.sample_rate)
        if periodic is not None:
            kind = CATEGORY_NAMES[int(truth.categories[0])]
            row.add(f"{kind}_waveform", periodic.waveform)
            row.add(f"{kind}_pulses", periodic.pulses)


def level_difference(audio: Tensor) -> float:
    """Left above right in dB, of audio [2, T]."""
    left, right = audio.double().square().mean(-1).clamp_min(1e-12).log10().tolist()
    return 10 * (left - right)


def summary(row: Row, unit: float) -> dict[str, dict[str, Any]]:
    """Values with 95 % intervals and numbers of clips, by measure; unit: seconds that are 1."""
    measures: dict[str, dict[str, Any]] = {}
    counts = np.stack(row.counts)
    drawn = resampled_clips(len(counts), 0, RESAMPLES)
    for category in (SPEECH, INSTRUMENT):
        tables = counts[:, category]
        score, scores = f_score(tables.sum(0)), f_score(tables[drawn].sum(1))
        low, high = percentiles(scores[np.isfinite(scores)])
        heard = int(tables.any(axis=-1).sum())
        name = f"f_{CATEGORY_NAMES[category]}"
        measures[name] = {"value": float(score), "low": low, "high": high, "n": heard}
    for name, values in row.values.items():
        low, high = mean_interval(values)
        measures[name] = {
            "value": float(np.mean(values)),
            "low": low,
            "high": high,
            "n": len(values),
        }
    level = row.values["level"]
    measures["level"] = {"median": float(np.median(level)), "p95": float(np.percentile(level, 95)),
                         "n": len(level)}  # fmt: skip
    if row.seconds:
        measures["time"] = {"value": row.seconds / unit}
    return measures


def f_score(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """2 TP / (2 TP + FP + FN) of counts [..., 3], NaN where there are none."""
    twice, rest = 2 * counts[..., 0], counts[..., 1] + counts[..., 2]
    return np.where(twice + rest > 0, twice / np.maximum(twice + rest, 1), np.nan)


def as_markdown(facts: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    """A column for each method."""
    lines = [
        "# Waveforms from spectrograms",
        "",
        provenance(facts),
        "",
        f"{facts['clips']} held-out clips ({', '.join(facts['worlds'])}), 95 % intervals over clips. "
        "Periodic: autocorrelation at the true pitch where there is one; pulses: that of the envelope "
        "between 2 and 4 kHz.",
        "",
        f"| | {' | '.join(rows)} |",
        "|---" * (len(rows) + 1) + "|",
    ]
    for measure, title in TITLES.items():
        cells = (_cell(row.get(measure)) for row in rows.values())
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(result: dict[str, Any] | None) -> str:
    if result is None:
        return "–"
    if "median" in result:
        return f"{result['median']:.2f}; {result['p95']:.2f}"
    if result.get("low") is None:
        return f"{result['value']:.2f}"
    return f"{result['value']:.3f} ({result['low']:.3f}…{result['high']:.3f})"


if __name__ == "__main__":
    main()
