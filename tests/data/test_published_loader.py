"""The published loader: golden cases, and its rules by independent means."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from goldens import case, find

from savg.clip import Clip
from savg.data.published_loader import (
    evaluator_items,
    evaluator_order,
    evaluator_pieces,
    published_resize,
    training_item,
)
from savg.errors import MediaError
from savg.format import SAVGBENCH

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"
VIDEOS = [CLIPS / f"joint_{number}.mp4" for number in (1, 2)]
"""Videos of others stay outside the project; without them the rules below are tested alone."""


def torch_resize(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """The same rules with another library's interpolation."""
    h, w = frames.shape[1:3]
    ratio = min(height / h, width / w)
    size = int(h * ratio), int(w * ratio)
    values = torch.from_numpy(frames).movedim(-1, 1).float()
    if size != (h, w):
        values = F.interpolate(values, size, mode="bicubic", align_corners=False, antialias=False)
    values = values.round().clamp(0, 255).to(torch.uint8)
    free_h, free_w = height - size[0], width - size[1]
    sides = (free_w // 2, free_w - free_w // 2, free_h // 2, free_h - free_h // 2)
    return F.pad(values, sides).movedim(1, -1).numpy()


def worst(a: np.ndarray, b: np.ndarray) -> tuple[int, float]:
    apart = np.abs(a.astype(int) - b.astype(int))
    return int(apart.max()), float((apart > 0).mean())


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((256, 256), (64, 64)),
        ((144, 256), (64, 64)),
        ((90, 160), (256, 256)),
        ((100, 75), (64, 64)),
        ((37, 91), (48, 60)),
        ((64, 64), (64, 64)),
    ],
)
def test_the_resize_is_bicubic_without_antialiasing(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    ours = published_resize(frames, *size)
    most, share = worst(ours, torch_resize(frames, *size))
    assert most <= 1 and share < 1e-3
    if shape == size:
        assert np.array_equal(ours, frames)
    # The resized flipped frame is the flipped resized frame: no half-pixel shift.
    flipped = published_resize(np.ascontiguousarray(frames[:, :, ::-1]), *size)
    if (size[1] - int(shape[1] * min(size[0] / shape[0], size[1] / shape[1]))) % 2 == 0:
        assert worst(flipped[:, :, ::-1], ours)[0] <= 1


def test_the_smaller_part_of_the_padding_comes_first() -> None:
    frames = np.full((1, 10, 20, 3), 200, np.uint8)
    fitted = published_resize(frames, 15, 20)[0, :, :, 0]
    assert np.flatnonzero(fitted[:, 0]).tolist() == list(range(2, 12))
    narrow = published_resize(np.full((1, 20, 10, 3), 200, np.uint8), 20, 15)[0, :, :, 0]
    assert np.flatnonzero(narrow[0]).tolist() == list(range(2, 12))


def test_pieces_of_a_clip() -> None:
    pieces = evaluator_pieces([20, 20, 3])
    assert len(pieces) == 62
    for piece in pieces:
        # Number i of a 10 fps list shows what is on screen i/10 s into a 4 fps video.
        shown = [int(np.floor(0.4 * i + 1e-9)) for i in range(piece.number, piece.number + 20)]
        assert list(piece.frames) == shown
        assert piece.start == shown[0] / 4 and piece.end == (shown[-1] + 1) / 4
        assert len(set(shown)) in (8, 9)
    assert [p.file for p in pieces] == [0] * 31 + [1] * 31


def test_the_order_is_that_of_a_seeded_shuffle() -> None:
    expected = list(range(62))
    random.seed(42)
    random.shuffle(expected)
    assert evaluator_order(62) == expected
    generator = random.Random(42)
    assert evaluator_order(62, generator) == expected
    assert evaluator_order(62, generator) != expected
    # 96 pieces of 96 files come from 58 of them.
    assert len({index // 31 for index in evaluator_order(31 * 96)[:96]}) == 58


def written_clip(path: Path) -> Clip:
    rng = np.random.default_rng(1)
    format = SAVGBENCH
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    video[:, format.top : format.bottom] = np.linspace(20, 230, format.size)[:, None].astype(
        np.uint8
    )
    video //= (np.arange(format.frames) % 3 + 1).astype(np.uint8)[:, None, None, None]
    tone = np.cumsum(rng.standard_normal((2, format.samples)), axis=1)
    tone = (tone / np.abs(tone).max() * np.array([[0.6], [0.1]])).astype(np.float32)
    clip = Clip(video, tone)
    clip.write(path)
    return clip


def test_a_training_item_is_flipped_in_its_frames_alone(tmp_path: Path) -> None:
    clip = written_clip(tmp_path / "a.mp4")
    video, audio = training_item(tmp_path / "a.mp4")
    assert video.shape == (20, 3, 64, 64) and audio.shape == (2, 80_000)
    bright = video[0, 0, 32]
    assert bright[:8].mean() > bright[-8:].mean()  # the video brightens to the right
    assert audio[0].std() > 3 * audio[1].std()  # and is louder on the left, as before
    assert np.corrcoef(audio[0], clip.audio[0])[0, 1] > 0.99
    piece = evaluator_pieces([20])[17]
    ((frames, audio),) = evaluator_items(tmp_path / "a.mp4", [piece])
    assert frames.shape == (20, 256, 256, 3) and audio.shape == (2, 80_000)
    assert frames[0, 128, :8].mean() < frames[0, 128, -8:].mean()
    begin = round(piece.start * 16_000)
    at = (np.arange(80_000) * 16_000 // 44_100) + begin
    assert np.corrcoef(audio[0], clip.audio[0, at])[0, 1] > 0.99


def test_a_short_file_is_named(tmp_path: Path) -> None:
    format = SAVGBENCH.with_frames(8)
    video = np.zeros((8, 256, 256, 3), np.uint8)
    Clip(video, np.zeros((2, format.samples), np.float32), format).write(tmp_path / "short.mp4")
    with pytest.raises(MediaError, match=r"short\.mp4 is shorter than 5 s"):
        training_item(tmp_path / "short.mp4")
    (tmp_path / "no.mp4").write_bytes(b"nothing")
    with pytest.raises(MediaError, match=r"no\.mp4 has no frames"):
        training_item(tmp_path / "no.mp4")


if find("loader_process_video"):

    def test_golden_frames() -> None:
        golden = case("loader_process_video")
        for rule in golden.meta["cases"]:
            frames, expected = golden[f"in_{rule['j']}"], golden[f"out_{rule['j']}"]
            ours = published_resize(frames, *rule["video_size"][2:])
            assert np.array_equal(np.moveaxis(ours, -1, 1), expected), rule["j"]


if find("loader_clips") and all(path.is_file() for path in VIDEOS):

    def test_golden_training_item() -> None:
        golden = case("loader_clips")
        video, audio = training_item(VIDEOS[0])
        limits = golden.meta["tolerance"]
        for name, values, step in (("video", video, 13), ("audio", audio, 8)):
            apart = np.abs(values.reshape(-1)[::step] - golden[f"train_{name}_slice"])
            assert apart.max() < limits[name]
            stats = [values.mean(), values.std(), values.min(), values.max()]
            assert stats == pytest.approx(golden[f"train_{name}_stats"].tolist(), abs=1e-4)

    def test_golden_evaluator_items() -> None:
        golden = case("loader_clips")
        pieces = evaluator_pieces([20, 20])
        table = [[p.file, p.number, p.start, p.end, *p.frames] for p in pieces]
        assert np.array_equal(np.array(table, float), golden["eval_clip_table"])
        assert evaluator_order(len(pieces)) == golden["eval_order_seed42"].tolist()
        for index in golden.meta["picked"]:
            piece = pieces[index]
            ((frames, audio),) = evaluator_items(VIDEOS[piece.file], [piece])
            video = np.moveaxis(frames, -1, 1).astype(np.float32) / np.float32(127.5) - 1
            for name, values, step in (("video", video, 656), ("audio", audio, 27)):
                expected = golden[f"eval_{name}_slice_{index}"]
                apart = np.abs(values.reshape(-1)[::step] - expected)
                assert apart.max() < golden.meta["tolerance"][name]
