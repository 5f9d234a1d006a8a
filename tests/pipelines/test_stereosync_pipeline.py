"""StereoSync: what steers a window, weights of conditions, drawn envelopes, and what is withheld."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from videos import make_video

from savg.annotation import Boxes
from savg.cli import main
from savg.detectors.tracking import Track
from savg.errors import CheckpointError, SavgError
from savg.media.audio_file import write_audio
from savg.media.audio_track import audio_of
from savg.media.comment import read_comment
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.stereosync import Conditions
from savg.pipelines.audio_settings import AudioSettings, settings_of
from savg.pipelines.envelope_file import Curve, read_curve
from savg.pipelines.registry import AUDIO
from savg.pipelines.steered_sampling import StereoSyncSampler
from savg.pipelines.stereosync import StereoSyncPipeline, tiny
from savg.pipelines.stereosync_features import boxes_of, drawn_envelope, envelope_of, level_values
from savg.video import Soundtrack, Video

LENGTHS = SequenceLengths(2, 16_000)
RATE = 16_000


def tone(level: float, seconds: float = 2.0) -> np.ndarray:
    """A tone of that RMS level."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sqrt(2) * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)


def video(seconds: int = 2, audio: np.ndarray | None = None, x: float = 60.0) -> Video:
    """A black video with somebody who stands at x."""
    count = 4 * seconds
    boxes = Boxes(
        np.arange(count), np.zeros(count), np.tile([x - 10, 90, x + 10, 150.0], (count, 1))
    )
    track = None if audio is None else Soundtrack(audio[None], RATE)
    return Video(np.zeros((count, 16, 16, 3), np.uint8), Fraction(4), boxes, track)


def test_the_level_of_mono_audio_at_the_latents_times() -> None:
    quiet_then_loud = np.concatenate([tone(0.001, 1.0), tone(0.1, 1.0)])
    envelope = envelope_of(quiet_then_loud, LENGTHS, 5)
    assert envelope.shape == (5, 63) and (envelope[4] == 1).all()
    np.testing.assert_allclose(envelope[:4, 2:30], 0.25, atol=0.01)  # −60 dB of 80
    np.testing.assert_allclose(envelope[:4, 33:60], 0.75, atol=0.01)  # −20 dB
    assert level_values(np.array([0.0, 1.0, 2.0])).tolist() == [0, 1, 1]
    drawn = drawn_envelope(lambda t: np.where(t < 1, 0.001, 0.1), 0.0, LENGTHS, 5)
    np.testing.assert_allclose(drawn[:, 2:30], envelope[:, 2:30], atol=0.01)
    later = drawn_envelope(lambda t: np.where(t < 1, 0.001, 0.1), 1.0, LENGTHS, 5)
    np.testing.assert_allclose(later[:4], 0.75, atol=1e-6)
    with pytest.raises(ValueError, match="one channel more than hops that fill 512 samples, got 4"):
        envelope_of(quiet_then_loud, LENGTHS, 4)


def test_boxes_of_a_window_are_those_on_screen() -> None:
    frames = np.arange(2, 7)
    corners = np.stack([frames * 10.0, frames * 0, frames * 10.0 + 5, frames * 0 + 9], axis=1)
    person = Track(frames, corners, np.ones(5, bool))
    boxes = boxes_of(
        person, Fraction(4), 1.0, 1.0, 8
    )  # eighths of the second that frames 4..7 fill
    assert boxes[:6, 0].tolist() == [40, 40, 50, 50, 60, 60] and np.isnan(boxes[6:]).all()


@pytest.fixture(scope="module")
def pipeline() -> StereoSyncPipeline:
    return tiny()


def steered(pipeline: StereoSyncPipeline, one: Video, **options: object) -> np.ndarray:
    return pipeline(one, seed=3, steps=2, **options)  # type: ignore[arg-type]


def test_audio_follows_each_source_and_what_is_withheld_is_not_followed(
    pipeline: StereoSyncPipeline,
) -> None:
    sound, other = tone(0.1), tone(0.01)
    own = steered(pipeline, video(audio=sound))
    assert own.shape == (2, 32_000) and own.std() > 0
    for different in (
        steered(pipeline, video(audio=sound, x=200.0)),
        steered(pipeline, video(audio=sound), envelope=Soundtrack(other[None], RATE)),
        steered(pipeline, video(audio=sound), envelope=None),
        steered(pipeline, video(audio=sound), semantic=None),
        steered(pipeline, video(audio=sound), boxes=False),
    ):
        assert np.abs(own - different).max() > 1e-6
    same = steered(pipeline, video(), envelope=Soundtrack(sound[None], RATE),
                   semantic=Soundtrack(sound[None], RATE))  # fmt: skip
    np.testing.assert_allclose(own, same, atol=1e-6)
    left = steered(pipeline, video(x=60), boxes=False, envelope=None, semantic=None)
    right = steered(pipeline, video(x=200), boxes=False, envelope=None, semantic=None)
    assert np.array_equal(left, right)


def test_a_mono_mix_does_not_tell_the_side(pipeline: StereoSyncPipeline) -> None:
    left, right = np.stack([tone(0.1), tone(0.02)]), np.stack([tone(0.02), tone(0.1)])
    one, other = (steered(pipeline, replace(video(), audio=Soundtrack(a, RATE)))
                  for a in (left, right))  # fmt: skip
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_drawn_envelope_steers_windows_of_a_long_silent_video(
    pipeline: StereoSyncPipeline,
) -> None:
    curve = Curve(np.array([0.0, 2.5, 2.6]), np.array([0.001, 0.001, 0.3]))
    late = steered(pipeline, video(4), envelope=curve)
    flat = steered(pipeline, video(4), envelope=Curve(np.array([0.0]), np.array([0.001])))
    assert late.shape == (2, 64_000)
    assert np.array_equal(late[:, :RATE], flat[:, :RATE])  # of the first window, 0 to 2 s, alone
    assert np.abs(late[:, -RATE:] - flat[:, -RATE:]).max() > 1e-6


def test_weights_are_the_formula() -> None:
    sampler = replace(StereoSyncSampler(), guidance=2.0, spatial=3.0, envelope=0.5)
    values = {"boxes": 1.0, "envelope": 10.0, "audio": 100.0}
    calls: list[list[str]] = []

    def v(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        names = [name for name, _ in conditions.given()]
        calls.append(names)
        return torch.full_like(x, sum(values[name] for name in names))

    given = Conditions(**{name: torch.zeros(1, 2, 2) for name in values})
    result = sampler.guided(v, given)(torch.zeros(1, 1), torch.zeros(1))
    assert float(result) == 111 + 2 * 1 - 0.5 * 10 + 1 * 111
    assert [len(names) for names in calls] == [3, 2, 2, 0]
    calls.clear()
    StereoSyncSampler().guided(v, given)(torch.zeros(1, 1), torch.zeros(1))
    absent = Conditions(boxes=torch.full((1, 2, 4), torch.nan))
    replace(StereoSyncSampler(), spatial=3.0).guided(v, absent)(torch.zeros(1, 1), torch.zeros(1))
    assert len(calls) == 2, "a weight of 1, or of what is not there, costs nothing"


def test_a_weight_makes_a_condition_count_more(pipeline: StereoSyncPipeline) -> None:
    plain = steered(pipeline, video())
    assert np.array_equal(plain, steered(pipeline, video(), weights={"spatial": 1.0}))
    assert np.abs(plain - steered(pipeline, video(), weights={"spatial": 4.0})).max() > 1e-6
    with pytest.raises(SavgError, match="weights must be of spatial, envelope, semantic, got 'x'"):
        steered(pipeline, video(), weights={"x": 1.0})
    with pytest.raises(SavgError, match="spatial must be ≥ 0, got -1"):
        steered(pipeline, video(), weights={"spatial": -1.0})


def test_wrong_sources_and_persons_are_told(pipeline: StereoSyncPipeline) -> None:
    with pytest.raises(SavgError, match="envelope must be 'own', a Soundtrack or None, got 'x'"):
        steered(pipeline, video(), envelope="x")
    with pytest.raises(SavgError, match="person must be 'longest' or a number in"):
        steered(pipeline, video(), person=2)


def test_parts_that_do_not_fit_are_told(tmp_path: Path, pipeline: StereoSyncPipeline) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    file = tmp_path / "p" / "pipeline.json"
    values = json.loads(file.read_text())
    for change, words in (
        (
            {"network": "vae"},
            "network: expected StereoSync, a mel VAE with a vocoder or Oobleck, a SELD",
        ),
        ({"sampler": {"spatial": -1}}, "spatial must be ≥ 0"),
        ({"sampler": {"seconds": 0.5, "overlap": 0}}, "sampler"),
        ({"sounds": "network"}, "SELD"),
    ):
        file.write_text(json.dumps({**values, **change}))
        with pytest.raises(CheckpointError, match=words):
            StereoSyncPipeline.from_pretrained(tmp_path / "p", "cpu")


def test_envelopes_are_read_from_json_and_csv(tmp_path: Path) -> None:
    files = {
        "a.json": '{"points": [[0, 0.1], [1.5, 0.3]]}',
        "b.json": "[[0, 0.1], [1.5, 0.3]]",
        "c.csv": "0,0.1\n1.5,0.3\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        curve = read_curve(tmp_path / name)
        np.testing.assert_allclose(curve(np.array([-1, 0.75, 9])), [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{}", r"points must be a list of \[seconds, level\], got None"),
        ("a.json", "[[0, 1, 2]]", "points must be a list"),
        ("a.json", '[[0, true]]', "points must be a list"),
        ("a.json", "[]", "a level for each time"),
        ("a.json", "[[1, 0.1], [1, 0.2]]", "must be ≥ 0 and rise"),
        ("a.csv", "0,1.5\n", r"in 0\.\.1, got 1\.5"),
        ("a.csv", "0\n", r"a\.csv, line 1: expected 2 columns"),
        ("a.csv", "0,loud\n", "cells must be numbers"),
        ("a.csv", "", "a level for each time"),
    ],
)  # fmt: skip
def test_files_that_hold_no_envelope_are_told(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SavgError, match=words) as caught:
        read_curve(tmp_path / name)
    assert name in str(caught.value)


def v2a(*arguments: object) -> int:
    return main(["v2a", "--pipeline", "stereosync", "--device", "cpu", *map(str, arguments)])


def test_the_command_steers_a_silent_video(
    tmp_path: Path,
    pipeline: StereoSyncPipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[dict[str, Any]] = []

    class Recorded(StereoSyncPipeline):
        def for_videos(self, *args: Any, **options: Any) -> list[np.ndarray]:
            calls.append(options)
            return super().for_videos(*args, **options)

    values = {field.name: getattr(pipeline, field.name) for field in fields(pipeline)}
    monkeypatch.setattr(AUDIO, "load", lambda *_: Recorded(**values))
    source = make_video(tmp_path / "silent.mkv", audio=False)
    pipeline.save_pretrained(tmp_path / "w")
    (tmp_path / "curve.csv").write_text("0,0.01\n1,0.1\n")
    write_audio(tmp_path / "tone.wav", tone(0.1)[None].repeat(2, axis=0), RATE)
    where = (source, "--weights", tmp_path / "w", "--steps", 2)
    out = tmp_path / "out"
    drawn = ("--envelope", tmp_path / "curve.csv", "--sounds-like", tmp_path / "tone.wav")
    strength = ("--strength", "spatial=2", "--strength", "envelope=0.5")
    assert v2a(*where, "--out", out, *drawn, *strength) == 0
    assert v2a(*where, "--out", out, "--envelope-from", tmp_path / "tone.wav", "--person", 1,
               "--sounds-like", "none") == 0  # fmt: skip
    made = audio_of(out / "silent.mp4", 1, RATE)
    assert made is not None and made.std() > 0
    told = settings_of(read_comment(out / "silent.mp4"))
    assert isinstance(told, AudioSettings) and told.video == "silent.mkv"
    assert (told.envelope, told.person, told.semantic) == ("tone.wav", "1", "none")
    first, second = calls
    assert isinstance(first["envelope"], Curve) and first["envelope"].levels.tolist() == [0.01, 0.1]
    assert isinstance(first["semantic"], Soundtrack) and second["semantic"] is None
    assert first["weights"] == {"spatial": 2.0, "envelope": 0.5}
    assert isinstance(second["envelope"], Soundtrack) and second["person"] == 1
    capsys.readouterr()
    for wrong, words in (
        (("--envelope", "own", "--envelope-from", tmp_path / "tone.wav"), "got both"),
        (("--strength", "spatial"), "--strength must be CONDITION=NUMBER, got 'spatial'"),
        (("--audio", "own"), "--audio is an option of --pipeline pan, not of stereosync"),
        (("--envelope", tmp_path / "none.csv"), "none.csv"),
    ):
        assert v2a(*where, "--out", out, *wrong) != 0
        assert words in capsys.readouterr().err
