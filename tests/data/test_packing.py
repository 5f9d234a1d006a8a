"""Packs of sets of clips: the same clips, not mirrored, that training mirrors as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.annotation import Boxes, ClipLabels
from savg.cli import main
from savg.clip import Clip
from savg.data.packed import PackedClips, PackLayout, pack_clips
from savg.data.packing import PURPOSES, Purpose, bench_layout, pack_bench, read_item
from savg.data.published_loader import published_resize
from savg.data.savgbench import SavgBench, split_folder
from savg.errors import Cancelled, SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.train.clip_set import ClipSet
from savg.train.joint import CONFIGS as JOINT
from savg.train.optim import Draw
from savg.train.sources import ClipSpec, Synthetic, open_clips

FORMAT = SAVGBENCH
SHORT = ClipFormat(frames=4, fps=4, sample_rate=4000)


def lopsided(number: int) -> Clip:
    """A clip with something bright on the left, which is also louder there."""
    video = np.zeros((FORMAT.frames, FORMAT.size, FORMAT.size, 3), np.uint8)
    video[:, FORMAT.top : FORMAT.bottom] = 30 + 5 * number
    for frame in range(FORMAT.frames):
        video[frame, 90:170, 10 + 3 * frame : 60 + 3 * frame] = (200, 180, 40 * number)
    time = np.arange(FORMAT.samples) / FORMAT.sample_rate
    tone = np.sin(2 * np.pi * (200 + 100 * number) * time)
    return Clip(video, np.stack([0.6 * tone, 0.05 * tone]).astype(np.float32))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    folder = out / split_folder("dev")
    for kind in ("video", "metadata", "boxes"):
        (folder / f"{kind}_dev").mkdir(parents=True)
    for number in range(3):
        name = f"fold3_room1_mix00{number}_deg{10 * number}_start{5 * number}"
        lopsided(number).write(folder / "video_dev" / f"{name}.mp4")
        frames = np.arange(45)
        labels = ClipLabels(frames, np.full(45, 9), 40 + frames / 2.0, np.full(45, 72.0))
        labels.write_csv(folder / "metadata_dev" / f"{name}.csv")
        at = np.arange(FORMAT.frames)
        corners = np.stack([10 + 3 * at, 0 * at + 90, 60 + 3 * at, 0 * at + 170], 1)
        boxes = Boxes(at, 0 * at, corners.astype(float))
        boxes.write_csv(folder / "boxes_dev" / f"{name}.csv")
    return out


def test_a_pack_holds_the_clips_of_the_set_unmirrored(root: Path, tmp_path: Path) -> None:
    bench = SavgBench(root)
    pack = pack_bench(tmp_path / "pack", bench, bench_layout(bench, PURPOSES["joint"]))
    meta = json.loads((tmp_path / "pack" / "meta.json").read_text())
    assert meta["resize"] == "published" and PackedClips(tmp_path / "pack").layout == pack.layout
    assert meta["origin"]["clips"] == [item.name for item in bench]
    for index, item in enumerate(bench):
        clip = item.clip
        expected = published_resize(clip.video, 64, 64)[:, 14:50]
        assert np.array_equal(pack.video[index], expected)
        assert np.abs(pack.waveform(index) - clip.audio).max() <= 0.5 / 32767 + 1e-7
        assert pack.labels(index).x == pytest.approx(item.labels.x, abs=1e-4)
        # Bright and loud on the left, as in the file.
        assert pack.video[index][..., 0, :16, 0].mean() < pack.video[index][:, 18, 5:12, 0].mean()
        left, right = np.abs(pack.waveform(index)).mean(1)
        assert left > 5 * right


def test_the_resize_is_recorded(root: Path, tmp_path: Path) -> None:
    bench = SavgBench(root)
    item = read_item(bench[0], FORMAT)
    packs = {}
    for name in ("area", "published"):
        layout = PackLayout(1, FORMAT, 64, resize=name)
        pack_clips(tmp_path / name, [item], layout)
        packs[name] = PackedClips(tmp_path / name)
        assert packs[name].layout.resize == name
    assert not np.array_equal(packs["area"].video, packs["published"].video)
    # Without antialiasing a frame that changes every pixel keeps its contrast.
    stripes = np.zeros((FORMAT.frames, 256, 256, 3), np.uint8)
    stripes[:, :, ::4] = 240
    striped = Clip(stripes, item.clip.audio)
    striped_packs = {}
    for name in packs:
        layout = PackLayout(1, FORMAT, 64, resize=name)
        striped_packs[name] = pack_clips(
            tmp_path / f"s-{name}", [type(item)(striped, None, None)], layout
        )
    assert abs(int(striped_packs["area"].video.mean()) - 60) <= 1
    assert abs(int(striped_packs["published"].video.mean()) - 60) > 10
    with pytest.raises(ValueError, match="must be one of"):
        PackLayout(1, FORMAT, 64, resize="nearest")


def test_packs_without_a_resize_are_read_as_area(root: Path, tmp_path: Path) -> None:
    layout = PackLayout(1, FORMAT, 64)
    pack_clips(tmp_path / "p", [read_item(SavgBench(root)[0], FORMAT)], layout)
    plan = tmp_path / "p" / "meta.json"
    meta = json.loads(plan.read_text())
    del meta["resize"]
    plan.write_text(json.dumps(meta))
    (tmp_path / "p" / "SHA256SUMS").unlink()  # which they do not have either
    assert PackedClips(tmp_path / "p").layout.resize == "area"


def seeds() -> tuple[int, int]:
    """Seeds of draws without and with mirroring."""
    heads = [np.random.default_rng(seed).random() < 0.5 for seed in range(20)]
    return heads.index(False), heads.index(True)


@pytest.mark.parametrize("config", ["full", "demo"])
def test_training_mirrors_frames_and_channels_together_or_neither(
    root: Path, tmp_path: Path, config: str
) -> None:
    bench = SavgBench(root)
    pack_bench(tmp_path / "pack", bench, bench_layout(bench, PURPOSES["joint"]))
    recipe = JOINT[config]
    data = recipe.open(str(tmp_path / "pack"), tmp_path / "run")
    plain, flipped = (recipe.batch(data, [Draw(index=1, step=0, seed=seed)]) for seed in seeds())
    # Undone by flipping the frames and swapping left and right after decoding.
    assert torch.equal(flipped[0], plain[0].flip(-1))
    a, b = recipe.codec.decode_audio(plain[1]), recipe.codec.decode_audio(flipped[1])
    if config == "full":
        assert torch.allclose(b, a.flip(-2), atol=1e-6)
    levels = a[0].std(dim=1), b[0].std(dim=1)
    assert torch.allclose(levels[1], levels[0].flip(0), rtol=0.1)
    assert levels[0][0] > 3 * levels[0][1]
    bright = plain[0][0, :, 0].mean((0, 1))
    assert bright[:32].mean() > bright[32:].mean()


def test_a_built_set_and_its_pack_are_the_same_training_data(root: Path, tmp_path: Path) -> None:
    bench = SavgBench(root)
    pack_bench(tmp_path / "pack", bench, bench_layout(bench, PURPOSES["joint"]))
    spec = ClipSpec(FORMAT, 64)
    one = open_clips(str(tmp_path / "pack"), tmp_path / "a", spec, Synthetic())
    two = open_clips(str(root), tmp_path / "b", spec, Synthetic())
    reopened = open_clips(str(root), tmp_path / "b", spec, Synthetic())
    assert len(one) == len(two) == len(reopened) == 3
    for index in range(3):
        for other in (two, reopened):
            assert np.array_equal(one.video(index), other.video(index))
            assert np.array_equal(one.audio(index), other.audio(index))
            assert one.labels(index).frames.tolist() == other.labels(index).frames.tolist()


def test_tables_are_cut_to_a_shorter_format(root: Path, tmp_path: Path) -> None:
    clips = open_clips(str(root), tmp_path, ClipSpec(SHORT, 16), Synthetic())
    assert clips.labels(0).frames.tolist() == list(range(10))
    assert clips.boxes(0).frames.tolist() == list(range(4))
    assert clips.audio(0).shape == (2, 4000) and clips.video(0).shape == (4, 16, 16, 3)


def test_few_large_frames_keep_their_boxes(root: Path, tmp_path: Path) -> None:
    bench = SavgBench(root)
    pack = pack_bench(tmp_path / "p", bench, bench_layout(bench, PURPOSES["yolox"]))
    assert pack.video.shape == (3, 4, 144, 256, 3) and pack.audio is None
    clips = ClipSet([pack])
    assert clips.small_format.frames == 4
    for index in range(3):
        boxes = clips.boxes(index)
        assert boxes.frames.tolist() == [0, 1, 2, 3]
        for place, (x0, _, x1, _) in zip(boxes.frames, boxes.xyxy.astype(int), strict=True):
            row = clips.picture(index, int(place))[60, :, 0].astype(int)
            assert row[x0 + 4 : x1 - 4].min() > 150 and row[x1 + 6 : x1 + 20].max() < 100


def test_audio_alone_is_enough_for_seld(root: Path, tmp_path: Path) -> None:
    bench = SavgBench(root)
    pack_bench(tmp_path / "p", bench, bench_layout(bench, PURPOSES["seld"]))
    clips = open_clips(str(tmp_path / "p"), tmp_path, ClipSpec(size=64, video=False), Synthetic())
    assert clips.audio(1).shape == (2, FORMAT.samples) and len(clips.labels(1)) == 45
    with pytest.raises(SavgError, match="must be 64 px wide"):
        open_clips(str(tmp_path / "p"), tmp_path, ClipSpec(FORMAT, 64), Synthetic())
    with pytest.raises(SavgError, match="all 20 frames must be packed, got 1"):
        open_clips(str(tmp_path / "p"), tmp_path, ClipSpec(FORMAT, 16), Synthetic())


def test_a_stopped_pack_is_resumed_and_processes_agree(root: Path, tmp_path: Path) -> None:
    bench = SavgBench(root)
    layout = bench_layout(bench, Purpose(64))
    with pytest.raises(Cancelled):
        pack_bench(tmp_path / "a", bench, layout, progress=lambda done, total: done < 2)
    assert not (tmp_path / "a").exists()
    steps: list[int] = []
    one = pack_bench(tmp_path / "a", bench, layout, progress=lambda done, _: steps.append(done))
    assert steps == [3]
    two = pack_bench(tmp_path / "b", bench, layout, processes=2)
    for name in ("video.npy", "audio.npy", "labels.npy", "boxes.npy"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


def test_the_command_packs_for_each_recipe(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in PURPOSES:
        out = tmp_path / name
        assert main(["dataset", "pack", str(root), "--out", str(out), "--for", name]) == 0
        printed = capsys.readouterr().out
        assert "3 clips" in printed and f"savg.train {name} --data {out}" in printed
    arguments = ["dataset", "pack", str(root), "--out", str(tmp_path / "j"), "--json"]
    assert main([*arguments, "--for", "superres", "--frames", "2", "--resize", "area"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["count"], values["size"], values["frames"], values["resize"]) == (
        3,
        256,
        2,
        "area",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["DIR", "--frames", "30"], "--frames must be in 1..20"),
        (["DIR", "--frames", "4"], "must be 20 for the joint model"),
        (["DIR", "--processes", "0"], "--processes must be ≥ 1"),
        (["DIR", "--category", "speech"], "holds no clips to pack"),
        (["DIR", "--split", "eval"], "expected …_Evaluation/video_eval"),
        (["NONE"], "no such folder of clips"),
        (["DIR", "--out", "DIR"], "holds no packed clips"),
    ],
)
def test_mistakes_get_one_sentence(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    places = {"DIR": str(root), "NONE": str(tmp_path / "none")}
    options = [places.get(a, a) for a in arguments]
    if "--out" not in options:
        options += ["--out", str(tmp_path / "pack")]
    assert main(["dataset", "pack", *options]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and words in error
    assert sorted(p.name for p in root.iterdir()) == [split_folder("dev")]


def test_a_clip_that_cannot_be_read_stops_the_pack(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x_Development"
    for kind in ("video_dev", "metadata_dev"):
        (folder / kind).mkdir(parents=True)
    (folder / "video_dev" / "a.mp4").write_bytes(b"no video")
    bench = SavgBench(folder)
    with pytest.raises(SavgError, match=r"a\.mp4"):
        pack_bench(tmp_path / "p", bench, bench_layout(bench, PURPOSES["joint"]))
    with pytest.raises(SavgError, match="has no boxes"):
        bench_layout(bench, PURPOSES["yolox"])
    assert not (tmp_path / "p").exists()
