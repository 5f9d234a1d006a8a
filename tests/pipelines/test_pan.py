"""A video's own audio moves with a person by the law of the data: levels, sides, whom it follows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from videos import make_video

from savg.annotation import Boxes
from savg.cli import main
from savg.cli import v2a as v2a_command
from savg.clip import Clip
from savg.detectors.nanodet import NanodetDetector
from savg.device import Compute, choose
from savg.errors import CheckpointError, SavgError
from savg.format import SAVGBENCH
from savg.geometry import rotate_foa
from savg.media.audio_file import write_audio
from savg.media.audio_track import audio_of
from savg.models.nanodet import CONFIGS, Nanodet
from savg.paths import assets_dir
from savg.pipelines import pan as pan_module
from savg.pipelines import video_to_audio
from savg.pipelines.base import AudioPipeline
from savg.pipelines.description import Description
from savg.pipelines.pan import PanPipeline, PanSettings, pan, tiny
from savg.pipelines.registry import AUDIO
from savg.pipelines.video_to_audio import VideoToAudio
from savg.video import Soundtrack, Video

RATE = 16_000
SECONDS = 5


def people(*paths: NDArray[np.float64], width: float = 30) -> Boxes:
    """Boxes of persons whose middles are at x [frames] of each path."""
    rows = [
        (frame, 0, x - width / 2, 90, x + width / 2, 180)
        for path in paths
        for frame, x in enumerate(path)
        if not np.isnan(x)
    ]
    table = np.array(rows, float)
    return Boxes(table[:, 0], table[:, 1], table[:, 2:])


def noise(channels: int = 2, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    one = 0.1 * rng.standard_normal((1, SECONDS * RATE))
    return np.repeat(one, channels, axis=0).astype(np.float32)


def video(boxes: Boxes | None, audio: NDArray[np.float32] | None = None) -> Video:
    frames = np.zeros((4 * SECONDS, 32, 32, 3), np.uint8)
    return Video(frames, Fraction(4), boxes, None if audio is None else Soundtrack(audio, RATE))


def pipeline(**settings: object) -> PanPipeline:
    return PanPipeline(
        PanSettings(sample_rate=RATE, **settings),
        choose("cpu", "float32"),
        {},  # type: ignore[arg-type]
    )


def levels(audio: NDArray[np.float32]) -> tuple[float, float]:
    left, right = 20 * np.log10(np.sqrt(np.square(audio, dtype=np.float64).mean(axis=1)) + 1e-12)
    return float(left), float(right)


def law(x: float, field_of_view: float = 100) -> float:
    """The level difference in dB of a source at x of 256 pixels, from the perspective by hand."""
    tangent = (128 - x) / 128 * np.tan(np.deg2rad(field_of_view / 2))
    sine = tangent / np.hypot(1, tangent)
    return 20 * np.log10((1 + sine) / (1 - sine))


@pytest.mark.parametrize("x", [20.0, 64.0, 128.0, 200.0])
def test_levels_follow_the_law(x: float) -> None:
    audio = pipeline()(video(people(np.full(20, x)), noise()))
    left, right = levels(audio)
    assert left - right == pytest.approx(law(x), abs=0.01)
    assert np.abs(audio.sum(axis=0) / 2 - noise(1)[0]).max() < 1e-6  # W stays what it was


def test_it_is_the_ambisonic_law_of_the_data() -> None:
    """Against FOA of a plane wave, rotated and decoded as recordings are."""
    mono = noise(1)[0]
    x = 200.0
    azimuth = np.arctan((128 - x) / 128 * np.tan(np.deg2rad(50)))
    plane_wave = np.stack([mono, 0 * mono, 0 * mono, mono])
    w, y, _, _ = rotate_foa(plane_wave, -float(np.rad2deg(azimuth)))  # the listener turns
    audio = pipeline()(video(people(np.full(20, x)), noise()))
    assert np.abs(audio - np.stack([w + y, w - y])).max() < 1e-6


def test_a_path_is_followed_smoothly() -> None:
    x = np.linspace(40, 216, 20)
    audio = pipeline()(video(people(x), np.full((1, SECONDS * RATE), 0.25, np.float32)))
    side = (audio[0] - audio[1]) / (audio[0] + audio[1])
    assert side[0] > 0.55 and side[-1] < -0.55 and (np.diff(side) < 1e-6).all()
    assert np.abs(np.diff(side)).max() < 2e-4  # no step between frames
    middle = np.arctan((128 - x[9]) / 128 * np.tan(np.deg2rad(50)))
    assert side[round(9.5 / 4 * RATE)] == pytest.approx(np.sin(middle), abs=0.01)


def test_gaps_are_filled_and_one_of_several_is_chosen() -> None:
    left, right = np.full(20, 50.0), np.full(20, 210.0)
    left[6:9] = np.nan
    both = video(people(left, right), noise())
    differences = [np.subtract(*levels(pipeline()(both, person=who))) for who in ("longest", 1, 2)]
    assert differences == pytest.approx([law(210), law(50), law(210)], abs=0.01)
    with pytest.raises(SavgError, match=r"a number in 1\.\.2, counted from the left"):
        pipeline()(both, person=3)
    with pytest.raises(SavgError, match="No person was found in the video"):
        pipeline()(video(Boxes.empty(), noise()))


def test_what_is_panned_is_mono_and_as_long_as_the_video() -> None:
    boxes = people(np.full(20, 64.0))
    stereo = noise() * np.array([[1.5], [0.5]], np.float32)
    given = Soundtrack(noise(1)[:, : 2 * RATE], RATE)
    audio = pipeline()(video(boxes, stereo))
    assert audio.shape == (2, SECONDS * RATE) and audio.dtype == np.float32
    assert np.subtract(*levels(audio)) == pytest.approx(law(64), abs=0.01)
    short = pipeline()(video(boxes), audio=given)
    assert short.shape == audio.shape and not short[:, 2 * RATE :].any() and short.any()


def test_loud_audio_is_made_quieter_not_clipped() -> None:
    tone = np.sin(np.arange(SECONDS * RATE) * 0.1).astype(np.float32)[None]
    audio = pipeline()(video(people(np.full(20, 40.0)), tone))
    assert np.abs(audio).max() == pytest.approx(1)
    assert np.subtract(*levels(audio)) == pytest.approx(law(40), abs=0.01)


@pytest.mark.parametrize("audio", [None, np.zeros((2, SECONDS * RATE), np.float32)])
def test_a_silent_video_is_told_in_one_sentence(audio: NDArray[np.float32] | None) -> None:
    with pytest.raises(SavgError, match=r"^The video has no audio of its own to pan: [^.]*\.$"):
        pipeline()(video(people(np.full(20, 40.0)), audio))


def test_other_audio_that_is_silent_is_not_called_the_videos_own() -> None:
    silence = Soundtrack(np.zeros((1, SAVGBENCH.samples), np.float32), SAVGBENCH.sample_rate)
    with pytest.raises(SavgError, match=r"^The audio that is to be panned must not be silent\.$"):
        pipeline()(video(people(np.full(20, 40.0)), noise()), audio=silence)


def test_wrong_choices_are_refused() -> None:
    one = video(people(np.full(20, 40.0)), noise())
    with pytest.raises(SavgError, match="these weights make no audio"):
        pipeline()(one, audio="network")
    with pytest.raises(
        SavgError, match="audio must be 'own', 'network' or a Soundtrack, got 'mine'"
    ):
        pipeline()(one, audio="mine")
    with pytest.raises(CheckpointError, match="audio must be 'own' without a 'sound'"):
        pipeline(audio="network")
    with pytest.raises(SavgError, match="boxes must come with the video or from a person detector"):
        pipeline()(video(None, noise()))


def test_another_field_of_view_is_another_angle() -> None:
    audio = pipeline(field_of_view=60.0)(video(people(np.full(20, 30.0)), noise()))
    assert np.subtract(*levels(audio)) == pytest.approx(law(30, 60), abs=0.01)


def test_a_flipped_video_has_swapped_channels() -> None:
    one = video(people(np.linspace(30, 90, 20)), noise())
    audio, flipped = (pipeline()(each) for each in (one, one.mirrored()))
    assert np.abs(audio - flipped[::-1]).max() < 1e-6


def test_a_clip_keeps_its_rate_and_frames() -> None:
    size = replace(SAVGBENCH, size=32, picture_height=18)
    clip = Clip(np.zeros((20, 32, 32, 3), np.uint8), noise(), size)
    made = PanPipeline(
        PanSettings(),
        choose("cpu", "float32"),
        {},
        lambda part: people(np.full(len(part.video), 64.0)),
    )
    moved = made.clip(clip)
    assert moved.format == size and (moved.video == clip.video).all()
    assert np.subtract(*levels(moved.audio)) == pytest.approx(law(64), abs=0.1)


def test_people_are_looked_for_at_the_frames_on_screen() -> None:
    seen: list[int] = []

    def persons(clip: Clip) -> Boxes:
        seen.extend(clip.video[:, 0, 0, 0].tolist())
        return people(np.full(len(clip.video), 64.0))

    frames = (
        np.zeros((75, 32, 32, 3), np.uint8) + np.arange(75, dtype=np.uint8)[:, None, None, None]
    )
    film = Video(frames, Fraction(25), audio=Soundtrack(noise(1), RATE))
    made = PanPipeline(PanSettings(sample_rate=RATE), choose("cpu", "float32"), {}, persons)
    steps: list[tuple[int, int]] = []
    made(film, on_step=lambda done, total, _: steps.append((done, total)))
    assert seen == [int((k + 0.5) / 8 * 25) for k in range(24)]  # 3 s at 8 a second
    assert steps == [(1, 2), (2, 2)]


def test_a_folder_of_pan_in_pan_is_refused(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path / "p")
    file = tmp_path / "p" / "pipeline.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "sound": {"pipeline": "pan"}}))
    with pytest.raises(
        CheckpointError, match="sound: pipeline must be one that makes audio, got 'pan'"
    ):
        PanPipeline.from_pretrained(tmp_path / "p", "cpu")
    file.write_text(json.dumps({**values, "pan": {"fps": 0}}))
    with pytest.raises(CheckpointError, match="fps must be"):
        PanPipeline.from_pretrained(tmp_path / "p", "cpu")


def test_a_saved_pan_keeps_the_detector_that_it_was_given(tmp_path: Path) -> None:
    found = NanodetDetector(Nanodet(CONFIGS["test"]))
    made = tiny().with_persons(found)
    assert tiny().components["persons"].origin == "random"
    assert "persons" not in made.components  # its licence and origin are not the other's
    made.save_pretrained(tmp_path / "p")
    loaded = PanPipeline.from_pretrained(tmp_path / "p", "cpu")
    assert isinstance(loaded.persons, NanodetDetector)
    assert loaded.persons.score_threshold == made.settings.score
    for key, value in found.model.state_dict().items():
        assert (loaded.persons.model.state_dict()[key] == value).all()
    alone = replace(made, settings=replace(made.settings, audio="own"), build_sound=None)
    alone.save_pretrained(tmp_path / "alone")
    loaded = PanPipeline.from_pretrained(tmp_path / "alone", "cpu")
    assert isinstance(loaded.persons, NanodetDetector)


def test_withholding_boxes_from_a_network_leaves_pan_its_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def persons(clip: Clip) -> Boxes:
        looked.append(len(clip.video))
        return people(np.full(len(clip.video), 64.0))

    monkeypatch.setattr(v2a_command, "person_detector", lambda *_, **__: persons)
    monkeypatch.setattr(AUDIO, "load", lambda *_: pipeline())
    source = make_video(tmp_path / "a.mkv")
    assert v2a(source, "--pipeline", "pan", "--no-boxes", "--out", tmp_path / "out") == 0
    assert looked


def test_the_bundled_weights_make_audio_unless_told_to_pan() -> None:
    assert AUDIO.load("demo", device="cpu").name == "video_to_audio"
    made = AUDIO.load("demo", "pan", device="cpu")
    assert isinstance(made, PanPipeline) and made.settings == PanSettings() and made.build_sound


def test_own_audio_is_panned_without_building_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def load(description: Description, compute: Compute) -> AudioPipeline:
        built.append(description.name)
        return video_to_audio.tiny()

    monkeypatch.setattr(VideoToAudio, "load", load)
    made = AUDIO.load("demo", "pan", device="cpu")
    assert isinstance(made, PanPipeline)
    made = made.with_persons(lambda clip: people(np.full(len(clip.video), 64.0)))
    one = video(people(np.full(20, 40.0)), noise())
    assert made.batch_size == 1 and made.total([Fraction(SECONDS)]) == dict(made.stages())["people"]
    made(one)
    assert not built
    made.stages(), made.for_videos([one, one], audio="network", steps=1)
    assert built == ["video_to_audio"], "once"


def test_a_network_that_does_not_fit_is_told_with_its_file(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path / "p")
    file = tmp_path / "p" / "pipeline.json"
    values = json.loads(file.read_text())
    values["pan"]["audio"] = "own"
    values["sound"]["sampler"]["overlap"] = -1
    file.write_text(json.dumps(values))
    made = PanPipeline.from_pretrained(tmp_path / "p", "cpu")
    one = video(people(np.full(20, 40.0)), noise())
    made(one)
    with pytest.raises(CheckpointError, match=r"pipeline\.json: sound: sampler: .*overlap must be"):
        made(one, audio="network")


def v2a(*arguments: object) -> int:
    """The command with the detector that finds drawn people."""
    return main(["v2a", *map(str, arguments), "--device", "cpu", "--detector", "yolox"])


def test_the_command_pans_the_clips_own_audio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From files to a file by the bundled weights, with each choice of what is moved."""
    source = tmp_path / "clip.mp4"
    shutil.copy(assets_dir() / "examples" / "joint_seed0_0.mp4", source)
    made = AUDIO.load("demo", "pan", device="cpu")
    monkeypatch.setattr(AUDIO, "load", lambda *_: made)
    out = tmp_path / "out"
    assert v2a(source, "--pipeline", "pan", "--out", out) == 0
    own, moved = (audio_of(f, 5, RATE) for f in (source, out / "clip.mp4"))
    assert own is not None and moved is not None
    middle = own.mean(axis=0), moved.mean(axis=0)
    assert np.corrcoef(*middle)[0, 1] > 0.98
    boxes = made.persons(Clip.read(source))  # type: ignore[misc]
    x = boxes.xyxy[:, [0, 2]].mean()
    assert np.subtract(*levels(moved)) == pytest.approx(law(float(x)), abs=1.5)
    write_audio(tmp_path / "tone.wav", noise(1), RATE)
    given = ("--audio", tmp_path / "tone.wav", "--person", 1)
    assert v2a(source, "--pipeline", "pan", "--out", tmp_path / "given", *given) == 0
    moved = audio_of(tmp_path / "given" / "clip.mp4", 5, RATE)
    assert moved is not None
    assert np.subtract(*levels(moved)) == pytest.approx(law(float(x)), abs=1)
    capsys.readouterr()
    silent = make_video(tmp_path / "silent.mkv", audio=False)
    assert v2a(silent, "--pipeline", "pan", "--out", tmp_path / "none") == 1
    told = capsys.readouterr().err
    assert f"error: {silent}: {pan_module.NO_AUDIO}" in told and "; people by yolox\n" in told
    for wrong, words in (
        (
            ("--person", "x"),
            "a number counted from the left, or a .json or .csv file, got 'x'",
        ),
        (("--audio", tmp_path / "no.wav"), "no.wav"),
    ):
        assert v2a(source, "--pipeline", "pan", "--out", tmp_path / "none", *wrong) == 1
        assert words in capsys.readouterr().err


def test_other_pipelines_have_no_such_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_video(tmp_path / "a.mkv")
    assert v2a(source, "--out", tmp_path / "out", "--person", 1) == 1
    told = capsys.readouterr().err
    assert "--person is an option of --pipeline pan and stereosync, not of video_to_audio" in told


def test_gains_are_those_of_the_middle_of_a_frame() -> None:
    from savg.detectors.tracking import Track

    frames = np.arange(4)
    x = np.array([40.0, 80, 120, 160])
    xyxy = np.stack([x - 10, x * 0, x + 10, x * 0 + 9], axis=1)
    audio = pan(np.ones(4 * 100, np.float32) * 0.2, 100, Track(frames, xyxy, frames >= 0), 1)
    for k in range(4):
        left, right = audio[:, k * 100 + 50]
        assert 20 * np.log10(left / right) == pytest.approx(law(x[k]), abs=0.2)
