"""Audio for videos on tiny random networks: reproducible, in windows, stoppable, saved and loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.annotation import Boxes
from savg.clip import Clip
from savg.device import choose
from savg.diffusion.flow import guide
from savg.errors import Cancelled, CheckpointError, SavgError
from savg.format import ClipFormat
from savg.hub import Card
from savg.models.bigvgan import CONFIGS as BIGVGAN
from savg.models.bigvgan import BigVgan
from savg.models.mmaudio import CONFIGS as FLOWS
from savg.models.mmaudio import MMAudio
from savg.models.stereo import split_latents
from savg.models.synchformer import CONFIGS as SYNCHFORMERS
from savg.models.synchformer import Synchformer
from savg.pipelines.flow_sampling import FlowSampler, Window, cross_faded
from savg.pipelines.video_to_audio import VideoToAudio, tiny
from savg.pipelines.visual_features import ClipAndSync
from savg.video import Video

ROUNDING = 1e-4


def make_video(seed: int = 0, seconds: float = 2, fps: int = 4) -> Video:
    """Random frames."""
    frames = np.random.default_rng(seed).integers(
        0, 255, (round(seconds * fps), 32, 32, 3), dtype=np.uint8
    )
    return Video(frames, Fraction(fps))


@pytest.fixture(scope="module")
def pipeline() -> VideoToAudio:
    return tiny()


def test_audio_depends_on_video_seed_and_number_alone(pipeline: VideoToAudio) -> None:
    videos = [make_video(0), make_video(1, 3.5), make_video(2, 0.75)]
    torch.manual_seed(1)
    together = pipeline.for_videos(videos, seed=5)
    torch.manual_seed(2)
    apart = [pipeline(one, seed=5, index=i) for i, one in enumerate(videos)]
    small = pipeline.for_videos(videos[1:], seed=5, first=1, batch_size=1)
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_allclose(a, b, atol=ROUNDING)
    for a, b in zip(together[1:], small, strict=True):
        np.testing.assert_allclose(a, b, atol=ROUNDING)
    assert np.abs(pipeline(videos[0], seed=6) - apart[0]).max() > 100 * ROUNDING
    assert np.abs(pipeline(videos[0], seed=5, index=1) - apart[0]).max() > 100 * ROUNDING
    assert np.abs(pipeline(make_video(3), seed=5) - apart[0]).max() > 10 * ROUNDING


@pytest.mark.parametrize("seconds", [0.25, 1, 2, 2.25, 5, 6.75])
def test_audio_is_as_long_as_the_video(pipeline: VideoToAudio, seconds: float) -> None:
    audio = pipeline(make_video(0, seconds), steps=1)
    assert audio.shape == (2, round(seconds * 16_000)) and audio.dtype == np.float32
    assert np.abs(audio).max() <= 1 and audio[0].std() > 0 and (audio[0] != audio[1]).any()


def test_steps_follow_the_velocity(pipeline: VideoToAudio) -> None:
    """The whole path from noise by hand: guidance, Euler, latents' units, channels."""
    video = make_video(4)
    flow = pipeline.flow.flow
    with torch.no_grad():
        inputs = pipeline.visual(video, 0, pipeline.lengths)
        with_boxes = pipeline.flow.condition(inputs, pipeline.lengths)
        empty = flow.empty_conditions(pipeline.lengths, 1)
        x = Window(video, 0, 0, 0).noise(9, (pipeline.lengths.latent, 4))
        for step in range(2):
            t = torch.tensor([step / 2])
            x = x + guide(flow(x, t, with_boxes), flow(x, t, empty), 2.0) / 2
        latents = split_latents(flow.unnormalize(x))
        expected = [pipeline.vocoder(pipeline.vae.decode(latents[:, c]))[0, 0] for c in range(2)]
    expected = torch.stack(expected)[:, :32_000].clamp(-1, 1)
    result = pipeline(video, seed=9, steps=2, guidance=2.0)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_conditions_are_computed_once(
    pipeline: VideoToAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    condition = MMAudio.condition
    monkeypatch.setattr(MMAudio, "condition", lambda *args: calls.append(1) or condition(*args))
    pipeline(make_video(), steps=5)
    assert len(calls) == 2  # the video's and the empty ones


def test_windows_cover_the_video_and_cross_fade() -> None:
    sampler = FlowSampler()
    assert sampler.windows(Fraction(5)) == [0] and sampler.windows(Fraction(1, 2)) == [0]
    assert sampler.windows(Fraction(9)) == [0, 4] and sampler.windows(Fraction(91, 10)) == [0, 4, 8]
    rng = np.random.default_rng(0)
    parts = [0.1 * rng.standard_normal((2, 5000)).astype(np.float32) for _ in range(3)]
    whole = cross_faded(parts, 1000)
    assert whole.shape == (2, 13_000)
    assert (whole[:, :4000] == parts[0][:, :4000]).all()
    assert (whole[:, 5000:8000] == parts[1][:, 1000:4000]).all()
    assert (whole[:, 9000:] == parts[2][:, 1000:]).all()
    assert whole[:, 4000:5000].std() == pytest.approx(0.1, rel=0.1)  # neither dip nor bump
    same = np.ones((2, 5000), np.float32)
    assert np.abs(np.diff(cross_faded([0.5 * same, 0.5 * same], 1000))).max() < 2e-3


def test_a_long_video_begins_like_its_first_window(pipeline: VideoToAudio) -> None:
    whole = make_video(0, 4)
    first = Video(whole.frames[:8], whole.fps)
    long, short = pipeline(whole, seed=1), pipeline(first, seed=1)
    np.testing.assert_allclose(long[:, :16_000], short[:, :16_000], atol=ROUNDING)
    assert np.abs(long[:, 16_000:32_000] - short[:, 16_000:]).max() > 10 * ROUNDING


def test_progress_counts_up_to_its_total_and_stops(pipeline: VideoToAudio) -> None:
    calls: list[tuple[int, int]] = []

    def on_step(done, total, preview):
        assert preview.dtype == np.uint8 and preview.shape[1:] == (32, 32, 3)
        calls.append((done, total))

    pipeline.for_videos([make_video(0, 3), make_video(1)], steps=4, batch_size=2, on_step=on_step)
    assert calls == [(i, 8) for i in range(1, 9)]
    inputs = []

    def stop(done, total, preview):
        inputs.append(done)
        return done < 3

    with pytest.raises(Cancelled):
        pipeline(make_video(), on_step=stop)
    assert inputs == [1, 2, 3]


def test_no_guidance_evaluates_no_empty_conditions(
    pipeline: VideoToAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    forward = MMAudio.forward
    monkeypatch.setattr(MMAudio, "forward", lambda *args: calls.append(1) or forward(*args))
    pipeline(make_video(), steps=3, guidance=0.0)
    assert len(calls) == 3
    pipeline(make_video(), steps=3)
    assert len(calls) == 9


def test_mono_networks_are_spread_to_both_channels() -> None:
    audio = tiny(channels=1)(make_video())
    assert (audio[0] == audio[1]).all() and audio.std() > 0


def test_clips_and_files_get_new_audio(pipeline: VideoToAudio, tmp_path: Path) -> None:
    format = ClipFormat(frames=8, fps=4, size=32, picture_height=18)
    frames = np.repeat(np.arange(8, dtype=np.uint8) * 20, 32 * 32 * 3).reshape(8, 32, 32, 3)
    clip = Clip(frames, np.zeros((2, format.samples), np.float32), format)
    new = pipeline.clip(clip, seed=2)
    assert (new.video == clip.video).all() and new.audio.std() > 0
    assert (new.audio == pipeline(clip, seed=2)).all()
    assert (pipeline(clip.video, 4, seed=2) != 0).any()
    new.write(tmp_path / "in.mp4")
    audio = pipeline.file(tmp_path / "in.mp4", tmp_path / "out.mp4", seed=3)
    back = Clip.read(tmp_path / "out.mp4", format)
    assert np.corrcoef(back.audio[0], audio[0])[0, 1] > 0.9
    assert np.abs(back.video.astype(int) - clip.video).mean() < 3
    with pytest.raises(ValueError, match="fps must be given with frames"):
        pipeline(clip.video)
    slow = replace(format, sample_rate=8000)
    clip = Clip(frames, np.zeros((2, slow.samples), np.float32), slow)
    with pytest.raises(SavgError, match="sample rate must be the network's, 16000 Hz, got 8000"):
        pipeline.clip(clip, on_step=lambda *_: pytest.fail("sampled in vain"))


def test_boxes_of_the_video_or_detected_change_the_audio() -> None:
    pipeline = tiny(boxes=2)
    video = make_video()
    frames = range(8)
    left = Boxes(frames, [0] * 8, [[0.0, 50, 60, 200]] * 8)
    with_boxes = pipeline(Video(video.frames, video.fps, left))
    other = pipeline(Video(video.frames, video.fps, left.mirrored()))
    assert np.abs(with_boxes - other).max() > 1e-4
    pipeline.persons = lambda clip: left.select(left.frames < clip.format.frames)
    np.testing.assert_allclose(pipeline(video), with_boxes, atol=1e-5)
    without = pipeline(video, boxes=False)
    np.testing.assert_allclose(
        without, pipeline(Video(video.frames, video.fps, Boxes.empty())), atol=1e-5
    )
    assert (
        np.abs(without - with_boxes).max() > 1e-4
        and pipeline.takes_boxes
        and not tiny().takes_boxes
    )


def test_saved_and_loaded_it_makes_the_same_audio(pipeline: VideoToAudio, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "audio")
    loaded = VideoToAudio.from_pretrained(tmp_path / "audio", "cpu", "float32")
    assert loaded.sampler == pipeline.sampler
    assert (loaded(make_video()) == pipeline(make_video())).all()
    folders = {path.name for path in (tmp_path / "audio").iterdir()}
    assert folders == {"pipeline.json", "README.md", "flow", "vae", "vocoder"}


def test_published_parts_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain flow network, CLIP, Synchformer and BigVGAN instead of the demo's own parts."""
    torch.manual_seed(0)
    small = tiny()
    rates = {"upsample_rates": (16, 16), "upsample_kernel_sizes": (16, 16)}
    vocoder = BigVgan(replace(BIGVGAN["tiny"], **rates))
    synchformer = Synchformer(SYNCHFORMERS["tiny"])
    flow = MMAudio(replace(FLOWS["tiny"], clip_dim=3, sync_dim=12))
    for name, parameter in flow.named_parameters():
        if not parameter.any() and "latent_" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    parts = {"flow": flow, "vae": small.vae, "vocoder": vocoder, "synchformer": synchformer}
    cards = {role: Card("MIT", "random") for role in parts}

    class Images:
        @classmethod
        def from_pretrained(cls, name, device):
            assert name == "hf-hub:some/clip"
            return lambda frames: torch.from_numpy(frames.mean((1, 2)) / 255).float()

    monkeypatch.setattr("savg.pipelines.video_to_audio.OpenClipImages", Images)
    description = {"sampler": {"steps": 2, "seconds": 2.0}, "clip": "hf-hub:some/clip"}
    built = VideoToAudio.build(parts, cards, description, choose("cpu", "float32"))
    assert isinstance(built.visual, ClipAndSync)
    audio = built(make_video())
    assert audio.shape == (2, 32_000) and np.abs(built(make_video(1)) - audio).max() > 0
    built.save_pretrained(tmp_path / "p")
    kinds = {
        role: json.loads((tmp_path / "p" / role / "config.json").read_text())["kind"]
        for role in parts
    }
    assert kinds == {
        "flow": "mmaudio", "vae": "mel_vae", "vocoder": "bigvgan", "synchformer": "synchformer",
    }  # fmt: skip
    loaded = VideoToAudio.from_pretrained(tmp_path / "p", "cpu", "float32")
    assert (loaded(make_video()) == audio).all()


def test_parts_that_do_not_fit_are_refused(pipeline: VideoToAudio, tmp_path: Path) -> None:
    compute = choose("cpu", "float32")
    parts = {"flow": pipeline.flow, "vae": pipeline.vae, "vocoder": pipeline.vocoder}
    wrong = BigVgan(BIGVGAN["tiny"])
    with pytest.raises(CheckpointError, match="got 6 bands and 8 samples"):
        VideoToAudio.build({**parts, "vocoder": wrong}, {}, {}, compute)
    with pytest.raises(CheckpointError, match="found VisualFlow, VisualFlow, IstftVocoder"):
        VideoToAudio.build({**parts, "vae": pipeline.flow}, {}, {}, compute)
    flow = MMAudio(replace(FLOWS["tiny"], latent_dim=6))
    with pytest.raises(CheckpointError, match=r"2 \(mono\) or 4 \(stereo\), got 6"):
        VideoToAudio.build({**parts, "flow": flow}, {}, {}, compute, visual=pipeline.visual)
    with pytest.raises(CheckpointError, match="must have a 'synchformer'"):
        VideoToAudio.build({**parts, "flow": MMAudio(FLOWS["tiny"])}, {}, {}, compute)
    with pytest.raises(CheckpointError, match="not a sampler"):
        VideoToAudio.build(parts, {}, {"sampler": {"speed": 3}}, compute)
    (tmp_path / "pipeline.json").write_text('{"pipeline": "joint"}')
    with pytest.raises(CheckpointError, match="expected a 'video_to_audio' pipeline"):
        VideoToAudio.from_pretrained(tmp_path)


def test_values_out_of_range_are_refused(pipeline: VideoToAudio) -> None:
    for options, sentence in (
        ({"seed": -1}, "seed must be ≥ 0, got -1"),
        ({"steps": 0}, "steps must be ≥ 1, got 0"),
        ({"guidance": -1.0}, "guidance must be ≥ 0, got -1"),
    ):
        with pytest.raises(SavgError, match=sentence):
            pipeline(make_video(), **options)
    with pytest.raises(SavgError, match="batch_size must be ≥ 1, got 0"):
        pipeline.for_videos([make_video()], batch_size=0)
    with pytest.raises(SavgError, match="whole seconds"):
        FlowSampler(seconds=5.0, overlap=0.5)
