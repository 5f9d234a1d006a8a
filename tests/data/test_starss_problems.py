"""Recordings that cannot be used, folders that must not be touched, and the command."""

import json
import subprocess

import numpy as np
import pytest
from starss_takes import Sounding, contents, write_audio, write_panorama, write_take

from savg.cli import main
from savg.clip import Clip
from savg.data.savgbench import SavgBench
from savg.data.starss.build import build
from savg.data.starss.results import Construction, Steps
from savg.errors import SavgError
from tests.painted_videos import ffmpeg, with_matrix

NARROW = Construction(speech=Steps(5, 30), instrument=Steps(5, 30))


def broken_wav(root):
    (root / "foa_dev/dev-train-sony/bad.wav").write_bytes(b"RIFF")


def stereo_wav(root):
    write_audio(root / "foa_dev/dev-train-sony/bad.wav", [], 6.0, channels=2)


def broken_video(root):
    (root / "video_dev/dev-train-sony/bad.mp4").write_bytes(b"\0" * 500)


def damaged_video(root):
    path = root / "video_dev/dev-train-sony/bad.mp4"
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + len(data) // 4
    data[at : at + len(data) // 3] = bytes(len(data) // 3)
    path.write_bytes(data)


def missing_video(root):
    (root / "video_dev/dev-train-sony/bad.mp4").unlink()


def wide_video(root):
    write_panorama(root / "video_dev/dev-train-sony/bad.mp4", 6.0, size=(256, 144))


def turned_video(root):
    path = root / "video_dev/dev-train-sony/bad.mp4"
    with_matrix(path, path.with_name("turned.mp4"), 90).replace(path)


def short_video(root):
    write_panorama(root / "video_dev/dev-train-sony/bad.mp4", 4.0)


def broken_labels(root):
    (root / "metadata_dev/dev-train-sony/bad.csv").write_text("1,2,3\n")


PROBLEMS = [
    (broken_wav, "bad.wav is not an audio file"),
    (stereo_wav, "bad.wav has 2 channels"),
    (broken_video, "bad.mp4 is not a video"),
    (damaged_video, "bad.mp4"),
    (missing_video, "bad has no video"),
    (wide_video, "bad.mp4 must be a panorama twice as wide as high, got frames of 256×144"),
    (turned_video, "bad.mp4 must be a panorama twice as wide as high, got frames of 128×256"),
    (short_video, "bad has 6.0 s of audio and 4.0 s of video"),
    (broken_labels, "bad.csv, line 1: a row must have 4, 5 or 6 columns"),
]


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    """One good recording of four columns, and one that each test spoils."""
    root = tmp_path_factory.mktemp("takes")
    for name in ("bad", "good"):
        write_take(root, name, [Sounding(0.0, 6.0, 9, -30.0)], seconds=6.0, columns=4)
    return root


@pytest.mark.parametrize(("spoil", "sentence"), PROBLEMS, ids=[s.__name__ for s, _ in PROBLEMS])
def test_a_recording_with_a_problem_is_reported_and_skipped(takes, tmp_path, spoil, sentence):
    root = tmp_path / "starss"
    subprocess.run(["cp", "-r", takes, root], check=True)
    spoil(root)
    settings = Construction(speech=Steps(5, 90), instrument=Steps(10, 90))
    outcome = build(root, tmp_path / "out", settings, processes=1)
    assert [result.name for result in outcome.results] == ["good"]
    (problem,) = outcome.problems
    assert problem.recording == "bad" and problem.skipped and sentence in problem.sentence
    assert all(item.recording == "good" for item in SavgBench(outcome.folder))
    report = json.loads((tmp_path / "out/report.json").read_text())["splits"]["dev"]
    assert [p["recording"] for p in report["problems"]] == ["bad"]
    with pytest.raises(SavgError) as stopped:
        build(root, tmp_path / "strict", settings, processes=1, strict=True)
    assert str(stopped.value) == problem.sentence
    assert not (tmp_path / "strict/SAVGBench_Dataset_Development").exists()


@pytest.mark.parametrize(
    ("degrees", "mirror", "undo"), [(180, "", "hflip,vflip"), (0, "h", "hflip")]
)
def test_a_panorama_is_looked_at_as_its_file_shows_it(takes, tmp_path, degrees, mirror, undo):
    """Frames stored upside down or mirrored, with a display matrix that says so, make equal clips."""
    settings = Construction(speech=Steps(5, 90), instrument=Steps(30, 90))
    frames = []
    for turned in (False, True):
        root = tmp_path / f"starss{turned}"
        subprocess.run(["cp", "-r", takes, root], check=True)
        path = root / "video_dev/dev-train-sony/good.mp4"
        lossless = ("-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv420p")
        ffmpeg("-i", path, "-vf", undo if turned else "null", *lossless, path.with_name("a.mp4"))
        with_matrix(path.with_name("a.mp4"), path, *((degrees, mirror) if turned else ()))
        path.with_name("a.mp4").unlink()
        outcome = build(root, tmp_path / f"out{turned}", settings, processes=1)
        clips = sorted(
            (item for item in SavgBench(outcome.folder) if item.recording == "good"),
            key=lambda item: item.name,
        )
        frames.append([Clip.read(item.path).video for item in clips])
    assert len(frames[0]) == len(frames[1]) > 0
    for first, second in zip(*frames, strict=True):
        assert np.abs(first.astype(int) - second).mean() < 1.0


def test_slightly_different_lengths_are_used_as_far_as_both_go(takes, tmp_path):
    root = tmp_path / "starss"
    subprocess.run(["cp", "-r", takes, root], check=True)
    write_panorama(root / "video_dev/dev-train-sony/bad.mp4", 5.4)
    settings = Construction(speech=Steps(5, 90), instrument=Steps(5, 90))
    outcome = build(root, tmp_path / "out", settings, processes=2)
    (problem,) = outcome.problems
    assert not problem.skipped and "5.4 s of video; the common length is used" in problem.sentence
    bad, good = outcome.results
    assert bad.seconds == pytest.approx(5.4, abs=0.04) and good.seconds == 6.0
    assert {c.start for c in bad.clips} == {0} and {c.start for c in good.clips} == {0, 5, 10}
    with pytest.raises(SavgError, match="the common length"):
        build(root, tmp_path / "strict", settings, processes=2, strict=True)


def test_a_set_that_was_not_built_here_is_never_replaced(takes, tmp_path):
    clip = tmp_path / "SAVGBench_Dataset_Development/video_dev/fold3_room1_mix001_deg0_start0.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"downloaded")
    for restart in (False, True):
        with pytest.raises(SavgError, match="was not built here: choose another --out"):
            build(takes, tmp_path, NARROW, processes=1, restart=restart)
    assert clip.read_bytes() == b"downloaded"


def test_a_restart_leaves_nothing_of_the_set_it_replaces(takes, tmp_path):
    many, few = (
        Construction(speech=Steps(step, 90), instrument=Steps(step, 90)) for step in (5, 10)
    )
    build(takes, tmp_path / "out", many, processes=1)
    build(takes, tmp_path / "out", few, processes=1, restart=True)
    build(takes, tmp_path / "few", few, processes=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "few")


def test_nothing_to_build_from_is_one_sentence(takes, tmp_path):
    root = tmp_path / "starss"
    subprocess.run(["cp", "-r", takes, root], check=True)
    for path in (root / "foa_dev/dev-train-sony").glob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(
        SavgError, match=r"No recording of .* can be used: .*bad\.wav is not an audio"
    ):
        build(root, tmp_path / "out", NARROW, processes=1)
    with pytest.raises(
        SavgError, match="no recording or folder of recordings that matches nothing"
    ):
        build(root, tmp_path / "out", NARROW, only="nothing")
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]


def test_recordings_without_a_single_clip_still_give_a_report(tmp_path):
    write_take(tmp_path, "silent", [], seconds=6.0)
    outcome = build(tmp_path, tmp_path / "out", NARROW, processes=1)
    assert outcome.results[0].clips == () and outcome.results[0].dropped["activity"] > 0
    assert (tmp_path / "out/manifest.json").exists()


def test_a_full_disk_stops_everything_and_blames_no_recording(takes, tmp_path, monkeypatch):
    def full(strip, path, *rest):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("savg.media.strips.Strip.cut", full)
    with pytest.raises(SavgError, match="No space left"):
        build(takes, tmp_path / "out", NARROW, processes=1)


def test_two_constructions_of_one_split_keep_out_of_each_others_way(takes, tmp_path):
    def meddle(done, total):
        with pytest.raises(SavgError, match="is being built already"):
            build(takes, tmp_path / "out", NARROW, processes=1)

    build(takes, tmp_path / "out", NARROW, processes=1, progress=meddle, only="good")


def run(*arguments):
    return main(["dataset", "build", *map(str, arguments)])


def test_command(takes, tmp_path, capsys):
    out = tmp_path / "out"
    steps = ("--window-step", "1", "--view-step", "90", "--processes", "1")
    assert run("--starss", takes, "--out", out, *steps, "--only", "good") == 0
    printed = capsys.readouterr()
    assert "windows     8 judged" in printed.out
    assert str(out / "SAVGBench_Dataset_Development") in printed.out
    assert run("--starss", takes, "--out", out, *steps, "--only", "good", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["recordings"] == 1 and values["problems"] == []
    assert sum(values["dropped"].values()) + values["clips"] == values["windows"]
    settings = json.loads((out / "manifest.json").read_text())["splits"]["dev"]["settings"]
    assert settings["speech"] == settings["instrument"] == {"window": 10, "view": 90}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--window-step", "0.25"), "--window-step must be a multiple of 0.1 s, got 0.25"),
        (("--view-step", "7"), "Steps.view must be a divisor of 360 degrees, got 7"),
        (("--high-pass", "9000"), "high_pass must be in 0…8000 Hz, got 9000"),
        (("--min-active", "1.5"), "min_active must be in 0…1, got 1.5"),
        (("--field-of-view", "200"), "field_of_view must be in 0…180°, got 200"),
        (("--gain", "nan"), "gain_db must be in -200…200 dB, got nan"),
        (("--window-step", "inf"), "--window-step must be a multiple of 0.1 s, got inf"),
        (("--processes", "0"), "--processes must be ≥ 1"),
        (("--only", "nobody"), "that matches nobody"),
    ],
)
def test_command_with_impossible_values(takes, tmp_path, capsys, arguments, sentence):
    assert run("--starss", takes, "--out", tmp_path, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and sentence in error and error.count("\n") == 1


def test_command_without_recordings(tmp_path, capsys):
    assert run("--starss", tmp_path / "nowhere", "--out", tmp_path / "out") == 1
    assert "nowhere: no such folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        run("--starss", tmp_path)
    assert stopped.value.code == 2
