"""The bundled StereoSync weights: audio goes where a box is put, and is as loud as it is told."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.audio.levels import pan
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.pipelines.envelope_file import Curve
from savg.pipelines.stereosync import StereoSyncPipeline
from savg.video import Video


@pytest.fixture(scope="module")
def pipeline() -> StereoSyncPipeline:
    return StereoSyncPipeline.from_pretrained("demo", "cpu", "float32")


@pytest.fixture(scope="module")
def video() -> Video:
    """A scene that no training reads, without its people's boxes."""
    world = World.named("furnished1", held_out=True)
    clip = render(draw_scene(split_seed("test", 500), world), size=64).clip
    return Video.of(clip)


def placed(video: Video, x: float) -> Video:
    """The video with a person of 50 by 120 pixels at x in all frames."""
    count = len(video.frames)
    box = np.tile([x - 25, 70.0, x + 25, 190.0], (count, 1))
    boxes = Boxes(np.arange(count), np.zeros(count, int), box)
    return Video(video.frames, Fraction(video.fps), boxes, video.audio)


def test_audio_goes_where_the_box_is(pipeline: StereoSyncPipeline, video: Video) -> None:
    places = (30, 80, 128, 176, 226)
    audio = pipeline.for_videos([placed(video, x) for x in places], seed=1, batch_size=5)
    pans = [pan(one) for one in audio]
    # Negative is left. The same noise: only the box moves.
    assert pans == sorted(pans), pans
    assert pans[0] < -0.25 and pans[-1] > 0.25 and abs(pans[2]) < 0.2, pans


def test_a_drawn_envelope_says_when_and_how_loud(
    pipeline: StereoSyncPipeline, video: Video
) -> None:
    silent = Video(video.frames, video.fps)
    curve = Curve(np.array([0.0, 1.9, 2.1, 5.0]), np.array([0.0, 0.0, 0.1, 0.1]))
    (audio,) = pipeline.for_videos([placed(silent, 128)], seed=1, envelope=curve)
    rate = pipeline.sample_rate
    before, after = audio[:, : round(1.7 * rate)], audio[:, round(2.5 * rate) :]
    loud, quiet = (float(np.sqrt(np.square(part).mean())) for part in (after, before))
    # The spectrogram is 8 dB louder than drawn; the vocoder keeps that (Griffin-Lim lost 0.6 dB).
    assert loud > 5 * quiet and 0.04 < loud < 0.3, (quiet, loud)
