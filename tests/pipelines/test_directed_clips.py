"""Clips that are told what to be: by Python, by the command line, and left open."""

from __future__ import annotations

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.annotation import Boxes
from savg.cli import generate, main
from savg.cli.directing import direction_of
from savg.errors import SavgError
from savg.models.direction import CONDITIONS, without
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.video_unet import CONFIGS as VIDEO
from savg.models.visual_flow import VisualFlow
from savg.pipelines import two_stage, video_to_audio
from savg.pipelines.description import descriptions
from savg.pipelines.direction import Directed, Direction
from savg.pipelines.direction_text import FRAMES_ONLY
from savg.pipelines.joint import JointPipeline
from savg.pipelines.joint import tiny as undirected
from savg.pipelines.settings import GenerationSettings
from savg.pipelines.two_stage import TwoStagePipeline
from savg.pipelines.video import VideoPipeline
from savg.pipelines.video_to_audio import VideoToAudio
from savg.video import Video

POINTS = 3


@pytest.fixture(scope="module")
def pipeline() -> JointPipeline:
    return JointPipeline.random(replace(JOINT["tiny"], direction=POINTS), None)


def test_a_directed_clip_depends_on_seed_number_and_direction_alone(
    pipeline: JointPipeline,
) -> None:
    direction = Direction("speech", (40, 200), 1)
    together = pipeline(2, seed=3, direction=direction)
    alone = pipeline(1, seed=3, first=1, direction=direction)[0]
    assert np.array_equal(alone.video, together[1].video)
    np.testing.assert_allclose(alone.audio, together[1].audio, atol=1e-4)
    left_open = pipeline(1, seed=3, first=1, direction=Direction())[0]
    assert np.array_equal(left_open.audio, pipeline(1, seed=3, first=1)[0].audio)
    for other in (
        Direction("instrument", (40, 200), 1),
        Direction("speech", (200, 40), 1),
        Direction("speech", (40, 200), 2),
        replace(direction, weights={"x": 3}),
    ):
        changed = pipeline(1, seed=3, first=1, direction=other)[0]
        assert np.abs(changed.audio - alone.audio).max() > 1e-5, other


def test_weights_add_what_a_condition_changes() -> None:
    direction = Direction("speech", (64,), None, {"x": 2.5, "people": 4.0})
    directed = Directed.of(direction, POINTS)
    # People are left open: their weight asks for nothing.
    assert [share for share, _ in directed.variants] == [2.5, -1.5]
    told = directed.variants[0][1]
    assert told[0, 0] == 0 and torch.equal(told[0, 2:], torch.full((POINTS,), -0.5))

    def network(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (rows.nan_to_num(0.0).sum(dim=1),)

    (predicted,) = directed.predict(network, 2)
    (complete,), (open_x,) = network(told.expand(2, -1)), network(without(told, "x").expand(2, -1))
    torch.testing.assert_close(predicted, complete + 1.5 * (complete - open_x))
    assert torch.equal(directed.mirrored().variants[0][1][0, 2:], torch.full((POINTS,), 0.5))
    assert set(CONDITIONS) == {"sound", "people", "x"}


def test_weights_without_directions_say_so() -> None:
    plain = undirected()
    with pytest.raises(SavgError, match="these joint weights were not trained with directions"):
        plain(direction=Direction("speech"))
    assert len(plain(direction=Direction())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sound": "song"}, "sound must be speech or instrument, got 'song'"),
        ({"people": 4}, r"people must be in 1\.\.3, got 4"),
        ({"people": True}, r"people must be in 1\.\.3, got True"),
        ({"x": (300,)}, r"x must be in 0\.\.256 pixels from the left, got 300"),
        ({"x": ()}, r"x must be 1\.\.256 places in pixels, got \(\)"),
        ({"x": (float("nan"),)}, r"x must be in 0\.\.256 pixels"),
        ({"weights": {"y": 1}}, "weights must be of sound, people, x, got 'y'"),
        ({"weights": {"x": -1}}, r"The weight of x must be in 0\.\.100, got -1"),
    ],
)
def test_what_cannot_be_asked_for(arguments: dict, message: str) -> None:
    with pytest.raises(SavgError, match=message):
        Direction(**arguments)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    generate.add_arguments(parser)
    return parser.parse_args([*words, "--out", "clips"])


def test_the_command_line_asks_for_the_same() -> None:
    assert direction_of(parsed()) is None
    assert direction_of(parsed("--say", "speech", "--x", "40")) == Direction("speech", (40.0,))
    asked = direction_of(
        parsed("--x-path", "40, 120,200", "--people", "2", "--strength", "x=2,people=1.5")
    )
    assert asked == Direction(None, (40.0, 120.0, 200.0), 2, {"x": 2.0, "people": 1.5})
    # The settings in a clip's file are a command line that asks for it again.
    settings = GenerationSettings("joint", 7, options=asked.to_options())
    again = GenerationSettings.from_text(settings.to_text())
    assert again == settings
    words = settings.command.split(" generate ")[1].replace("'", "").split(" --out")[0].split()
    assert direction_of(parsed(*words)) == asked


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--x", "40", "--x-path", "40,50"], "Either --x or --x-path must be given, got both"),
        (
            ["--x-path", "40,left"],
            "--x-path must be places in pixels such as 40,120,200, got 'left'",
        ),
        (["--x", "40", "--strength", "x"], "--strength must be CONDITION=NUMBER, got 'x'"),
        (["--strength", "x=2"], "--strength must come with --say, --x, --x-path or --people"),
    ],
)
def test_wrong_words_are_told(words: list[str], message: str) -> None:
    with pytest.raises(SavgError, match=message):
        direction_of(parsed(*words))


def test_audio_for_a_video_is_told_the_part_of_the_path_that_a_window_shows() -> None:
    direction = Direction("speech", (0, 100, 200), weights={"x": 2})
    part = direction.within(2.0, 4.0, 8.0, 3)
    assert part.x == pytest.approx((50, 100, 150)) and part.sound == "speech"
    assert part.weights == {"x": 2}
    still = Direction(x=(40,))
    assert still.within(2.0, 4.0, 8.0, 3) is still
    # Beyond the end the last place holds.
    assert direction.within(6.0, 4.0, 8.0, 3).x == pytest.approx((150, 200, 200))


def test_the_second_stage_is_directed_too() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), np.uint8)
    video = Video(frames, Fraction(4), Boxes.empty())
    pipeline = directed_audio()
    plain = pipeline.for_videos([video], seed=1)[0]
    told = pipeline.for_videos([video], seed=1, direction=Direction("speech", (20, 220)))[0]
    more = pipeline.for_videos(
        [video], seed=1, direction=Direction("speech", (20, 220), weights={"x": 4})
    )[0]
    assert plain.shape == told.shape == more.shape
    assert np.abs(plain - told).max() > 1e-5 and np.abs(told - more).max() > 1e-5
    again = pipeline.for_videos([video, video], seed=1, direction=Direction("speech", (20, 220)))[0]
    np.testing.assert_allclose(again, told, atol=1e-4)
    with pytest.raises(SavgError, match="these flow weights were not trained with directions"):
        video_to_audio.tiny().for_videos([video], direction=Direction("speech"))


def test_what_a_second_stage_without_directions_ignores_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = directed_frames()
    assert pipeline.ignored(Direction("speech")) == FRAMES_ONLY
    assert pipeline.ignored(Direction(x=(40,))) == FRAMES_ONLY
    assert pipeline.ignored(Direction(people=2)) == ""  # of the frames alone
    assert replace(pipeline, audio=directed_audio()).ignored(Direction("speech")) == ""
    assert two_stage.tiny().ignored(Direction("speech")) == ""  # which it refuses as a whole
    pipeline.save_pretrained(tmp_path / "weights")
    words = ["generate", "--pipeline", "two_stage", "--weights", str(tmp_path / "weights")]
    words += ["--steps", "1", "--audio-steps", "1", "--out", str(tmp_path / "clips")]
    for asked, told in ((["--x", "40"], 1), (["--people", "1"], 0)):
        assert main([*words, *asked]) == 0
        assert capsys.readouterr().err.count(FRAMES_ONLY) == told


def test_folders_tell_whether_the_audio_is_directed_too(tmp_path: Path) -> None:
    pipelines = {
        "frames": directed_frames(),
        "both": replace(directed_frames(), audio=directed_audio()),
        "neither": two_stage.tiny(),
    }
    told = {}
    for name, pipeline in pipelines.items():
        pipeline.save_pretrained(tmp_path / name)
        (description,) = descriptions(tmp_path / name)
        told[name] = description.takes_directions, description.directs_frames_only
    assert told == {"frames": (True, True), "both": (True, False), "neither": (False, False)}


def directed_frames() -> TwoStagePipeline:
    """The tiny pipeline with a network of frames that takes directions; that of audio takes none."""
    plain = two_stage.tiny()
    video = VideoPipeline.random(replace(VIDEO["tiny"], direction=POINTS), None)
    video.format = plain.video.format
    return replace(plain, video=video)


def directed_audio() -> VideoToAudio:
    """The tiny pipeline with a network that takes directions."""
    plain = video_to_audio.tiny()
    torch.manual_seed(1)
    flow = VisualFlow(replace(plain.flow.config, direction=POINTS)).eval()
    flow.load_state_dict(plain.flow.state_dict(), strict=False)
    assert flow.direction is not None
    torch.nn.init.normal_(flow.direction.weight, std=0.3)
    return replace(plain, flow=flow)
