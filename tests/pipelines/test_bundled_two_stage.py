"""The bundled two-stage weights: levels through the VAE, seeds, boxes, and mirrored videos."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from savg.audio.levels import pan
from savg.clip import Clip
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.hub import load_component, resolve
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram
from savg.models.stereo import per_channel, waveforms
from savg.pipelines.two_stage import TwoStagePipeline
from savg.train.mel_vae import level_db
from savg.video import Video

FAST = {"steps": 4, "audio_steps": 4, "superres_steps": 1}


@pytest.fixture(scope="module")
def pipeline() -> TwoStagePipeline:
    return TwoStagePipeline.from_pretrained("demo", "cpu", "float32")


def held_out_clip(index: int) -> Clip:
    """A clip that no training reads."""
    return render(draw_scene(split_seed("test", index), World.solo())).clip


@torch.inference_mode()
def test_level_differences_survive_the_vae() -> None:
    """±6 dB within 0.5 dB, in the decoded spectrograms and in the vocoder's waveforms."""
    vae, _ = load_component(resolve("demo") / "vae", "mel_vae")
    vocoder, _ = load_component(resolve("demo") / "vocoder")
    spectrogram = MelSpectrogram(MELS["16k"])
    quieter = 10 ** (-6 / 20)
    in_mel, in_audio = [], []
    for index in range(4):
        mid = torch.from_numpy(held_out_clip(index).audio.mean(axis=0))
        for gains in ((1.0, quieter), (quieter, 1.0)):
            mel = spectrogram(torch.stack([gain * mid for gain in gains]))[None]
            decoded = per_channel(lambda x: vae.decode(vae.encode(x).mean), mel[..., :312])
            audio = waveforms(vocoder, decoded)[0]
            sign = 1 if gains[0] == 1.0 else -1
            in_mel.append(sign * float(level_db(decoded)[0, 0] - level_db(decoded)[0, 1]))
            in_audio.append(sign * float(20 * torch.log10(audio[0].norm() / audio[1].norm())))
    assert np.abs(np.array(in_mel) - 6).max() < 0.5, in_mel
    assert np.abs(np.array(in_audio) - 6).max() < 0.5, in_audio


@torch.inference_mode()
def test_the_vocoder_keeps_the_level_differences_of_true_clips() -> None:
    vocoder, _ = load_component(resolve("demo") / "vocoder")
    for index in range(4):
        true = torch.from_numpy(held_out_clip(index).audio)
        made = waveforms(vocoder, MelSpectrogram(MELS["16k"])(true)[None])[0]
        powers = [x[:, : made.shape[1]].square().mean(-1).log10() for x in (true, made)]
        left, right = 10 * (powers[0] - powers[1])
        assert abs(float(left - right)) < 0.3, index


def test_a_clip_depends_on_its_seed_and_index_alone(pipeline: TwoStagePipeline) -> None:
    together = pipeline(2, seed=7, batch_size=2, **FAST)
    alone = pipeline(1, seed=7, first=1, batch_size=1, **FAST)[0]
    assert np.abs(together[1].video.astype(int) - alone.video).max() <= 2
    # the vocoder's pulses carry the last bits of sums, which depend on the batch, from pulse to pulse
    size = np.linalg.norm(alone.audio)
    assert np.linalg.norm(together[1].audio - alone.audio) < 0.05 * size
    assert np.linalg.norm(together[1].audio - together[0].audio) > 0.5 * size


def test_boxes_can_be_told_and_withheld(pipeline: TwoStagePipeline) -> None:
    clip = held_out_clip(2)
    assert pipeline.takes_boxes
    with_boxes, withheld = (
        pipeline.audio.for_videos([Video.of(clip)], seed=1, steps=4, boxes=boxes)[0]
        for boxes in (True, False)
    )
    assert with_boxes.shape == withheld.shape == clip.audio.shape
    assert np.isfinite(with_boxes).all() and with_boxes.std() > 1e-3 and withheld.std() > 1e-3
    assert np.abs(with_boxes - withheld).max() > 1e-3


@pytest.mark.parametrize("boxes", [True, False])
def test_mirrored_films_get_mirrored_sound(pipeline: TwoStagePipeline, boxes: bool) -> None:
    clips = [held_out_clip(i) for i in range(4)]
    videos = [Video(clip.video, Fraction(clip.format.fps)) for clip in clips]
    options = {"seed": 1, "steps": 8, "boxes": boxes}
    plain = [pan(audio) for audio in pipeline.audio.for_videos(videos, **options)]
    mirrored = [
        pan(audio) for audio in pipeline.audio.for_videos([f.mirrored() for f in videos], **options)
    ]
    true = np.array([pan(clip.audio) for clip in clips])
    assert np.corrcoef(plain, true)[0, 1] > 0.8 and np.corrcoef(mirrored, true)[0, 1] < -0.8
    assert np.abs(np.add(plain, mirrored)).mean() < 0.15
