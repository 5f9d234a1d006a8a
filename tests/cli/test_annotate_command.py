"""`python -m savg annotate`: results, summary, exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import savg.detectors
from savg.annotation import Boxes, SoundEvents
from savg.cli import main
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.files import find_videos, result_names
from tests.videos import make_video, tiny_weights

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"


def persons(clip: Clip) -> Boxes:
    n = clip.format.frames
    return Boxes(np.arange(n), np.zeros(n), np.tile([10.0, 70, 60, 190], (n, 1)), np.full(n, 0.8))


def sounds(clip: Clip) -> SoundEvents:
    """On the side of the louder channel, twice a second."""
    left, right = np.abs(clip.audio).mean(axis=1)
    frames = np.arange(0, clip.format.label_frames, 5)
    return SoundEvents(
        frames, np.zeros(len(frames)), np.full(len(frames), 40.0 + 180 * (left < right))
    )


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors without networks."""
    monkeypatch.setattr(savg.detectors, "person_detector", lambda name, source: persons)
    monkeypatch.setattr(savg.detectors, "sound_detector", lambda name, source: sounds)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    make_video(folder / "b.mkv", seconds=1.0)
    make_video(folder / "a.mp4", seconds=2.0, codecs=("libx264", "aac"))
    (folder / "notes.txt").write_text("no video")
    return folder


@pytest.mark.usefixtures("simple")
def test_a_folder_becomes_results_and_a_summary(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["annotate", str(videos), "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    data = json.loads(printed.out)
    assert "clip/s" in printed.err or "s/clip" in printed.err
    assert [Path(row["file"]).name for row in data["each"]] == ["a.mp4", "b.mkv"]
    suffixes = ("boxes.csv", "events.csv", "json", "overlay.mp4")
    assert {p.name for p in out.iterdir()} == {f"{s}.{x}" for s in "ab" for x in suffixes}
    result = data["sets"]["generated"]["metrics"]["spatial_av_align"]
    assert not data["failed"] and data["sets"]["generated"]["clips"] == 2
    # 4 + 2 events, all on the left where the person is; swapped they are not.
    assert (result["notes"]["tp"], result["notes"]["fn"], result["value"]) == (6, 0, 1.0)
    assert (result["low"], result["high"]) == (1.0, 1.0)
    # Of the longer clip's sounds only those within the shorter clip count there.
    assert result["nulls"] == {"centre": 0.0, "swapped": 0.0, "shuffled": 1.0}
    saved = json.loads((out / "a.json").read_text())
    row = data["each"][0]
    assert saved["alignment"] == {key: row[key] for key in ("tp", "fn", "score")}
    assert saved["alignment"] == {"tp": 4, "fn": 0, "score": 1.0}


def test_where_nobody_is_seen_there_is_no_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        savg.detectors, "person_detector", lambda name, source: lambda clip: Boxes.empty()
    )
    monkeypatch.setattr(savg.detectors, "sound_detector", lambda name, source: sounds)
    make_video(tmp_path / "mono.mp4", seconds=1.0, channels=1, codecs=("libx264", "aac"))
    assert main(["annotate", str(tmp_path / "mono.mp4"), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "no Spatial AV-Align without a person. Mono: both channels are the same. Both" in told
    assert "1 clip: no Spatial AV-Align, as nobody was detected." in told
    assert "0.00" not in told and ".." not in told


@pytest.mark.usefixtures("simple")
def test_a_bad_file_does_not_stop_the_others(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, gone = videos / "bad.mp4", videos / "gone.mp4"
    bad.write_text("not a video")
    names = [str(p) for p in (bad, videos / "b.mkv", gone)]
    assert main(["annotate", *names, "--out", str(tmp_path / "out"), "--no-overlay"]) == 1
    printed = capsys.readouterr()
    errors = [line for line in printed.err.replace("\r", "\n").split("\n") if "error: " in line]
    assert len(errors) == 2 and str(bad) in errors[0] and str(gone) in errors[1]
    assert "Traceback" not in printed.err and "2 of 3 files" in printed.err
    assert (
        "b.mkv: 4 person boxes, 2 sound events, Spatial AV-Align 1.00 (2 TP, 0 FN)" in printed.out
    )
    assert "chance baselines: centre 0.00, swapped 0.00, shuffled –" in printed.out
    assert "\nBoxes by nanodet: demo, sound events by seld: demo.\n" in printed.out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "b.boxes.csv",
        "b.events.csv",
        "b.json",
    }


@pytest.mark.usefixtures("simple")
def test_a_name_with_control_characters_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_video(tmp_path / "new.mp4").rename(tmp_path / "new\nline\x1b[2J.mp4")
    assert main(["annotate", str(source), "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith(f"{tmp_path}/new\\nline\\x1b[2J.mp4: ")
    assert (tmp_path / "out" / "new\nline\x1b[2J.json").exists()


def test_results_of_equal_names_do_not_overwrite_each_other() -> None:
    paths = [Path("x/a.mp4"), Path("y/a.mkv"), Path("b.mp4"), Path("z/a.mp4"), Path("a_2.mp4")]
    assert result_names(paths) == ["a", "a_2", "b", "a_3", "a_2_2"]


def test_earlier_overlays_are_not_annotated_again(videos: Path) -> None:
    for name in ("a.overlay.mp4", ".hidden.mp4"):
        make_video(videos / name)
    assert [p.name for p in find_videos([str(videos)])] == ["a.mp4", "b.mkv"]
    assert find_videos([str(videos / "b.mkv"), str(videos)]) == [videos / "b.mkv", videos / "a.mp4"]


def test_bad_usage_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["annotate"],
        ["annotate", "x.mp4"],
        ["annotate", "x", "--out", "y", "--loud"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    capsys.readouterr()


def test_a_folder_without_videos_is_named(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="has no video"):
        find_videos([str(tmp_path)])


def test_the_networks_annotate_files_of_any_kind(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tiny_weights(tmp_path / "weights")
    real = sorted(CLIPS.glob("*.mp4")) if CLIPS.is_dir() else []
    one = make_video(tmp_path / "one frame.mkv", seconds=0.25)
    out = tmp_path / "out"
    command = ["annotate", str(videos), str(one), *map(str, real), "--out", str(out), "--json"]
    assert main([*command, "--weights", str(weights)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sets"]["generated"]["clips"] == len(data["each"]) == 3 + len(real)
    for row in data["each"]:
        saved = json.loads(Path(row["results"][-1]).read_text())
        assert len(saved["events"]) == row["sounds"] and len(saved["boxes"]) == row["persons"]
        assert saved["detectors"] == {"persons": f"yolox: {weights}", "sounds": f"seld: {weights}"}
        last = max([e["frame"] for e in saved["events"]], default=0)
        assert last < saved["format"]["seconds"] * 10
