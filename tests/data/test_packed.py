"""Packed clips equal the rendered ones, and packs are written atomically."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from savg.annotation import ClipLabels
from savg.clip import Clip
from savg.data.packed import PackedClips, PackLayout, pack_clips, pack_scenes
from savg.data.scenes import Rendered, World, draw_scene, render
from savg.errors import Cancelled, SavgError
from savg.format import ClipFormat

WORLD = World.demo()
FORMAT = ClipFormat(frames=4)


def rendered(seed: int, size: int | None = 64) -> Rendered:
    return render(draw_scene(seed, WORLD, FORMAT.seconds), FORMAT, size)


def test_packed_clips_equal_the_rendered_ones(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    seeds = [3, 9, 27]
    pack = pack_scenes(
        tmp_path / "pack", WORLD, seeds, FORMAT, progress=lambda *step: steps.append(step)
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    opened = PackedClips(tmp_path / "pack")
    assert len(pack) == len(opened) == 3
    assert opened.keys.tolist() == seeds
    assert opened.video.shape == (3, 4, 36, 64, 3)
    for index, seed in enumerate(seeds):
        expected, clip = rendered(seed), opened.clip(index)
        assert np.array_equal(clip.video, expected.clip.video)
        assert np.abs(clip.audio - expected.clip.audio).max() <= 0.5 / 32767 + 1e-7
        assert clip.format == FORMAT.with_size(64)
        labels, boxes = opened.labels(index), opened.boxes(index)
        assert labels.classes.tolist() == expected.labels.classes.tolist()
        assert labels.x == pytest.approx(expected.labels.x, abs=1e-4)
        assert boxes.frames.tolist() == expected.boxes.frames.tolist()
        assert boxes.xyxy == pytest.approx(expected.boxes.xyxy, abs=1e-4)


def test_several_processes_write_the_same(tmp_path: Path) -> None:
    one = pack_scenes(tmp_path / "one", WORLD, range(10), FORMAT)
    two = pack_scenes(tmp_path / "two", WORLD, range(10), FORMAT, processes=2)
    for name in ("video", "audio", "keys", "frame_index"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    files = sorted(p.name for p in (tmp_path / "two").iterdir())
    assert "done.npy" not in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_stopped_pack_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "pack"
    with pytest.raises(Cancelled, match="2 of 4"):
        pack_scenes(out, WORLD, range(4), FORMAT, progress=lambda done, total: done < 2)
    assert not out.exists()
    drawn: list[int] = []
    from savg.data import packed

    monkeypatch.setattr(
        packed, "draw_scene", lambda seed, *rest: (drawn.append(seed), draw_scene(seed, *rest))[1]
    )
    pack = pack_scenes(out, WORLD, range(4), FORMAT)
    assert drawn == [2, 3]
    assert np.array_equal(pack.clip(0).video, rendered(0).clip.video)
    assert [p.name for p in tmp_path.iterdir()] == ["pack"]


def test_other_settings_start_anew(tmp_path: Path) -> None:
    out = tmp_path / "pack"
    with pytest.raises(Cancelled):
        pack_scenes(out, WORLD, range(3), FORMAT, progress=lambda *_: False)
    pack = pack_scenes(out, WORLD, [7, 8, 9], FORMAT)
    assert np.array_equal(pack.clip(0).video, rendered(7).clip.video)


def test_a_few_large_frames_without_audio(tmp_path: Path) -> None:
    pack = pack_scenes(tmp_path / "p", WORLD, range(3), FORMAT, 256, frames=2, audio=False)
    assert pack.video.shape == (3, 2, 144, 256, 3)
    assert pack.audio is None
    for index in range(3):
        numbers = pack.frame_index[index]
        assert len(set(numbers.tolist())) == 2
        assert np.array_equal(pack.video[index], rendered(index, None).clip.picture[numbers])
    with pytest.raises(SavgError, match="without audio"):
        pack.waveform(0)
    with pytest.raises(SavgError, match="2 of 4"):
        pack.clip(0)


def test_clips_of_any_origin(tmp_path: Path) -> None:
    layout = PackLayout(2, FORMAT, 64, origin={"from": "test"})
    pack = pack_clips(tmp_path / "p", (rendered(seed, None) for seed in (1, 2)), layout)
    small = rendered(1).clip.picture.astype(int)
    assert np.abs(pack.video[0] - small).mean() < 2.5
    assert pack.layout.origin == {"from": "test"}
    with pytest.raises(SavgError, match="1 of 2 clips are missing"):
        pack_clips(tmp_path / "q", iter([rendered(1)]), layout)
    assert not (tmp_path / "q").exists()


def test_unknown_tables_are_empty(tmp_path: Path) -> None:
    class Plain:
        def __init__(self, clip: Clip) -> None:
            self.clip = clip
            self.labels: ClipLabels | None = None
            self.boxes = None

    pack = pack_clips(tmp_path / "p", [Plain(rendered(1).clip)], PackLayout(1, FORMAT, 64))
    assert len(pack.labels(0)) == 0 and len(pack.boxes(0)) == 0


def test_a_folder_that_is_no_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="not a folder of packed clips"):
        PackedClips(tmp_path)
    pack_scenes(tmp_path / "p", WORLD, [1], FORMAT)
    np.save(tmp_path / "p" / "audio.npy", np.zeros((1, 2, 3), np.int16))
    with pytest.raises(SavgError, match=r"audio\.npy"):
        PackedClips(tmp_path / "p")
    with pytest.raises(ValueError, match="count must be ≥ 1, got 0"):
        PackLayout(0)
