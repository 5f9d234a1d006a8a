"""Audio to SELD features, and network outputs to events: STFT, windows, decoding, training windows.

Feature frames count `config.frame_rate` (100) a second, label frames `LABEL_RATE` (10). Channels of
features: amplitude left, amplitude right, phase right − left in 0..2π. x is a fraction of the
frame's width inside networks and pixels of a 256-wide frame in tables, growing to the right.
Rules: the published inference [S1, S2, code]; feature frames of inference end at the time they
stand for, those of training are centred on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.annotation import ClipLabels, SoundEvents
from savg.format import SAVGBENCH
from savg.models.seld import SeldConfig

LABEL_RATE = SAVGBENCH.label_fps
"""Frames per second of sound events and labels."""

FRAME_WIDTH = float(SAVGBENCH.size)
"""Width in pixels of the frame that positions refer to."""


def stereo_features(audio: Tensor, config: SeldConfig, centred: bool) -> Tensor:
    """Features [3, bins, frames] of audio [2, samples]: two amplitudes and the phase difference.

    Periodic Hann window. centred: frame n is centred on sample n · hop and the audio is padded with
    zeros; otherwise frame n begins there. Bins that are exactly silent have phase 0.
    """
    window = torch.hann_window(config.fft_size, dtype=audio.dtype, device=audio.device)

    def transform(channel: Tensor) -> Tensor:
        return torch.stft(
            channel.clone(),
            config.fft_size,
            config.stft_hop_size,
            window=window,
            center=centred,
            pad_mode="constant",
            return_complex=True,
        )

    # One by one, so that equal channels are rounded equally and differ by 0, not by almost 2π.
    spectrum = torch.stack([transform(channel) for channel in audio])
    phase = torch.angle(spectrum + 0.0)  # −0 + 0 is +0, whose angle is 0 rather than ±π
    base = config.base_channel
    difference = phase[1 - base] - phase[base]
    difference = torch.where(difference < 0, difference + 2 * torch.pi, difference)
    return torch.cat([spectrum.abs(), difference[None]])


class Windows(NamedTuple):
    """Features of audio in windows for inference.

    features [C, bins, frames + overlap], wrapped around at both ends; starts: first frame of each
    window in it; labels: label frame each window's output begins with; frames: label frames of the
    whole audio.
    """

    features: Tensor
    starts: list[int]
    labels: list[int]
    frames: int


def inference_windows(audio: Tensor, config: SeldConfig) -> Windows:
    """Features and window positions of stereo audio [2, samples] of any length.

    The last samples that fill no hop are dropped, and the audio begins with fft_size − hop zeros.
    Features are looped at both ends so that each window's middle `hop_frames` cover the audio.
    """
    hop, length = config.stft_hop_size, config.window_frames
    samples = audio.shape[1] - audio.shape[1] % hop
    if not samples:
        return Windows(audio.new_zeros(config.in_channels, config.bins, 0), [], [], 0)
    lead = audio.new_zeros(2, config.fft_size - hop)
    features = stereo_features(torch.cat([lead, audio[:, :samples]], dim=1), config, centred=False)
    duration = samples / config.sampling_frequency
    times = _window_times(duration, config.eval_wav_hop_length)
    if config.even_windows:
        starts = [k * config.hop_frames for k in range(len(times))]
        labels = [k * _label_steps(config) for k in range(len(times))]
    else:
        starts = [int(time * config.frame_rate) for time in times]
        labels = [int(time * LABEL_RATE) for time in times]
    before = (length - config.hop_frames) // 2
    end = max(features.shape[2], starts[-1] - before) + length
    order = torch.arange(-before, end, device=audio.device)
    looped = features[:, :, order.remainder(features.shape[2])]
    return Windows(looped, starts, labels, int(duration * LABEL_RATE))


def _window_times(duration: float, step: float) -> NDArray[np.float64]:
    """Start times of windows in seconds, in the floating-point arithmetic of the published code.

    3 · 1.2 is just below 3.6 there, so that window 3 begins one frame early after truncation.
    """
    rest = duration % step
    whole = rest == 0 or abs(rest - step) < 1e-10
    return np.arange(0, duration + step if whole else duration, step)


def _label_steps(config: SeldConfig) -> int:
    """Label frames that a window decides."""
    return config.hop_frames * LABEL_RATE // config.frame_rate


def decode(
    activity: NDArray[np.floating],
    x: NDArray[np.floating],
    windows: Windows,
    config: SeldConfig,
    threshold: float,
) -> SoundEvents:
    """Sound events of network outputs [windows, classes, window_frames], sorted by frame.

    activity are logits, x fractions of the frame's width. In each tenth of a second a class with
    mean activity above `threshold` gives an event at the activity-weighted mean position.
    """
    before = (config.window_frames - config.hop_frames) // 2
    width = config.frame_rate // LABEL_RATE
    steps = _label_steps(config)
    shape = (len(windows.starts), config.class_num, steps, width)

    def tenths(output: NDArray[np.floating]) -> NDArray[np.float64]:
        return output[:, :, before : before + steps * width].astype(np.float64).reshape(shape)

    weight = 1.0 / (1.0 + np.exp(-tenths(activity)))
    position = (weight * tenths(x)).sum(3) / np.maximum(weight.sum(3), 1e-300) * FRAME_WIDTH
    frames = np.array(windows.labels)[:, None, None] + np.arange(steps)[None, None, :]
    frames, categories = np.broadcast_arrays(frames, np.arange(config.class_num)[None, :, None])
    keep = (weight.mean(3) > threshold) & (frames < windows.frames)
    frames, categories, position = frames[keep], categories[keep], position[keep]
    order = np.lexsort((categories, frames))
    return SoundEvents(frames[order], categories[order], position[order])


class TrainingWindows(NamedTuple):
    """A batch: features [N, C, bins, T], activity 0/1 and x in 0..1 [N, classes, T] (0 if inactive)."""

    features: Tensor
    activity: Tensor
    x: Tensor


def draw_starts(
    samples: int, count: int, rng: np.random.Generator, config: SeldConfig
) -> NDArray[np.int64]:
    """First samples [count] of random training windows within audio of `samples` samples.

    Raises ValueError for audio shorter than a window.
    """
    room = samples - config.window_samples
    if room < 0:
        raise ValueError(f"Audio must have ≥ {config.window_samples} samples, got {samples}.")
    return rng.integers(0, room, count, endpoint=True)


def training_windows(
    audio: NDArray[np.float32],
    labels: ClipLabels | SoundEvents,
    starts: Sequence[int] | NDArray[np.int64],
    config: SeldConfig,
    mirrored: bool = False,
) -> TrainingWindows:
    """Windows of a clip's audio [2, samples] that begin at samples `starts`, and their targets.

    Labels are in pixels of the 256-wide frame at 10 frames a second. mirrored: swap the channels and
    replace x by 256 − x, as in the flipped frame. Raises ValueError for a window that does not fit.
    """
    if mirrored:
        audio, labels = audio[::-1], labels.mirrored(FRAME_WIDTH)
    samples = torch.from_numpy(np.ascontiguousarray(audio, np.float32))
    activity, x = label_tracks(labels, config.class_num)
    offsets = np.arange(config.window_frames) * config.stft_hop_size
    parts = []
    for start in starts:
        window = samples[:, int(start) : int(start) + config.window_samples]
        if window.shape != (2, config.window_samples):
            raise ValueError(
                f"Windows must lie within {samples.shape[1]} samples, got one that begins at {start}."
            )
        frames = (int(start) + offsets) * LABEL_RATE // config.sampling_frequency
        frames = np.minimum(frames, activity.shape[1] - 1)
        parts.append((stereo_features(window, config, True), activity[:, frames], x[:, frames]))
    return TrainingWindows(*(torch.stack(part) for part in zip(*parts, strict=True)))


def label_tracks(labels: ClipLabels | SoundEvents, class_num: int) -> tuple[Tensor, Tensor]:
    """Activity (0 or 1) and x (0..1) as tracks [classes, label frames + 1]; the last frame is silent.

    Where a class is labelled twice in a frame, the last row counts, as in the published loader.
    """
    frames = torch.tensor(np.array(labels.frames))
    categories = torch.tensor(np.array(labels.categories))
    count = int(frames.max()) + 2 if len(frames) else 1
    activity, x = torch.zeros(class_num, count), torch.zeros(class_num, count)
    activity[categories, frames] = 1.0
    for category, frame, position in zip(categories, frames, labels.x, strict=True):
        x[category, frame] = float(position) / FRAME_WIDTH
    return activity, x
