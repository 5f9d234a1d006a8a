"""One seed for two pipelines, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import studio_fakes

from savg.errors import SavgError
from savg.media.probe import video_info
from savg.studio.generate import tab
from savg.studio.generate.comparison import TOO_FEW, newest
from savg.studio.generate.requests import TOGETHER, GenerateRequest, generate_choices
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import DONE, STOPPED, Job
from savg.studio.shared.library import RESULTS, Library


@pytest.fixture
def context(tmp_path: Path) -> Context:
    services = studio_fakes.services(seconds=0.01, both=True)
    return Context(services, Library(tmp_path / "library"), AnnotationCache(services))


def follow(context: Context, request: GenerateRequest, job: Job) -> Iterator[list]:
    return tab.long_job(context).follow(job, tab.task(context, request, [], {}))


def run(context: Context, request: GenerateRequest) -> list[list]:
    return list(follow(context, request, Job()))


def test_one_alone_is_the_natural_choice(context: Context) -> None:
    choices = generate_choices(context.services)
    assert list(choices) == ["fake", "second", TOGETHER]
    both = choices[TOGETHER]
    assert both.label == "Both, side by side" and both.names == ("fake", "second")
    assert both.steps == (4, 20, 100) and both.boxes
    assert list(generate_choices(studio_fakes.services())) == ["fake"]


def test_distilled_weights_keep_their_steps(context: Context) -> None:
    pipelines = context.services.pipelines
    pipelines["fake"] = replace(pipelines["fake"], steps=(8, 8, 8))
    choices = generate_choices(context.services)
    assert not choices["fake"].takes_steps and choices["fake"].evaluations(8, 2) == {"fake": 16}
    both = choices[TOGETHER]
    assert both.takes_steps and both.steps == pipelines["second"].steps
    assert both.evaluations(20) == {"fake": 8, "second": 20}
    last = run(context, GenerateRequest(context, TOGETHER, 4, 20, 1))[-1]
    made = [context.library[clip["id"]] for clip in last[2]["clips"]]
    assert sorted((clip.settings.pipeline, clip.settings.steps) for clip in made) == [
        ("fake", 8), ("second", 20),
    ]  # fmt: skip
    with pytest.raises(SavgError, match=r"Steps must be 8"):
        GenerateRequest(context, "fake", 0, 20, 1)
    pipelines["second"] = replace(pipelines["second"], steps=(6, 6, 6))
    both = generate_choices(context.services)[TOGETHER]
    assert not both.takes_steps and both.evaluations(both.steps[1]) == {"fake": 8, "second": 6}
    assert GenerateRequest(context, TOGETHER, 4, both.steps[1], 1).steps == 8


def test_one_seed_goes_to_both_and_both_have_scores(context: Context) -> None:
    updates = run(context, GenerateRequest(context, TOGETHER, 4, 6, 2))
    last = updates[-1]
    assert last[1]["state"] == DONE and "4 clips" in last[1]["text"]
    clips = {clip["title"]: clip for clip in last[2]["clips"]}
    assert set(clips) == {
        "Seed 4, joint", "Seed 4, two-stage", "Seed 4, clip 2, joint", "Seed 4, clip 2, two-stage",
    }  # fmt: skip
    joint, two = clips["Seed 4, joint"], clips["Seed 4, two-stage"]
    assert (joint["pair"], joint["place"], two["pair"], two["place"]) == (
        joint["id"],
        0,
        joint["id"],
        1,
    )
    assert clips["Seed 4, clip 2, two-stage"]["pair"] == clips["Seed 4, clip 2, joint"]["id"]
    for clip in clips.values():
        assert clip["tp"] > 0 and 0 < clip["score"] < 1
        stored = context.library[clip["id"]]
        path = stored.results("yolox") / f"{RESULTS}.json"
        assert clip["annotation"].endswith(path.as_posix())
        assert json.loads(path.read_text())["alignment"]["tp"] == clip["tp"]
    assert "Stand-in, 6 steps" in joint["origin"] and "Two stand-ins, 6 steps" in two["origin"]
    shares = [u[1]["share"] for u in updates]
    assert shares == sorted(shares)


class ToldJob(Job):
    """A job that keeps every text of its progress and stops itself at `stop`; updates show only what
    stands at their times."""

    def __init__(self, stop: str | None = None) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.stop = stop

    def step(self, done: float, total: float, text: str, *preview: Any) -> bool:
        self.texts.append(text)
        if self.stop and self.stop in text:
            self.cancel()
        return super().step(done, total, text, *preview)


def test_progress_names_the_pipeline_and_its_stage(context: Context) -> None:
    job = ToldJob()
    for _ in follow(context, GenerateRequest(context, TOGETHER, 0, 100, 1), job):
        pass
    assert any(text.startswith("Clip, joint: video and audio, step ") for text in job.texts)
    assert any(text.startswith("Clip, two-stage: video, step ") for text in job.texts), job.texts
    second = [text for text in job.texts if "two-stage: audio" in text]
    assert second and all(" of 5" in text for text in second)


def test_a_stop_in_the_second_keeps_the_first(context: Context) -> None:
    job = ToldJob(stop="two-stage: video")
    last = list(follow(context, GenerateRequest(context, TOGETHER, 0, 100, 1), job))[-1]
    assert last[1]["state"] == STOPPED and "1 clip of 2" in last[1]["text"]
    assert [clip["name"] for clip in last[2]["clips"]] == ["Joint"]


def test_boxes_are_an_option_of_the_second_stage(context: Context) -> None:
    two = context.services.pipeline("second")
    run(context, GenerateRequest(context, "second", 0, 4, 1))
    last = run(context, GenerateRequest(context, "second", 0, 4, 1, False))[-1]
    run(context, GenerateRequest(context, "fake", 0, 4, 1, False))  # it knows no such option
    assert two.boxes == [True, False]
    (clip,) = last[2]["clips"]
    assert clip["origin"].endswith("without boxes") and "pair" not in clip
    assert clip["title"] == "Seed 0"


def test_steps_are_within_what_both_can_do(context: Context) -> None:
    with pytest.raises(SavgError, match=r"Steps must be a whole number in 4\.\.100"):
        GenerateRequest(context, TOGETHER, 0, 150, 1)
    assert GenerateRequest(context, "fake", 0, 150, 1).steps == 150


def test_the_newest_pair_becomes_one_video(context: Context) -> None:
    last = run(context, GenerateRequest(context, TOGETHER, 4, 6, 2))[-1]
    own, scores = last[3], last[4]
    pair = newest(context, own, scores)
    assert [clip.title for clip in pair] == ["Seed 4, clip 2, joint", "Seed 4, clip 2, two-stage"]
    busy, done = tab.comparison(context, own, scores)
    assert busy[0]["value"]["kind"] == "busy" and not busy[1]["interactive"] and busy[2] == {}
    assert not done[0]["visible"] and done[1]["interactive"]
    assert done[2]["name"] == ("fake-seed-4-clip-2-and-second-seed-4-clip-2-comparison.mp4")
    path = Path(done[2]["url"].removeprefix("gradio_api/file="))
    assert path.parent.parent == pair[0].folder
    assert video_info(path).seconds == pytest.approx(10, abs=0.1)
    written = path.stat().st_mtime_ns
    assert list(tab.comparison(context, own, scores))[-1][2] == done[2]
    assert path.stat().st_mtime_ns == written


def test_clips_without_a_pair_are_compared_with_the_ones_before(context: Context) -> None:
    last = run(context, GenerateRequest(context, "fake", 4, 6, 3))[-1]
    own, scores = last[3], last[4]
    assert [c.title for c in newest(context, own, scores)] == [
        "Seed 4",
        "Seed 4, clip 2",
        "Seed 4, clip 3",
    ]
    assert newest(context, own[:1], scores) == []
    message = list(tab.comparison(context, own[:1], scores))[-1]
    assert message[0]["value"]["text"] == TOO_FEW and message[2] == {}
