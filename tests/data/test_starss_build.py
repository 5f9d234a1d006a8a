"""Clips built from small recordings: their content, their reports, and resuming after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from py360convert import e2p
from scipy import signal as dsp
from starss_takes import Sounding, contents, write_audio, write_take

from savg.annotation import ClipLabels
from savg.audio.levels import level_difference_db
from savg.cli import main
from savg.clip import Clip
from savg.data.clip_names import parse_clip_name
from savg.data.savgbench import SavgBench
from savg.data.starss import construct as construction
from savg.data.starss.build import build
from savg.data.starss.results import Construction, Steps
from savg.errors import Cancelled, SavgError
from savg.geometry import foa_to_stereo, rotate_foa

ROOT = Path(__file__).parents[2]
NARROW = Construction(speech=Steps(5, 30), instrument=Steps(5, 30))


@pytest.fixture(scope="module")
def starss(tmp_path_factory):
    """Two recordings: speech that begins late, and an instrument with an overlap behind it."""
    root = tmp_path_factory.mktemp("starss")
    speech = [Sounding(0.4, 6.0, 0, 25.0)]
    write_take(root, "fold3_room1_mix001", speech, seconds=7.0, columns=5)
    music = [Sounding(0.0, 6.2, 9, -100.0, 10.0), Sounding(5.5, 7.0, 1, 60.0)]
    write_take(
        root, "fold3_room2_mix001", music, seconds=7.0, columns=6, group="dev-test-tau", seed=1
    )
    return root


@pytest.fixture(scope="module")
def built(starss, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset") / "out"
    return out, build(starss, out, NARROW, processes=1)


def decoded(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    first = frames[0].pts * frames[0].time_base
    times = [frame.pts * frame.time_base - first for frame in frames]
    return times, [frame.to_ndarray(format="rgb24") for frame in frames]


def plain_audio(path, settings, view, start):
    """The whole recording filtered, resampled, rotated and decoded, then one window of it."""
    foa, rate = soundfile.read(path)
    sections = dsp.butter(4, settings.high_pass, "high", fs=rate, output="sos")
    resampled = dsp.resample_poly(dsp.sosfilt(sections, foa.T, axis=1), 2, 3, axis=1)
    stereo = foa_to_stereo(rotate_foa(resampled * 10 ** (settings.gain_db / 20), view))
    return stereo[:, start * 1600 : start * 1600 + 80_000]


def assert_is_plain_clip(starss, item, settings, videos):
    """A clip equals the one cut by itself from the whole decoded recording."""
    files = {
        kind: next((starss / f"{kind}_dev").rglob(f"{item.recording}.*"))
        for kind in ("foa", "video")
    }
    if item.recording not in videos:
        videos[item.recording] = decoded(files["video"])
    times, frames = videos[item.recording]
    clip = item.clip
    vertical = 2 * np.degrees(np.arctan(np.tan(np.radians(50)) * 144 / 256))
    for k in range(20):
        moment = Fraction(item.start, 10) + Fraction(k, 4) + Fraction(1, 1000)
        panorama = frames[max(i for i, t in enumerate(times) if t <= moment)]
        expected = e2p(panorama, (100.0, vertical), -item.view, 0, (144, 256))
        error = clip.picture[k].astype(float) - expected
        assert np.abs(error).mean() < 3.0, (item.name, k)
    assert not clip.video[:, :48].any() or clip.video[:, :48].max() < 8
    audio = plain_audio(files["foa"], settings, item.view, item.start)
    for lag in (-1, 1):
        assert np.sum(np.roll(clip.audio, lag, 1) * audio) < np.sum(clip.audio * audio)
    noise = np.mean((clip.audio - audio) ** 2, axis=1)
    assert (10 * np.log10(np.mean(audio**2, axis=1) / noise) > 14).all(), item.name
    assert level_difference_db(clip.audio) == pytest.approx(level_difference_db(audio), abs=0.2)


def test_clips_equal_those_built_one_by_one(starss, built):
    out, outcome = built
    bench = SavgBench(out)
    assert {item.recording for item in bench} == {"fold3_room1_mix001", "fold3_room2_mix001"}
    videos = {}
    for item in list(bench)[::4]:
        assert_is_plain_clip(starss, item, NARROW, videos)
    assert outcome.folder == out / "SAVGBench_Dataset_Development"


def test_frames_that_fall_between_those_of_other_windows(starss, tmp_path):
    settings = Construction(speech=Steps(1, 90), instrument=Steps(1, 90))
    out = build(starss, tmp_path / "out", settings, processes=1, only="fold3_room1*")
    starts = [clip.start for clip in out.results[0].clips]
    assert {start % 5 for start in starts} == {0, 1, 2, 3, 4}
    videos = {}
    for item in list(SavgBench(out.folder))[::3]:
        assert_is_plain_clip(starss, item, settings, videos)


def test_results_describe_the_clips(built):
    out, outcome = built
    speech, music = outcome.results
    assert speech.windows == 5 * 12 and not outcome.problems
    expected = {(start, view) for start in (0, 5, 10, 15, 20) for view in (0, 30, 60)}
    assert {(c.start, c.view) for c in speech.clips} == expected
    assert all(c.category == 1 for c in music.clips) and music.dropped["overlap"] > 0
    for result in outcome.results:
        assert sum(result.dropped.values()) + len(result.clips) == result.windows
        assert set(result.sources) == {"audio", "video", "labels"}
        for record in result.clips:
            labels = ClipLabels.read_csv(outcome.folder / "metadata_dev" / f"{record.name}.csv")
            assert parse_clip_name(record.name) == (result.name, record.view, record.start)
            assert record.x == pytest.approx(labels.x.mean(), abs=1e-3)
            assert record.active == len(set(labels.frames.tolist())) / 50 >= 0.8
            assert 0 < record.peak <= 1 and record.difference_db * (128 - record.x) >= 0
            clip = Clip.read(outcome.folder / "video_dev" / f"{record.name}.mp4")
            level = 10 * np.log10(np.mean(clip.audio**2))
            assert record.level_db == pytest.approx(level, abs=0.5)
            assert (out / "report/panoramas" / f"{result.name}_start{record.start}.jpg").exists()


def test_files_play_everywhere_and_are_exactly_five_seconds(built):
    for path in (built[1].folder / "video_dev").glob("*.mp4"):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", 16_000, 2)
            assert video.frames == 20 and video.average_rate == 4
            assert video.start_time == audio.start_time == 0
            assert container.duration == 5_000_000
            frame = next(container.decode(video=0))
            assert frame.key_frame
            assert (frame.colorspace, frame.color_range) == (6, 1)
            assert (frame.color_primaries, frame.color_trc) == (1, 1)


def test_windows_with_clipped_audio_are_dropped(starss, tmp_path):
    loud = build(starss, tmp_path / "out", Construction(gain_db=46.0), processes=1)
    assert all(r.dropped["clipping"] > 0 for r in loud.results)
    foa = next((starss / "foa_dev").rglob("fold3_room1_mix001.wav"))
    accepted = {(c.start, c.view) for c in loud.results[0].clips}
    for start in (0, 10):
        for view in (350, 20, 60):
            peak = np.abs(plain_audio(foa, Construction(gain_db=46.0), view, start)).max()
            assert ((start, view) in accepted) == (peak <= 1.0)


def test_equal_calls_write_equal_files(starss, built, tmp_path):
    build(starss, tmp_path / "out", NARROW, processes=2)
    assert contents(tmp_path / "out") == contents(built[0])


def test_recordings_in_zip_files_give_the_same_set(starss, built, tmp_path):
    for kind in ("foa_dev", "video_dev", "metadata_dev"):
        with zipfile.ZipFile(tmp_path / f"{kind}.zip", "w") as archive:
            for path in sorted((starss / kind).rglob("*.*")):
                archive.write(path, path.relative_to(starss))
    build(tmp_path, tmp_path / "out", NARROW, processes=1)
    assert contents(tmp_path / "out") == contents(built[0])


def test_a_finished_set_is_unchanged(starss, tmp_path):
    out = tmp_path / "out"
    first = build(starss, out, NARROW, processes=1, only="fold3_room1*")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert build(starss, out, NARROW, processes=1, only="fold3_room1*") == first
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    with pytest.raises(SavgError, match="choose another --out, or replace it with --restart"):
        build(starss, out, Construction(), processes=1, only="fold3_room1*")
    with pytest.raises(SavgError, match="--restart"):
        build(starss, out, NARROW, processes=1)
    restarted = build(starss, out, NARROW, processes=1, restart=True)
    assert len(restarted.results) == 2 and not list(out.glob(".*"))


def test_a_stopped_construction_is_resumed(starss, built, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        build(starss, out, NARROW, processes=1, progress=lambda done, total: done < 1)
    with pytest.raises(SavgError, match="unfinished construction with other settings"):
        build(starss, out, Construction(), processes=1)
    names = []
    monkeypatch.setattr(
        "savg.data.starss.workers.construct",
        lambda recording, *rest: (
            names.append(recording.name) or construction.construct(recording, *rest)
        ),
    )
    build(starss, out, NARROW, processes=1)
    assert names == ["fold3_room2_mix001"]
    assert contents(out) == contents(built[0])


@pytest.mark.parametrize("step", ["write_reports", "atomic_file", "_remove"])
def test_the_last_steps_can_be_repeated(starss, built, tmp_path, monkeypatch, step):
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        build(starss, out, NARROW, processes=1, progress=lambda done, total: done < 2)

    def killed(*arguments, anyway=True):
        if not anyway:
            return
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("savg.data.starss.build._prepare", lambda *arguments: None)
        patch.setattr(f"savg.data.starss.build.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            build(starss, out, NARROW, processes=1)
    build(starss, out, NARROW, processes=1)
    assert contents(out) == contents(built[0])


def test_clips_of_changed_files_are_cut_again(starss, tmp_path):
    root, out = tmp_path / "starss", tmp_path / "out"
    write_take(root, "take", [Sounding(0.0, 6.0, 0, 0.0)], seconds=6.0)
    reference = build(root, tmp_path / "reference", NARROW, processes=1)
    write_audio(root / "foa_dev/dev-train-sony/take.wav", [Sounding(0.0, 6.0, 0, 40.0)], 6.0)
    with pytest.raises(Cancelled):
        build(root, out, NARROW, processes=1, progress=lambda done, total: done < 1)
    write_audio(root / "foa_dev/dev-train-sony/take.wav", [Sounding(0.0, 6.0, 0, 0.0)], 6.0)
    assert build(root, out, NARROW, processes=1).results == reference.results
    assert contents(out) == contents(tmp_path / "reference")


COMMAND = """
import sys
from savg.data.starss.build import build
from savg.data.starss.results import Construction
if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2], Construction(), processes=2)
"""


def test_killed_at_ten_random_moments_it_ends_with_the_same_files(starss, tmp_path):
    root = tmp_path / "starss"
    subprocess.run(["cp", "-r", starss, root], check=True)
    write_take(root, "fold4_room3_mix001", [Sounding(0.0, 12.0, 1, 170.0)], seconds=12.0, seed=2)
    script = tmp_path / "build.py"
    script.write_text(COMMAND)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(out):
        command = [sys.executable, str(script), str(root), str(out)]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        while not list(out.glob(".*.part")) and process.poll() is None:
            time.sleep(0.01)
        return process

    whole, out = tmp_path / "whole", tmp_path / "out"
    process = start(whole)
    began = time.monotonic()
    assert process.wait() == 0, process.stderr.read().decode()
    duration = time.monotonic() - began

    rng = np.random.default_rng(10)
    kills = 0
    for moment in rng.uniform(0.0, 0.3 * duration, 10):
        process = start(out)
        time.sleep(moment)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        process.stderr.close()
        if not list(out.glob(".*.part")):
            assert contents(out) == contents(whole)
            out = tmp_path / f"out{kills}"
    assert kills >= 8
    process = start(out)
    assert process.wait() == 0, process.stderr.read().decode()
    assert contents(out) == contents(whole)


def test_the_command_says_why_it_built_no_clip(tmp_path, capsys):
    """Speech in front of the camera and, in every window, also behind it."""
    sounds = [Sounding(0.0, 4.0, 0, 0.0), Sounding(4.0, 8.0, 0, 180.0)]
    write_take(tmp_path / "starss", "fold3_room1_mix001", sounds, seconds=8.0, size=(128, 64))
    arguments = ["--starss", tmp_path / "starss", "--out", tmp_path / "out", "--processes", "1"]
    for extra in ([], ["--json"]):
        assert main(["dataset", "build", *map(str, arguments), *extra]) == 0
        text = capsys.readouterr().out
        assert "all 252 windows broke a rule, 252 of them for a sound off screen" in text
    assert json.loads(text)["clips"] == 0


def test_command_for_the_evaluation_split(starss, tmp_path, capsys):
    arguments = ("--starss", starss, "--out", tmp_path, "--split", "eval", "--preset", "evaluation")
    assert main(["dataset", "build", *map(str, arguments), "--processes", "2", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    bench = SavgBench(tmp_path, "eval")
    assert len(bench) == values["clips"] > 0
    assert (tmp_path / "SAVGBench_Dataset_Evaluation/metadata_eval").is_dir()
