"""The joint pipeline on tiny random networks: reproducible, stoppable, un-mirrored, saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.cli import main
from savg.clip import Clip
from savg.data.joint_codec import JointCodec
from savg.device import choose
from savg.errors import Cancelled, CheckpointError, SavgError
from savg.pipelines.guidance import MirrorGuidance
from savg.pipelines.joint import JointPipeline, tiny
from savg.pipelines.registry import CLIPS
from savg.pipelines.sampling import SAMPLERS, ClipNoise, SamplerConfig, diffusion_of, spaced
from savg.pipelines.superres import SuperResolution
from savg.pipelines.video import tiny as tiny_video

ROUNDING = 1e-4
"""float32 rounding differs with the batch's shape, and x_0 from a noise prediction at pure noise,
(x − σ·ε)/α, multiplies it by 1/α = 157; another seed differs by a hundred times as much."""


@pytest.fixture(scope="module")
def pipeline() -> JointPipeline:
    return tiny()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_clip_depends_on_its_seed_and_index_alone(pipeline, sampler) -> None:
    together = pipeline(3, seed=5, sampler=sampler, steps=3)
    alone = pipeline(1, seed=5, first=2, sampler=sampler, steps=3, batch_size=1)[0]
    np.testing.assert_allclose(together[2].audio, alone.audio, atol=ROUNDING)
    assert np.abs(together[2].video.astype(int) - alone.video).max() <= 1
    other = pipeline(1, seed=6, first=2, sampler=sampler, steps=3)[0]
    assert np.abs(other.audio - alone.audio).max() > 0.01
    assert np.abs(together[0].audio - together[1].audio).max() > 0.01


def test_the_same_call_gives_the_same_clips(pipeline) -> None:
    torch.manual_seed(1)
    one = pipeline(2, seed=3)
    torch.manual_seed(2)
    two = pipeline(2, seed=3)
    for a, b in zip(one, two, strict=True):
        assert (a.video == b.video).all() and (a.audio == b.audio).all()


def test_batches_do_not_change_clips(pipeline) -> None:
    whole = pipeline(3, seed=9, batch_size=3)
    split = pipeline(3, seed=9, batch_size=2)
    for a, b in zip(whole, split, strict=True):
        np.testing.assert_allclose(a.audio, b.audio, atol=ROUNDING)


def test_progress_counts_up_to_its_total_with_previews(pipeline) -> None:
    calls: list[tuple[int, int]] = []

    def on_step(done, total, preview):
        assert preview.dtype == np.uint8 and preview.ndim == 4 and preview.shape[-1] == 3
        calls.append((done, total))

    pipeline(3, batch_size=2, on_step=on_step)
    steps, per_clip = pipeline.sampler.steps, pipeline.superres.total(pipeline.format.frames)
    assert calls == [(i, 2 * steps + 3 * per_clip) for i in range(1, 2 * steps + 3 * per_clip + 1)]


@pytest.mark.parametrize("make", [tiny, tiny_video])
@pytest.mark.parametrize("stop_at", [1, 3, 4, 5])
def test_returning_false_stops_at_the_next_step(make, stop_at) -> None:
    pipeline, steps = make(), []

    def on_step(done, total, preview):
        steps.append(done)
        return done < stop_at

    with pytest.raises(Cancelled):
        pipeline(1, on_step=on_step)
    assert steps == list(range(1, stop_at + 1))


def test_raising_cancelled_stops_too(pipeline) -> None:
    def on_step(done, total, preview):
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        pipeline(1, on_step=on_step)


def test_video_of_mirrored_weights_is_flipped_and_the_audio_is_not() -> None:
    plain, mirrored = tiny()(1, seed=4)[0], tiny(mirrored=True)
    flipped, published = mirrored(1, seed=4)[0], mirrored(1, seed=4, as_published=True)[0]
    assert (flipped.video == plain.video[:, :, ::-1]).all()
    assert (published.video == plain.video).all()
    assert (flipped.audio == plain.audio).all() and (published.audio == plain.audio).all()


def test_a_mirrored_preview_looks_like_the_clip() -> None:
    last = []
    clip = tiny(mirrored=True)(1, seed=4, on_step=lambda d, n, preview: last.append(preview))[0]
    assert (last[-1] == clip.video).all()
    plain = tiny(mirrored=True, upscale=False)
    small = []
    clip = plain(1, seed=4, on_step=lambda d, n, preview: small.append(preview))[0]
    preview = small[plain.sampler.steps - 1].astype(float)
    big = clip.video.reshape(4, 16, 2, 16, 2, 3).mean((2, 4))
    match = np.corrcoef(preview.ravel(), big.ravel())[0, 1]
    flipped = np.corrcoef(preview[:, :, ::-1].ravel(), big.ravel())[0, 1]
    assert match > 0.8 > flipped


def test_rows_outside_the_picture_stay_black(monkeypatch) -> None:
    pipeline = tiny()
    pipeline.codec = JointCodec(size=16, rows=12, mid_gain=2.0, side_gain=4.0)
    shapes = []
    network = SuperResolution._network

    def spy(self, low):
        shapes.append(low.shape)
        return network(self, low)

    monkeypatch.setattr(SuperResolution, "_network", spy)
    clip = pipeline(1)[0]
    assert shapes[0][-2:] == (12, 16)
    format = pipeline.format
    assert not clip.video[:, : format.top].any() and not clip.video[:, format.bottom :].any()
    assert clip.picture.std() > 1


def test_all_frames_of_a_clip_start_super_resolution_from_one_noise() -> None:
    pipeline = tiny()
    starts = []
    run = SamplerConfig.run

    class Spy(SamplerConfig):
        def run(self, diffusion, model, start, noise, on_step=None):
            starts.append(start[0].clone())
            return run(self, diffusion, model, start, noise, on_step)

    pipeline.superres = replace(pipeline.superres, sampler=Spy("ddim", 2), chunk=3)
    pipeline(1)
    frames = torch.cat(starts)
    assert len(frames) == 4 and (frames == frames[:1]).all()
    starts.clear()
    pipeline.superres = replace(pipeline.superres, shared_noise=False)
    pipeline(1)
    assert (torch.cat(starts)[0] != torch.cat(starts)[1]).any()


def test_without_super_resolution_frames_are_enlarged() -> None:
    clip = tiny(upscale=False)(1)[0]
    assert clip.video.shape == (4, 32, 32, 3)


def test_saved_and_loaded_it_makes_the_same_clip(pipeline, tmp_path) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    loaded = CLIPS.load(tmp_path / "p", "joint", device="cpu")
    loaded = JointPipeline.from_pretrained(tmp_path / "p", device="cpu", dtype="float32")
    a, b = pipeline(1, seed=8)[0], loaded(1, seed=8)[0]
    assert (a.video == b.video).all() and (a.audio == b.audio).all()
    assert loaded.sampler == pipeline.sampler and loaded.cards["joint"].licence == "MIT"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"pipeline": "other"}, "expected a 'joint' pipeline"),
        ({"joint": "../joint"}, "must name a folder beside it"),
        ({"sampler": {"nome": 1}}, "not a sampler"),
        ({"codec": {"rows": 7}}, "JointCodec.rows"),
        ({"guidance": {"weight": -1.0}}, "weight of guidance must be ≥ 0, got -1"),
        ({"format": {"frames": 0}}, "ClipFormat.frames"),
        (
            {"format": {"size": 250, "picture_height": 144}},
            "multiple of the codec's, 16, got 250",
        ),
    ],
)
def test_a_wrong_description_is_named(pipeline, tmp_path, change, words) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    file = tmp_path / "p" / "pipeline.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CheckpointError, match=words):
        JointPipeline.from_pretrained(tmp_path / "p", device="cpu")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"num_clips": 0}, r"num_clips must be in 1\.\.100000, got 0"),
        ({"seed": -1}, "seed must be ≥ 0, got -1"),
        ({"steps": 0}, "steps must be ≥ 1, got 0"),
        ({"steps": 1001}, "steps must be ≤ 1000, got 1001"),
        ({"sampler": "euler"}, "sampler must be one of .*, got 'euler'"),
        ({"superres_steps": 0}, "steps must be ≥ 1, got 0"),
        ({"batch_size": 0}, "batch_size must be ≥ 1, got 0"),
    ],
)
def test_impossible_values_get_one_sentence(pipeline, arguments, words) -> None:
    with pytest.raises(SavgError, match=words):
        pipeline(**{"num_clips": 1} | arguments)


def test_values_that_are_not_finite_are_an_error_of_the_user() -> None:
    pipeline = tiny()
    with torch.no_grad():
        next(pipeline.joint.parameters()).fill_(float("nan"))
    with pytest.raises(SavgError, match="joint network's output must be finite"):
        pipeline(1)


def test_noise_of_a_clip_is_its_own() -> None:
    three = ClipNoise(7, [0, 1, 2], 0)
    first, second = three.draw((5,)), three.draw((5,))
    assert torch.equal(ClipNoise(7, [1], 0).draw((5,))[0], first[1])
    assert not torch.equal(first, second)
    values = {
        tuple(ClipNoise(s, [c], p).draw((2,))[0].tolist())
        for s in (0, 1)
        for c in (0, 1)
        for p in (0, 1)
    }
    assert len(values) == 8


def test_spacing_follows_the_published_stride_where_it_reaches_noise() -> None:
    published = diffusion_of({}, diffusion_steps=1100)
    assert spaced(published, 25).schedule.times.tolist() == list(range(0, 1100, 44))
    few = spaced(diffusion_of({}), 8).schedule.times
    assert few[0] == 0 and few[-1] == 999 and len(few) == 8


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_one_step_starts_where_the_noise_is(sampler) -> None:
    seen = []

    def network(state, t):
        seen.append(t.tolist())
        return (torch.full_like(state[0], 0.25),)

    start = (torch.randn(2, 3, generator=torch.Generator().manual_seed(0)),)
    diffusion = diffusion_of({"prediction": "x0"})
    noise = ClipNoise(0, [0, 1], 0)
    (sample,) = SamplerConfig(sampler, 1).run(diffusion, network, start, noise)
    assert seen == [[999, 999]]
    assert torch.equal(sample, torch.full((2, 3), 0.25))


def test_the_registry_lists_what_there_is() -> None:
    assert CLIPS["joint"] is JointPipeline
    with pytest.raises(SavgError, match="must be one of joint"):
        CLIPS["nothing"]


def test_generate_writes_clips_and_names_them(pipeline, tmp_path, capsys) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    out = tmp_path / "out"
    command = ["generate", "--weights", str(tmp_path / "p"), "--num", "2", "--seed", "3"]
    assert main([*command, "--steps", "2", "--out", str(out), "--json", "--device", "cpu"]) == 0
    summary = json.loads(capsys.readouterr().out)
    names = ["joint_seed3_0000.mp4", "joint_seed3_0001.mp4"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert [clip["file"] for clip in summary["clips"]] == [str(out / name) for name in names]


@pytest.mark.parametrize("wrong", [["--num", "0"], ["--steps", "0"], ["--seed", "-1"]])
def test_generate_refuses_bad_values_before_loading(wrong, tmp_path, capsys) -> None:
    assert main(["generate", "--weights", "nowhere", *wrong, "--out", str(tmp_path / "o")]) == 1
    message = capsys.readouterr().err
    assert wrong[0] in message and message.count("\n") == 1 and not (tmp_path / "o").exists()


def test_generate_names_missing_weights(tmp_path, capsys) -> None:
    missing = str(tmp_path / "none")
    assert main(["generate", "--weights", missing, "--out", str(tmp_path / "o")]) == 1
    assert missing in capsys.readouterr().err


@pytest.mark.parametrize(("num", "options"), [(3, []), (4, ["--batch-size", "1"]), (1, [])])
def test_processes_share_the_clips_and_make_the_same(
    pipeline, tmp_path, monkeypatch, capsys, num: int, options: list[str]
) -> None:
    """Each clip once, whatever the number of processes; one that has none to make ends well."""
    pipeline.save_pretrained(tmp_path / "p")
    arguments = ["generate", "--weights", str(tmp_path / "p"), "--num", str(num), "--device", "cpu"]
    assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
    made: list[set[str]] = []
    capsys.readouterr()
    for process in range(2):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(process))
        before = set(names(tmp_path / "two"))
        assert main([*arguments, *options, "--out", str(tmp_path / "two"), "--json"]) == 0
        made.append(set(names(tmp_path / "two")) - before)
        (line,) = capsys.readouterr().out.splitlines()
        told = json.loads(line)
        assert (told["process"], told["processes"]) == (process, 2)
        assert {Path(clip["file"]).name for clip in told["clips"]} == made[-1], "its own"
    assert not made[0] & made[1] and len(made[0] | made[1]) == num
    assert names(tmp_path / "one") == names(tmp_path / "two")
    for name in names(tmp_path / "one"):
        one, two = (Clip.read(tmp_path / folder / name) for folder in ("one", "two"))
        assert np.abs(one.video.astype(int) - two.video).mean() < 0.1
        assert np.abs(one.audio - two.audio).max() < 1e-3


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("*.mp4"))


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "quantum"])
def test_generate_names_a_device_that_is_not_available(pipeline, tmp_path, capsys, device) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    arguments = ["--weights", str(tmp_path / "p"), "--out", str(tmp_path / "o"), "--device", device]
    assert main(["generate", *arguments]) == 1
    message = capsys.readouterr().err
    assert (
        message.startswith(f"error: {device} is not available on this machine")
        and message.count("\n") == 1
    )


@pytest.mark.gpu
def test_an_accelerator_makes_the_same_clip() -> None:
    here = tiny()
    there = JointPipeline.build(
        here.joint, here.superres.model, here.cards, here.description, choose("cuda", "float32")
    )
    a = tiny()(2, seed=3)[1]
    b = there(2, seed=3)[1]
    np.testing.assert_allclose(a.audio, b.audio, atol=2e-3)
    assert np.abs(a.video.astype(int) - b.video).mean() < 1


def test_guidance_pushes_the_video_away_from_that_of_mirrored_audio_within_its_times() -> None:
    pipeline = tiny()
    state = (torch.randn(2, 4, 3, 16, 16), torch.randn(2, 2, 8000))
    mirrored = (state[0], state[1].flip(1))
    t = torch.tensor([800, 990])
    with torch.inference_mode():
        plain, mirrored_x0 = (pipeline.denoiser(3, range(2))(s, t) for s in (state, mirrored))
        pipeline.guidance = MirrorGuidance(2.0, 0.5, 0.96)
        video, audio = pipeline.denoiser(3, range(2))(state, t)
    expected = plain[0] + 2.0 * (plain[0] - mirrored_x0[0])
    torch.testing.assert_close(video[0], expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(video[1], plain[0][1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(audio, plain[1], rtol=1e-4, atol=1e-5)
    assert (video[0] - plain[0][0]).abs().max() > 1e-4


def test_guided_clips_depend_on_their_seed_alone_and_guidance_is_saved(tmp_path) -> None:
    pipeline = tiny()
    unguided = pipeline(1, seed=4, first=1)[0]
    pipeline.guidance = MirrorGuidance(1.5)
    together, alone = pipeline(2, seed=4)[1], pipeline(1, seed=4, first=1)[0]
    assert np.abs(together.video.astype(int) - alone.video).max() <= 1
    assert (alone.video != unguided.video).any()
    pipeline.save_pretrained(tmp_path / "p")
    loaded = JointPipeline.from_pretrained(tmp_path / "p", device="cpu", dtype="float32")
    assert loaded.guidance == pipeline.guidance
    assert (loaded(1, seed=4, first=1)[0].video == alone.video).all()
