"""Uploaded videos get new audio beside their own: what is stored, refused, stopped and forgotten."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import studio_fakes
from videos import make_video

from savg.audio.loudness import integrated_loudness
from savg.errors import MediaError, SavgError
from savg.format import SAVGBENCH
from savg.media.audio_file import write_audio
from savg.media.audio_track import audio_of
from savg.media.comment import read_comment
from savg.media.probe import video_info
from savg.pipelines.audio_settings import settings_of
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import DONE, FAILED, STOPPED, Job
from savg.studio.shared.library import POSTER, VIDEO, Library
from savg.studio.video_to_audio import tab
from savg.studio.video_to_audio.resound import ResoundRequest, find_source
from savg.studio.video_to_audio.uploads import Uploads

H264 = ("libx264", "aac")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    services = studio_fakes.services(seconds=0.002, both=True)
    return Context(services, Library(tmp_path / "library"), AnnotationCache(services))


def person_film(
    path: Path, x: float, size: tuple[int, int] = (256, 144), seconds: float = 2
) -> Path:
    """A video in which somebody in blue stands at x of 0 … 1, with a tone at both sides alike."""
    width, height = size
    rate, samples = 16_000, round(seconds * 16_000)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="stereo")
        for _ in range(round(seconds * 8)):
            image = np.full((height, width, 3), 120, np.uint8)
            left = round(x * width) - width // 10
            image[height // 5 :, left : left + width // 5] = (20, 30, 160)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(video.encode(None))
        tone = np.float32(0.02) * np.sin(2 * np.pi * 300 * np.arange(samples) / rate)
        block = av.AudioFrame.from_ndarray(
            np.stack([tone, tone]).astype(np.float32), "fltp", "stereo"
        )
        block.sample_rate = rate
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


class Visitors:
    """A studio's uploads, and what its visitors do with them."""

    def __init__(self, context: Context) -> None:
        self.context, self.uploads = context, Uploads()

    def upload(self, path: Path, visitor: str = "me") -> str:
        return self.uploads.receive(path, path.name, visitor).key

    def receive(self, path: Path) -> list:
        return tab.receive_video(self.context, self.uploads, str(path), "me", [])

    def request(self, key: str | None, visitor: str = "me", **changes) -> ResoundRequest:
        source = find_source(self.context, self.uploads, visitor, key)
        settings = {"pipeline": "second", "seed": 3, "steps": 4, "guidance": 4.5} | changes
        return ResoundRequest(self.context, source, **settings)

    def run(self, request: ResoundRequest, job: Job | None = None) -> list[list]:
        task = tab.task(self.context, self.uploads, "me", request, ["old"])
        return list(tab.long_job(self.context).follow(job or Job(), task))


@pytest.fixture
def visitors(context: Context) -> Visitors:
    return Visitors(context)


def level_difference(path: Path) -> float:
    left, right = np.square(audio_of(path, float(video_info(path).seconds))).mean(axis=1)
    return 10 * np.log10(left / right)


@pytest.mark.parametrize(("x", "sign"), [(0.15, 1), (0.85, -1)])
def test_left_is_left_from_the_upload_to_the_download(
    context: Context, visitors: Visitors, tmp_path: Path, x: float, sign: int
) -> None:
    source = person_film(tmp_path / "holiday.mp4", x)
    source_packets = [bytes(p) for p in av.open(str(source)).demux(video=0) if p.size]
    updates = visitors.run(visitors.request(visitors.upload(source)))
    last = updates[-1]
    assert last[1]["state"] == DONE, last[0]
    new, own = last[2]["versions"]
    assert (new["label"], own["label"]) == ("New audio", "Its own audio")
    stored = context.library[new["id"]]
    assert sign * level_difference(stored.path(VIDEO)) > 6
    assert abs(level_difference(context.library[own["id"]].path(VIDEO))) < 0.2
    packets = [bytes(p) for p in av.open(str(stored.path(VIDEO))).demux(video=0) if p.size]
    assert packets == source_packets  # the visitor's own frames, byte for byte
    assert new["annotation"]["alignment"]["tp"] > 0
    assert (
        stored.title == "holiday, new audio"
        and own["downloads"][0]["name"] == "holiday-own-audio.mp4"
    )
    assert new["downloads"][0]["name"].startswith("holiday-new-audio-")
    assert "-seed-" in new["downloads"][0]["name"]
    assert new["downloads"][0]["label"] == "Video"
    assert last[3] == [new["id"], own["id"], "old"]
    assert not source.exists()  # taken over, and not served
    shares = [u[1]["share"] for u in updates]
    assert shares == sorted(shares)
    assert stored.path(POSTER).is_file()


def test_both_tracks_are_played_equally_loud_and_nothing_is_normalised(
    context: Context, visitors: Visitors, tmp_path: Path
) -> None:
    key = visitors.upload(person_film(tmp_path / "a.mp4", 0.5))
    value = visitors.run(visitors.request(key))[-1][2]
    new, own = value["versions"]
    assert own["quieter"] == 0 and new["quieter"] > 10
    loudness = []
    for version in (new, own):
        path = context.library[version["id"]].path(VIDEO)
        sound = audio_of(path, float(video_info(path).seconds))
        loudness.append(integrated_loudness(sound) - version["quieter"])
    assert loudness[0] == pytest.approx(loudness[1], abs=0.3)
    assert f"played {new['quieter']:.1f} dB quieter" in value["level"]
    peak = np.abs(audio_of(context.library[new["id"]].path(VIDEO), 2.0)).max()
    assert peak == pytest.approx(0.3 * np.cos(np.pi / 4), rel=0.1)  # as the networks made it


def test_a_silent_video_has_no_audio_to_compare_with(visitors: Visitors, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", seconds=2, audio=False)
    value = visitors.run(visitors.request(visitors.upload(path)))[-1][2]
    assert [version["label"] for version in value["versions"]] == ["New audio"]
    assert value["missing"] == "This video has no audio of its own." and value["level"] == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tall.mkv", {"width": 90, "height": 160, "fps": 25}),
        ("fast.mp4", {"width": 320, "height": 240, "fps": 50, "codecs": H264}),
        ("mono.avi", {"channels": 1, "fps": 10}),
        ("odd.mkv", {"seconds": 1.3, "fps": 7, "channels": 6}),
    ],
)
def test_size_rate_and_length_stay(
    context: Context, visitors: Visitors, tmp_path: Path, name, options
) -> None:
    path = make_video(tmp_path / name, **({"seconds": 2.0} | options))
    before = video_info(path)
    value = visitors.run(visitors.request(visitors.upload(path)))[-1][2]
    assert len(value["versions"]) == 2
    for version in value["versions"]:
        after = video_info(context.library[version["id"]].path(VIDEO))
        assert (after.width, after.height) == (before.width, before.height)
        assert float(after.fps) == pytest.approx(float(before.fps), rel=0.02)
        assert after.channels == 2
    new = context.library[value["versions"][0]["id"]].path(VIDEO)
    with av.open(str(new)) as container:
        audio = container.streams.audio[0]
        lasts = float(audio.duration * audio.time_base)
    assert lasts == pytest.approx(options.get("seconds", 2.0), abs=0.15)


def test_bad_uploads_are_one_sentence_with_the_owners_name(
    visitors: Visitors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = np.zeros((2, 16_000), np.float32)
    cases = {
        "text.mp4": (lambda p: p.write_text("no video"), "is not a video"),
        "empty.mp4": (lambda p: p.write_bytes(b""), "is not a video"),
        "song.wav": (lambda p: write_audio(p, silence, 16_000), "has no frames"),
        "long.mkv": (
            lambda p: make_video(p, seconds=40, fps=2),
            "must be a video of at most 30 s, got 40 s",
        ),
    }
    for name, (write, words) in cases.items():
        write(tmp_path / name)
        update = visitors.receive(tmp_path / name)
        message = update[0]["value"]["text"]
        assert name in message and words in message and str(tmp_path) not in message
        assert message.count(". ") == 0 and not (tmp_path / name).exists()
    monkeypatch.setattr("savg.studio.video_to_audio.uploads.MAX_BYTES", 1000)
    person_film(tmp_path / "large.mp4", 0.5)
    update = visitors.receive(tmp_path / "large.mp4")
    assert "“large.mp4” must be a video of at most" in update[0]["value"]["text"]
    assert visitors.uploads.all_of("me") == []
    good = person_film(tmp_path / "good.mp4", 0.5)
    monkeypatch.undo()
    notice, video = visitors.receive(good)
    assert not notice["visible"] and video["choices"][0] == ("good.mp4", video["value"])
    assert "256×144, 8 frames a second, 2 s, stereo audio" in video["info"]


def test_a_video_that_breaks_off_is_told_by_its_owners_name(
    context: Context, visitors: Visitors, tmp_path: Path
) -> None:
    whole = make_video(tmp_path / "w.mkv", seconds=8, fps=25, codecs=H264).read_bytes()
    half = tmp_path / "half.mkv"
    half.write_bytes(whole[: len(whole) // 3] + bytes(2000) + whole[len(whole) // 2 :])
    last = visitors.run(visitors.request(visitors.upload(half)))[-1]
    if last[1]["state"] == FAILED:
        text = last[0]["value"]["text"]
        assert "half.mkv" in text and str(tmp_path) not in text and "/" not in text
        assert not list(context.library.root.iterdir())
    else:
        assert last[1]["state"] == DONE


def test_a_visitors_videos_are_its_own_and_go_with_it(
    context: Context, visitors: Visitors, tmp_path: Path
) -> None:
    key = visitors.upload(person_film(tmp_path / "a.mp4", 0.5))
    packets = visitors.uploads.get(key, "me").path
    assert visitors.uploads.get(key, "you") is None and visitors.uploads.all_of("you") == []
    with pytest.raises(SavgError, match="no longer here"):
        visitors.request(key, visitor="you")
    value = visitors.run(visitors.request(key))[-1][2]
    folders = [context.library[version["id"]].folder for version in value["versions"]]
    context.library.forget(visitors.uploads.forget("me"))
    assert not packets.exists() and not any(folder.exists() for folder in folders)
    with pytest.raises(SavgError, match="no longer here"):
        visitors.request(key)


def test_old_videos_go_when_there_are_too_many(tmp_path: Path) -> None:
    uploads = Uploads(max_videos=2)
    keys = [
        uploads.receive(person_film(tmp_path / f"{i}.mp4", 0.5), f"{i}.mp4", "me").key
        for i in range(3)
    ]
    assert uploads.get(keys[0], "me") is None
    assert [source.key for source in uploads.all_of("me")] == [keys[2], keys[1]]


def test_videos_of_others_stay(tmp_path: Path) -> None:
    uploads = Uploads(max_videos=1)
    films = [person_film(tmp_path / f"{i}.mp4", 0.5) for i in range(3)]
    anna = uploads.receive(films[0], "a.mp4", "anna").key
    for film in films[1:]:
        uploads.receive(film, "b.mp4", "ben")
    assert uploads.get(anna, "anna") is not None and len(uploads.all_of("ben")) == 1
    assert uploads.owners() == {"anna", "ben"}
    assert len(list(uploads.storage.videos.iterdir())) == 2


@pytest.mark.parametrize("words", ["Reading", "Audio: step 2", "Looking"])
def test_a_stop_leaves_nothing(
    context: Context, visitors: Visitors, tmp_path: Path, words: str
) -> None:
    key = visitors.upload(person_film(tmp_path / "a.mp4", 0.5))
    job, seen = Job(), []
    step = job.step

    def watched(done, total, text, preview=None):
        seen.append(text)
        if text.startswith(words):
            job.cancel()
        return step(done, total, text, preview)

    job.step = watched
    last = visitors.run(visitors.request(key), job)[-1]
    assert last[1]["state"] == STOPPED and any(text.startswith(words) for text in seen)
    assert not context.library.root.exists() or not list(context.library.root.iterdir())
    assert visitors.uploads.get(key, "me") is not None  # it may be tried again


def test_clips_of_the_studio_get_audio_too(context: Context, visitors: Visitors) -> None:
    stored = context.library.add(studio_fakes.scene(1), "Seed 1", "test")
    value = visitors.run(visitors.request(stored.key))[-1][2]
    assert value["versions"][0]["annotation"]["format"]["seconds"] == SAVGBENCH.seconds
    keys = [version["id"] for version in value["versions"]]
    new = context.library[keys[0]].path(VIDEO)
    offered = tab.video_choices(context, visitors.uploads, "me", [*keys, stored.key])
    assert offered == [("Seed 1", stored.key)]  # what was made is not offered again
    assert level_difference(new) < -3 and video_info(new).fps == Fraction(4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": ""}, "Choose a video first"),
        ({"key": None}, "Choose a video first"),
        ({"key": "../../etc/passwd"}, "no longer here"),
        ({"pipeline": "x"}, "not known"),
        ({"seed": -1}, "Seed must be a whole number"),
        ({"steps": 1000}, "Steps must be a whole number in 1..60"),
        ({"guidance": float("nan")}, "Guidance must be from 0 to 15"),
        ({"guidance": "4"}, "Guidance must be from 0 to 15"),
    ],
)
def test_impossible_requests_are_refused(
    context: Context, visitors: Visitors, changes: dict, words: str
) -> None:
    stored = context.library.add(studio_fakes.scene(0), "Seed 0", "test")
    settings = {"key": stored.key} | changes
    with pytest.raises(SavgError, match=words):
        visitors.request(**settings)


def test_boxes_reach_the_flow_network(context: Context, visitors: Visitors) -> None:
    stored = context.library.add(studio_fakes.scene(0), "Seed 0", "test")
    sound = context.services.audio_pipeline("second")
    visitors.run(visitors.request(stored.key))
    last = visitors.run(visitors.request(stored.key, boxes=False, guidance=2.0))[-1]
    assert [call["boxes"] for call in sound.calls] == [True, False]
    assert sound.calls[1] == {"seed": 3, "steps": 4, "guidance": 2.0, "boxes": False}
    assert last[2]["versions"][0]["origin"].endswith("guidance 2, without boxes")


def test_a_library_that_cannot_write_is_a_message(
    context: Context, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = context.library.add(studio_fakes.scene(0), "Seed 0", "test")

    def fail(*_args, **_options):
        raise MediaError("The disk is full.")

    monkeypatch.setattr("savg.studio.video_to_audio.resound.with_audio", fail)
    last = visitors.run(visitors.request(stored.key))[-1]
    assert last[1]["state"] == FAILED and "The disk is full" in last[0]["value"]["text"]
    assert [path.name for path in context.library.root.iterdir()] == [stored.key]


@pytest.mark.parametrize(("x", "azimuth"), [(0.15, 39.8), (0.85, -39.8)])
def test_its_own_audio_is_moved_with_the_person(
    context: Context, visitors: Visitors, tmp_path: Path, x: float, azimuth: float
) -> None:
    key = visitors.upload(person_film(tmp_path / "holiday.mp4", x))
    updates = visitors.run(visitors.request(key, pipeline="pan"))
    assert updates[-1][1]["state"] == DONE, updates[-1][0]
    new, own = updates[-1][2]["versions"]
    stored = context.library[new["id"]]
    law = 20 * np.log10((1 + np.sin(np.deg2rad(azimuth))) / (1 - np.sin(np.deg2rad(azimuth))))
    assert level_difference(stored.path(VIDEO)) == pytest.approx(law, abs=1)
    assert stored.origin == "Pan, its own audio with the person seen longest"
    kept = settings_of(read_comment(stored.path(VIDEO)))
    assert kept == stored.settings and kept.pipeline == "pan" and kept.person == "longest"
    command = "python -m savg v2a holiday.mp4 --pipeline pan --seed 3 --audio own --person longest"
    assert new["command"] == f"{command} --detector yolox --out sounding" and not new["link"]
    assert own["label"] == "Its own audio"


def test_a_silent_video_has_nothing_to_move_but_what_the_network_makes(
    context: Context, visitors: Visitors, tmp_path: Path
) -> None:
    silent = make_video(tmp_path / "a.mkv", seconds=2, audio=False)
    key = visitors.upload(silent)
    with pytest.raises(
        SavgError, match="“a” has no audio of its own to move: choose audio that the"
    ):
        visitors.request(key, pipeline="pan")
    value = visitors.run(visitors.request(key, pipeline="pan", moved="network"))[-1]
    assert (
        value[1]["state"] == FAILED
        and "No person was found in the video" in value[0]["value"]["text"]
    )
    for name, wrong in (("moved", "mine"), ("person", 9), ("person", True), ("moved", ["own"])):
        with pytest.raises(SavgError, match="must be one of the list"):
            visitors.request(key, pipeline="pan", **{"moved": "network", name: wrong})
