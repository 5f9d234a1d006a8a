"""Reading sets of clips: published and built folders, names, labels, filters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.data.savgbench import SavgBench, split_folder
from savg.errors import SavgError
from savg.format import SAVGBENCH

NAMES = {
    "fold3_room12_mix001_deg350_start225": 1,
    "fold3_room12_mix001_deg0_start1000": 9,
    "fold4_room2_mix010_deg90_start5": 0,
    "of_unknown_form": 9,
}


def bench_folder(root: Path, split: str = "dev", prefix: str = "SAVGBench_Dataset") -> Path:
    folder = root / split_folder(split).replace("SAVGBench_Dataset", prefix)
    for kind in ("video", "metadata"):
        (folder / f"{kind}_{split}").mkdir(parents=True)
    for name, label in NAMES.items():
        (folder / f"video_{split}" / f"{name}.mp4").write_bytes(b"")
        table = ClipLabels(np.arange(3), np.full(3, label), np.full(3, 100.0), np.full(3, 70.0))
        table.write_csv(folder / f"metadata_{split}" / f"{name}.csv")
    return folder


@pytest.mark.parametrize("where", [".", "OWN", "OWN/video_dev", "OWN/metadata_dev", ".."])
def test_a_split_is_found_at_around_and_above(tmp_path: Path, where: str) -> None:
    out = tmp_path / "in" / "out"
    folder = bench_folder(out)
    start = (out / where.replace("OWN", folder.name)) if where != ".." else out.parent
    bench = SavgBench(start)
    assert (bench.folder.resolve(), bench.split) == (folder, "dev")
    assert [item.name for item in bench] == sorted(NAMES)
    assert bench.root.resolve() == out and bench.manifest is None


def test_names_labels_and_categories(tmp_path: Path) -> None:
    bench = SavgBench(bench_folder(tmp_path))
    item = bench["fold3_room12_mix001_deg350_start225"]
    assert (item.recording, item.view, item.start) == ("fold3_room12_mix001", 10, 225)
    assert item.category == "speech" and item.labels.x.tolist() == [100.0] * 3
    assert item.boxes is None and item.panorama is None
    odd = bench["of_unknown_form"]
    assert (odd.recording, odd.view, odd.start) == ("of_unknown_form", None, None)
    assert odd.category == "instrument"
    assert bench[-1] is odd and bench[1:3] == [bench[1], bench[2]]
    assert item.name in bench and item in bench and "other" not in bench
    with pytest.raises(IndexError):
        bench[4]
    with pytest.raises(SavgError, match="no clip named other"):
        bench["other"]


def test_filters_by_category(tmp_path: Path) -> None:
    folder = bench_folder(tmp_path)
    assert len(SavgBench(folder, categories="speech")) == 2
    assert len(SavgBench(folder, categories=["instrument"])) == 2
    assert len(SavgBench(folder, categories=("speech", "instrument"))) == 4
    (folder / "metadata_dev" / "of_unknown_form.csv").write_text("")
    (folder / "metadata_dev" / "fold4_room2_mix010_deg90_start5.csv").unlink()
    bench = SavgBench(folder)
    assert [bench[n].category for n in ("of_unknown_form", "fold4_room2_mix010_deg90_start5")] == [
        None,
        None,
    ]
    assert [i.name for i in SavgBench(folder, categories="instrument")] == [sorted(NAMES)[0]]
    with pytest.raises(SavgError, match="no such text table"):
        _ = bench["fold4_room2_mix010_deg90_start5"].labels
    with pytest.raises(SavgError, match="one of speech, instrument"):
        SavgBench(folder, categories="music")


def test_two_splits_have_to_be_told_apart(tmp_path: Path) -> None:
    dev, evaluation = bench_folder(tmp_path), bench_folder(tmp_path, "eval", "Other")
    with pytest.raises(SavgError, match=r"several sets .*_Evaluation.*_Development"):
        SavgBench(tmp_path)
    assert SavgBench(tmp_path, "dev").folder == dev
    assert SavgBench(tmp_path, "eval").folder == evaluation
    assert SavgBench(tmp_path, "eval").metadata == evaluation / "metadata_eval"
    (tmp_path / ".SAVGBench_Dataset_Evaluation.part" / "video_eval").mkdir(parents=True)
    assert len(SavgBench(evaluation)) == 4
    with pytest.raises(SavgError, match=r"expected …_Development/video_dev"):
        SavgBench(evaluation, "dev")
    with pytest.raises(SavgError, match="one of dev, eval"):
        SavgBench(dev, "test")


def test_folders_without_a_set_of_clips_are_named(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="no such folder of clips"):
        SavgBench(tmp_path / "none")
    with pytest.raises(SavgError, match="holds no set of clips"):
        SavgBench(tmp_path)
    for name in ("foa_dev", "video_dev", "metadata_dev"):
        (tmp_path / name / "dev-train-sony").mkdir(parents=True)
    with pytest.raises(SavgError, match="whole recordings, not clips"):
        SavgBench(tmp_path)


def test_manifest_panoramas_and_boxes_of_a_built_set(tmp_path: Path) -> None:
    folder = bench_folder(tmp_path)
    name = "fold3_room12_mix001_deg350_start225"
    panorama = tmp_path / "report" / "panoramas" / "fold3_room12_mix001_start225.jpg"
    panorama.parent.mkdir(parents=True)
    panorama.write_bytes(b"jpg")
    (folder / "boxes_dev").mkdir()
    boxes = Boxes([1], [0], [[10.0, 60.0, 50.0, 190.0]], None)  # type: ignore[arg-type]
    boxes.write_csv(folder / "boxes_dev" / f"{name}.csv")
    # A category in the manifest is not read again from the labels.
    part = {"clips": [{"name": name, "category": "instrument"}], "settings": {"gain_db": 38.0}}
    (tmp_path / "manifest.json").write_text(json.dumps({"splits": {"dev": part}}))
    bench = SavgBench(tmp_path)
    assert bench.manifest == part
    assert bench[name].category == "instrument" and bench[name].panorama == panorama
    assert bench[name].boxes is not None and bench[name].boxes.xyxy.tolist() == boxes.xyxy.tolist()
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(SavgError, match="must hold a JSON object, got"):
        SavgBench(tmp_path)


def test_video_and_audio_are_read_on_access(tmp_path: Path) -> None:
    folder = bench_folder(tmp_path)
    item = SavgBench(folder)["of_unknown_form"]
    format = SAVGBENCH
    video = np.full((format.frames, format.size, format.size, 3), 90, np.uint8)
    tone = 0.2 * np.sin(np.arange(format.samples) / 9).astype(np.float32)
    Clip(video, np.stack([tone, 0 * tone])).write(item.path)
    clip = item.clip
    assert abs(float(clip.picture.mean()) - 90) < 4
    assert np.abs(clip.audio[0]).max() > 10 * np.abs(clip.audio[1]).max()


def test_listing_a_set_needs_neither_torch_nor_av() -> None:
    code = (
        "import sys, savg.data.savgbench; "
        "sys.exit(','.join(m for m in ('torch', 'av', 'gradio', 'plotly') if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
