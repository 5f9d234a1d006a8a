"""Clips of folders of videos: pieces named as those of Walking The Maps, people in them, depth maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from videos import make_video

from savg.annotation import Boxes
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.train import sources
from savg.train.depth_files import DepthFiles
from savg.train.optim import draws
from savg.train.recipe import get_recipe
from savg.train.sources import ClipSpec, Synthetic, open_clips
from savg.train.stereosync import StereoSyncRecipe
from savg.train.video_files import VideoFile, is_piece, labelled_clips, video_files

FORMAT = ClipFormat(frames=8, fps=4)
"""Windows of 2 s."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Walking The Maps in small: pieces of two videos, of 5 s and 1.5 s."""
    folder = tmp_path_factory.mktemp("walks")
    make_video(folder / "Ab_3-x_10_15.mkv", seconds=5)
    make_video(folder / "q_0_1.mkv", seconds=1.5)
    return folder


def test_names_of_pieces() -> None:
    names = {"a_0_10.mp4": True, "-Qx_8_3.5_7.25.mp4": True, "a_10_5.mp4": False, "a_5.mp4": False,
             "fold3_room12_mix001_deg359_start2246.mp4": False, "_1_2.mp4": False}  # fmt: skip
    assert {name: is_piece(Path(name)) for name in names} == names


def test_all_windows_of_a_piece_are_clips(folder: Path) -> None:
    files = video_files(folder, FORMAT)
    assert files == [VideoFile(folder / "Ab_3-x_10_15.mkv", 2), VideoFile(folder / "q_0_1.mkv")]
    clips = [one.clip for one in labelled_clips(folder, files, FORMAT)]
    assert [clip.format for clip in clips] == [FORMAT] * 3
    whole = Clip.read(files[0].path, FORMAT.with_frames(16))
    for number, clip in enumerate(clips[:2]):
        assert np.array_equal(clip.video, whole.video[8 * number : 8 * number + 8])
        assert np.array_equal(clip.audio, whole.audio[:, 32_000 * number : 32_000 * (number + 1)])
    assert clips[1].video.mean() > clips[0].video.mean(), "frames brighten with time"


def test_tables_of_a_piece_are_cut_with_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a_0_4.mkv").symlink_to(folder / "Ab_3-x_10_15.mkv")
    (tmp_path / "boxes").mkdir()
    (tmp_path / "metadata").mkdir()
    (tmp_path / "boxes" / "a_0_4.csv").write_text("3,0,1,60,9,99\n9,0,2,60,9,99\n")
    (tmp_path / "metadata" / "a_0_4.csv").write_text("5,0,30,70\n25,0,40,70\n")
    one, other = labelled_clips(tmp_path, video_files(tmp_path, FORMAT), FORMAT)
    assert one.boxes is not None and other.boxes is not None
    assert one.boxes.frames.tolist() == [3] and other.boxes.frames.tolist() == [1]
    assert other.boxes.xyxy[0, 0] == 2
    assert one.labels is not None and other.labels is not None
    assert one.labels.frames.tolist() == [5] and other.labels.frames.tolist() == [5]
    assert other.labels.x.tolist() == [40]


def everybody(clip: Clip) -> Boxes:
    """One person in each frame, further right in brighter clips."""
    count, x = len(clip.video), float(clip.video.mean())
    return Boxes(np.arange(count), np.zeros(count), np.tile([x, 60, x + 20, 190], (count, 1)))


def test_people_are_found_where_no_table_says_who_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sources, "person_detector", lambda name: asked.append(name) or everybody)
    spec = ClipSpec(FORMAT, 16, persons="nanodet")
    clips = open_clips(str(folder), tmp_path, spec, Synthetic())
    assert len(clips) == 3 and asked == ["nanodet"]
    assert [len(clips.boxes(i)) for i in range(3)] == [8] * 3
    assert clips.boxes(1).xyxy[0, 0] > clips.boxes(0).xyxy[0, 0]
    open_clips(str(folder), tmp_path, spec, Synthetic())
    assert asked == ["nanodet"], "packed once"
    assert not len(
        open_clips(str(folder), tmp_path, replace(spec, persons=""), Synthetic()).boxes(0)
    )


def maps(count: int) -> np.ndarray:
    """Depth maps, each darker at the right and by its number."""
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (9, 1))
    return ramp * np.arange(1, count + 1, dtype=np.float32)[:, None, None]


def test_depth_maps_beside_the_videos_are_cut_with_them(folder: Path, tmp_path: Path) -> None:
    for name in ("Ab_3-x_10_15", "q_0_1"):
        (tmp_path / f"{name}.mkv").symlink_to(folder / f"{name}.mkv")
    with pytest.raises(SavgError, match=r"Ab_3-x_10_15\.mkv must have depth maps depth/Ab_3"):
        DepthFiles(tmp_path, FORMAT)
    (tmp_path / "depth_maps").mkdir()
    np.save(tmp_path / "depth_maps" / "Ab_3-x_10_15.npy", maps(20))
    np.savez(tmp_path / "depth_maps" / "q_0_1.npz", maps(6))
    files = DepthFiles(tmp_path, FORMAT)
    assert len(files) == 3
    found = [one.maps[:, 0, -1].tolist() for one in files]
    assert found == [list(range(1, 9)), list(range(9, 17)), list(range(1, 7))]
    with pytest.raises(SavgError, match="no video in it"):
        DepthFiles(tmp_path / "depth_maps", FORMAT)


def test_stereosync_trains_on_such_a_folder_with_people_and_depth(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "person_detector", lambda name: everybody)
    data = tmp_path / "data"
    (data / "depth").mkdir(parents=True)
    (data / "Ab_3-x_10_15.mkv").symlink_to(folder / "Ab_3-x_10_15.mkv")
    np.save(data / "depth" / "Ab_3-x_10_15.npy", maps(20))
    tiny = get_recipe("stereosync", "tiny")
    assert isinstance(tiny, StereoSyncRecipe)
    recipe = replace(tiny, clips=FORMAT, depth="files", semantic="", drop=0.0)
    opened = recipe.open(str(data), tmp_path / "run")
    assert len(opened) == 2 and opened.maps["depth"].shape == (2, 2, 2, 6)
    plain, flipped = opened.maps["depth"][0]
    np.testing.assert_allclose(
        plain.reshape(2, 2, 3)[..., ::-1], flipped.reshape(2, 2, 3), atol=1e-6
    )
    assert plain[0, 0] < plain[0, 2]
    _, conditions = recipe.conditions(opened, [0, 1])
    assert conditions.depth is not None and not conditions.depth.isnan().any()
    assert conditions.boxes is not None and not conditions.boxes.isnan().any()
    model = recipe.build()
    recipe.fit(model, opened)
    batch = recipe.batch(opened, draws(2, 2, 0, 0))
    assert len(batch) == 5 and batch[0].shape[0] == 2
    recipe.loss(model, batch, 0, 0)[0].backward()
    assert model.tokens.depth.weight.grad is not None  # type: ignore[union-attr]
    assert recipe.card("x").facts["depth"] == "grid"
    assert "depth" not in tiny.card("x").facts and "depth" not in tiny.identity()
