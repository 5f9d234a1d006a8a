"""What a visitor draws over a video reaches the pipeline; what is no drawing is one sentence."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savg.errors import MediaError, SavgError
from savg.media.audio_file import write_audio
from savg.media.probe import VideoInfo
from savg.pipelines.audio_settings import AudioSettings
from savg.pipelines.box_path import BoxPath
from savg.pipelines.envelope_file import Curve
from savg.pipelines.optional_conditions import NO_DEPTH, NO_WORDS
from savg.pipelines.words import Words
from savg.studio.shared.choices import AudioChoice
from savg.studio.video_to_audio.drawing import MAX_TEXT, Drawing, read_drawing
from savg.studio.video_to_audio.levels import levels_of
from savg.studio.video_to_audio.recordings import Recordings
from savg.studio.video_to_audio.steering import Wishes, plain_steering, steering
from savg.studio.video_to_audio.uploads import Source
from savg.video import Soundtrack
from tests.media.test_recording import coded

KEY = "a" * 32
GOOD = {
    "video": KEY,
    "person": 1,
    "boxes": [[1.5, 100, 60, 140, 190], [0, 10, 60, 50, 190]],
    "envelope": "drawn",
    "onsets": [[1, -20], [0.2, -10.5]],
    "length": 0.5,
}


def choice(**kind: Any) -> AudioChoice:
    return AudioChoice("Made up", "", (1, 3, 60), lambda: None, 1.0, **kind)  # type: ignore[arg-type, return-value]


PAN, SYNC = (
    choice(follows=True),
    choice(steers=True, missing_words=lambda: NO_WORDS, missing_depth=lambda: NO_DEPTH),
)
WHOLE = choice(steers=True)
"""StereoSync that takes words and depth too."""


def source(channels: int = 2) -> Source:
    facts = VideoInfo(320, 180, Fraction(10), 3.0, channels)
    return Source(KEY, "holiday.mp4", Path("holiday.mp4"), facts)


def drawn(**changes: object) -> Drawing:
    return read_drawing(json.dumps(GOOD | changes), KEY)


def none(_: str) -> None:
    """No recording of any key."""


def test_a_drawing_is_read_in_the_order_of_time() -> None:
    drawing = drawn()
    assert drawing.boxes == ((0.0, 10, 60, 50, 190), (1.5, 100, 60, 140, 190))
    assert drawing.path is not None and drawing.path.held
    assert drawing.path.at(np.array([0.75]))[0].tolist() == [55, 60, 95, 190]
    assert drawing.onsets == ((0.2, -10.5), (1.0, -20.0))
    assert read_drawing("", KEY) == read_drawing(None, KEY) == Drawing()
    assert read_drawing(json.dumps(GOOD), "b" * 32) == Drawing()  # of the video before
    out = drawn(boxes=[[0, -40, -5, 60, 300]])
    assert out.boxes == ((0.0, 0, 0, 60, 256),)


def test_onsets_are_an_envelope_that_rises_at_once_and_falls_by_40_db() -> None:
    curve = drawn().curve
    assert curve is not None
    decibels = 20 * np.log10(
        np.maximum(curve(np.array([0.1, 0.2, 0.45, 0.9, 1.0, 1.25, 2.9])), 1e-9)
    )
    np.testing.assert_allclose(decibels[[1, 2, 4, 5]], [-10.5, -30.5, -20, -40], atol=0.6)
    assert decibels[0] < -100 and decibels[3] < -60 and decibels[6] < -100
    assert drawn(onsets=[]).curve is None
    assert drawn(onsets=[[0, -60]]).curve is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (5, "a text of at most 40000 characters"),
        ({"video": KEY}, "a text of at most"),
        ("x" * (MAX_TEXT + 1), "a text of at most"),
        ("{", "must be JSON"),
        ("[" * 20_000, "must be JSON"),
        ("[1]", "must be an object"),
        ({"person": "me"}, "The person must be one of those"),
        ({"person": 0}, "The person must be one of those"),
        ({"person": True}, "The person must be one of those"),
        ({"person": [1]}, "The person must be one of those"),
        ({"person": 10**30}, "The person must be one of those"),
        ({"envelope": 3}, "The envelope must be one of the list"),
        ({"envelope": "x" * 99}, "The envelope must be one of the list"),
        ({"length": 0}, "The length of an onset must be 0.05 to 5 s, got 0"),
        ({"length": "long"}, "The length of an onset"),
        ({"boxes": {"0": 1}}, "The boxes must be a list of 5 numbers each"),
        ({"boxes": [[0, 1, 2, 3]]}, "The boxes must be a list of 5 numbers each"),
        ({"boxes": [[0, 1, 2, 3, "4"]]}, "The boxes must be a list of 5 numbers each"),
        ({"boxes": [[0, 1, 2, 3, 4]] * 201}, "at most 200 boxes, got 201"),
        ({"boxes": [[0, 9, 9, 99, 99]] * 2}, "Two of the boxes must not be at one time"),
        ({"boxes": [[-1, 9, 9, 99, 99]]}, "Times of the boxes must be 0 to 30 s"),
        ({"boxes": [[31, 9, 9, 99, 99]]}, "Times of the boxes must be 0 to 30 s"),
        ({"boxes": [[0, 99, 9, 9, 99]]}, "A box must lie in the frame"),
        ({"boxes": [[0, 300, 9, 400, 99]]}, "A box must lie in the frame"),
        ({"onsets": [[0, 1]]}, "The level of an onset must be -60 to 0 dB, got 1"),
        ({"onsets": [[0, -5, 1]]}, "The onsets must be a list of 2 numbers each"),
        ({"boxes": [[float("nan"), 1, 2, 30, 40]]}, "must be finite"),
        ({"boxes": [[0, 1, 2, float("inf"), 40]]}, "must be finite"),
        ({"onsets": [[int("9" * 400), -5]]}, "must be finite"),
    ],
)  # fmt: skip
def test_what_is_no_drawing_is_one_sentence(text: object, words: str) -> None:
    if isinstance(text, dict) and "video" not in text:
        text = json.dumps(GOOD | text)
    with pytest.raises(SavgError, match=words) as caught:
        read_drawing(text, KEY)
    assert len(str(caught.value)) < 200


def test_pan_follows_drawn_boxes_a_person_or_nobody_in_vain() -> None:
    asked = steering(PAN, source(), Wishes(drawing=drawn()), none)
    assert isinstance(asked.options["person"], BoxPath) and asked.options["audio"] == "own"
    assert asked.words == "its own audio along 2 drawn boxes"
    assert asked.settings == {"audio": "own", "boxes": drawn().boxes}
    left = BoxPath(np.array([0.0]), np.array([[10.0, 60, 50, 190]]))
    wishes = Wishes(drawing=drawn(boxes=[], person=1), tracks=(left,))
    asked = steering(PAN, source(), wishes, none)
    assert asked.options["person"] is left and asked.settings["person"] == "1"
    assert asked.words == "its own audio with the first person from the left"
    for wishes, words in (
        (Wishes(drawing=drawn(boxes=[], person="longest"), tracks=()), "draw a box around"),
        (Wishes(drawing=drawn(boxes=[], person=3), tracks=(left,)), r"must be in 1\.\.1, got 3"),
        (Wishes(drawing=drawn(boxes=[], person="none")), "follow a person or a box"),
        (Wishes(moved="b" * 32, drawing=drawn()), "What is moved must be one of the list"),
        (Wishes(moved=["own"], drawing=drawn()), "What is moved must be one of the list"),
    ):
        with pytest.raises(SavgError, match=words):
            steering(PAN, source(), wishes, none)
    with pytest.raises(SavgError, match="“holiday” has no audio of its own to move"):
        steering(PAN, source(0), Wishes(drawing=drawn()), none)


def test_stereosync_gets_all_conditions_and_their_strengths() -> None:
    strengths = {"spatial": 2.0, "envelope": 1, "semantic": 1.0}
    asked = steering(SYNC, source(), Wishes(strengths=strengths, drawing=drawn()), none)
    assert isinstance(asked.options["envelope"], Curve) and asked.options["semantic"] == "own"
    assert asked.options["weights"] == {"spatial": 2.0}
    assert asked.words == (
        "along 2 drawn boxes, a drawn envelope with 2 onsets, strength spatial 2"
    )
    assert asked.settings["curve"][0][1] == 0 and asked.settings["semantic"] == "own"
    blind = Wishes(drawing=drawn(boxes=[], person="none", envelope="none"), semantic="none")
    asked = steering(SYNC, source(), blind, none)
    assert asked.options == {"boxes": False, "envelope": None, "semantic": None}
    for wishes, words in (
        (Wishes(strengths={"spatial": 9}), "Strength of spatial must be 0 to 5, got 9"),
        (Wishes(strengths={"spatial": "2"}), "Strength of spatial must be a number"),
        (Wishes(strengths={"spatial": float("nan")}), "Strength of spatial must be 0 to 5"),
        (Wishes(drawing=drawn(onsets=[])), "no onset yet"),
        (Wishes(drawing=drawn(envelope="c" * 32)), "Envelope must be one of the list"),
        (Wishes(semantic={"a": 1}), "Sounds like must be one of the list"),
    ):
        with pytest.raises(SavgError, match=words):
            steering(SYNC, source(), wishes, none)


def test_words_and_depth_are_followed_where_the_weights_take_them() -> None:
    wishes = Wishes(drawing=drawn(), words=" a woman speaks ", depth="none")
    asked = steering(WHOLE, source(0), wishes, none)
    assert asked.options["semantic"] == Words("a woman speaks") and asked.options["depth"] is None
    assert asked.settings["semantic"] == "a woman speaks" and asked.settings["depth"] == "none"
    assert asked.words.endswith("with 2 onsets, sounding like “a woman speaks”, no depth")
    asked = steering(WHOLE, source(), Wishes(), none)
    assert asked.options["depth"] == asked.options["semantic"] == "own"
    assert asked.settings["depth"] == "own" and "depth" not in asked.words
    plain = steering(SYNC, source(), Wishes(depth="none"), none)
    assert "depth" not in plain.options and "depth" not in plain.settings
    with pytest.raises(SavgError, match="words need weights trained with CLAP"):
        steering(SYNC, source(), Wishes(words="rain"), none)
    for wishes, told in (
        (Wishes(words=5), "Words must be one line of at most 200 characters"),
        (Wishes(words="a" * 201), "Words must be one line of at most 200 characters"),
        (Wishes(words="a\nb"), "Words must be one line of at most 200 characters"),
        (Wishes(words="own"), "Words must be such as “a woman speaks”, got 'own'"),
        (Wishes(words="rain.wav"), "Words must be such as"),
        (Wishes(depth="files"), "Depth must be one of the list, got 'files'"),
        (Wishes(depth=["own"]), "Depth must be one of the list"),
    ):
        with pytest.raises(SavgError, match=told):
            steering(WHOLE, source(), wishes, none)


def test_the_command_that_is_copied_says_the_words_and_the_depth() -> None:
    wishes = Wishes(drawing=drawn(boxes=[]), words="a woman speaks", depth="none")
    asked = steering(WHOLE, source(), wishes, none)
    settings = AudioSettings("holiday.mp4", "stereosync", 1, **asked.settings)
    assert "--sounds-like 'a woman speaks' --depth none" in settings.command
    assert AudioSettings.from_text(settings.to_text()) == settings


def test_a_video_without_audio_is_asked_for_an_envelope() -> None:
    for envelope in ("", "own"):
        wishes = Wishes(drawing=drawn(envelope=envelope))
        with pytest.raises(SavgError, match="“holiday” has no audio of its own: draw an envelope"):
            steering(SYNC, source(0), wishes, none)
    asked = steering(SYNC, source(0), Wishes(drawing=drawn()), none)
    assert asked.options["semantic"] is None and asked.words.endswith("with 2 onsets")
    assert plain_steering(SYNC, source(0), "own", 2).options == {"person": 2}  # withheld


def test_recordings_are_choices_of_their_owner(tmp_path: Path) -> None:
    recordings = Recordings()
    tone = 0.1 * np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    silence = np.zeros((1, 16_000))
    write_audio(tmp_path / "drum.wav", np.concatenate([tone[None], silence], 1), 16_000)
    one = recordings.receive(tmp_path / "drum.wav", "drum.wav", "me")
    assert one.seconds == 2 and not (tmp_path / "drum.wav").exists()
    assert one.levels[:20] == [-20.0] * 20 and one.levels[20:] == [-60.0] * 20
    wishes = Wishes(one.key, one.key, drawing=drawn(envelope=one.key))
    find = lambda key: recordings.get(key, "me")  # noqa: E731
    asked = steering(SYNC, source(), wishes, find)
    assert isinstance(asked.options["envelope"], Soundtrack)
    assert "the envelope of “drum.wav”, sounding of “drum.wav”" in asked.words
    assert asked.settings["envelope"] == asked.settings["semantic"] == "drum.wav"
    moved = steering(PAN, source(0), wishes, find)
    assert isinstance(moved.options["audio"], Soundtrack) and moved.settings["audio"] == "drum.wav"
    assert moved.words == "“drum.wav” along 2 drawn boxes"
    with pytest.raises(SavgError, match="must be one of the list"):
        steering(PAN, source(), wishes, lambda key: recordings.get(key, "you"))
    recordings.drop_all("me")
    assert not one.path.exists() and recordings.owners() == set()


def test_what_a_phone_records_is_a_recording(tmp_path: Path) -> None:
    """AAC, which libsndfile does not read."""
    made, recordings = coded(tmp_path / "memo.m4a"), Recordings()
    one = recordings.receive(made, "memo.m4a", "me")
    assert one.name == "memo.m4a" and one.seconds == pytest.approx(2, abs=0.06)
    assert one.path.suffix == "" and one.soundtrack().samples.shape[0] == 2
    assert np.median(one.levels) == pytest.approx(20 * np.log10(0.25 / np.sqrt(2)), abs=0.3)


def test_bad_recordings_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = Recordings()
    (tmp_path / "a.wav").write_text("no audio")
    write_audio(tmp_path / "b.wav", np.zeros((1, 16_000)), 16_000)
    write_audio(tmp_path / "long.wav", np.full((1, 1_000 * 40), 0.5), 1_000)
    for name, words in (("a.wav", "“a.wav” is not an audio file"), ("b.wav", "must not be silent")):
        with pytest.raises(MediaError, match=words) as caught:
            recordings.receive(tmp_path / name, name, "me")
        assert str(tmp_path) not in str(caught.value)
    assert recordings.receive(tmp_path / "long.wav", "long.wav", "me").seconds == 30
    write_audio(tmp_path / "c.wav", np.full((1, 16_000), 0.5), 16_000)
    monkeypatch.setattr("savg.studio.video_to_audio.recordings.MAX_BYTES", 1000)
    with pytest.raises(MediaError, match=r"“c\.wav” must be an audio file of at most"):
        recordings.receive(tmp_path / "c.wav", "c.wav", "me")


def test_levels_of_odd_audio() -> None:
    assert levels_of(Soundtrack(np.zeros((2, 1), np.float32), 16_000)) == [-60.0]
    assert levels_of(Soundtrack(np.ones((2, 4410), np.float32), 44_100)) == [0.0, 0.0]


def test_words_can_be_had_once_what_they_need_has_come() -> None:
    missing = ["CLAP is not here."]
    late = choice(steers=True, missing_words=lambda: missing[0])
    wishes = Wishes(drawing=drawn(), words="rain falls")
    with pytest.raises(SavgError, match="CLAP is not here"):
        steering(late, source(), wishes, none)
    missing[0] = ""  # fetched meanwhile
    assert steering(late, source(), wishes, none).options["semantic"] == Words("rain falls")
