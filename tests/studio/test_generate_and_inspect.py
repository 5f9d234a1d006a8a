"""What the tabs do behind the page: requests, opening a clip, uploads, and a page without strangers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import studio_fakes

from savg import studio
from savg.annotation import Boxes, SoundEvents
from savg.errors import SavgError
from savg.media.comment import write_png
from savg.metrics.spatial import spatial_av_align
from savg.pipelines.settings import GenerationSettings
from savg.studio import TABS, build
from savg.studio.generate import requests
from savg.studio.generate import tab as generate
from savg.studio.inspect import tab as inspect
from savg.studio.shared import components, theme
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import DONE, FAILED, STOPPED, Job
from savg.studio.shared.library import FRAME, Library

PACKAGE = Path(studio.__file__).parent


@pytest.fixture
def context(tmp_path: Path) -> Context:
    services = studio_fakes.services(seconds=0.002)
    library = Library(tmp_path / "library")
    return Context(services, library, AnnotationCache(services))


def run(context: Context, request: requests.GenerateRequest, job: Job | None = None) -> list[list]:
    task = generate.task(context, request, [], {})
    return list(generate.long_job(context).follow(job or Job(), task))


def test_generated_clips_come_one_by_one_with_their_scores(context: Context) -> None:
    updates = run(context, requests.GenerateRequest(context, "fake", 4, 6, 2))
    last = updates[-1]
    assert last[1]["state"] == DONE and last[1]["share"] == 1.0
    assert last[1]["preview"].startswith("data:image/jpeg;base64,")
    clips = last[2]["clips"]
    assert [clip["title"] for clip in clips] == ["Seed 4, clip 2", "Seed 4"]
    assert all(clip["tp"] > 0 and clip["fn"] > 0 and 0 < clip["score"] < 1 for clip in clips)
    view = last[5]
    assert (
        view["id"] == clips[1]["id"] and view["autoplay"] and view["annotation"]["distance"]["px"]
    )
    assert view["link"] == "?pipeline=fake&seed=4&steps=6"
    assert view["command"].startswith("python -m savg generate --pipeline fake --seed 4 --steps 6")
    assert last[3] == [clip["id"] for clip in clips]
    shares = [u[1]["share"] for u in updates]
    assert shares == sorted(shares)


def test_clip_i_of_a_seed_is_made_alone() -> None:
    calls = []

    def pipeline(num_clips: int, **options) -> list[str]:
        calls.append((num_clips, options["seed"], options["first"], options["steps"]))
        return ["clip"]

    assert requests.one_clip(pipeline, 3, 17, 9, None) == "clip"
    assert calls == [(1, 17, 3, 9)]


def test_a_stopped_request_keeps_what_is_done(context: Context) -> None:
    job = Job()
    task = generate.task(context, requests.GenerateRequest(context, "fake", 0, 150, 3), [], {})
    states = []
    for update in generate.long_job(context).follow(job, task):
        states.append(update[1])
        if len(update[2].get("clips", ())) == 1:
            job.cancel()
    assert states[-1]["state"] == STOPPED and "1 clip of 3" in states[-1]["text"]


@pytest.mark.parametrize(
    ("seed", "steps", "count", "words"),
    [
        (None, 10, 1, "Seed must be a whole number"),
        (-1, 10, 1, "Seed must be a whole number"),
        (float("nan"), 10, 1, "Seed must be a whole number"),
        ("3", 10, 1, "Seed must be a whole number"),
        (1, 10_000, 1, "Steps must be a whole number in 4..200"),
        (1, 10, 10**9, "Clips must be a whole number in 1..8"),
    ],
)
def test_impossible_requests_are_refused(context, seed, steps, count, words) -> None:
    with pytest.raises(SavgError, match=words):
        requests.GenerateRequest(context, "fake", seed, steps, count)


def test_an_unknown_pipeline_is_refused(context: Context) -> None:
    with pytest.raises(SavgError, match="not known"):
        requests.GenerateRequest(context, "__class__", 0, 10, 1)


def test_a_failing_pipeline_is_a_message(context: Context) -> None:
    class Failing(studio_fakes.FakePipeline):
        def __call__(self, *_args, **_options):
            raise SavgError("The weights are not there.")

    context.services._loaded["pipeline fake"] = Failing()
    last = run(context, requests.GenerateRequest(context, "fake", 0, 5, 1))[-1]
    assert last[1]["state"] == FAILED
    assert last[0]["value"]["text"] == "The weights are not there." and last[0]["visible"]


def opened(context: Context, key: str | None, detector: str = "yolox") -> list[list]:
    return list(inspect.open_clip(context, key, detector, []))


def test_opening_a_clip_shows_it_first_and_then_the_rest(context: Context) -> None:
    stored = context.library.add(studio_fakes.scene(0), "Anna & <b>Ben</b>", "test")
    updates = opened(context, stored.key)
    first = next(u[2] for u in updates if isinstance(u[2], dict) and "annotation" in u[2])
    last = updates[-1][2]
    assert first["title"] == "Anna & <b>Ben</b>" and first["crop"] == {"top": 56, "bottom": 200}
    waiting = {d["label"] for d in first["downloads"] if d["url"] is None}
    assert waiting == {"Overlay video"}
    assert all(d["url"] for d in last["downloads"])
    results = stored.results("yolox")
    assert json.loads((results / "clip.json").read_text()) == last["annotation"]
    events = SoundEvents.read_csv(results / "clip.events.csv")
    assert len(events) == len(last["annotation"]["events"])
    assert len(Boxes.read_csv(results / "clip.boxes.csv")) == 20
    figures = next(u[3:] for u in updates if hasattr(u[3], "to_plotly_json"))
    assert all(hasattr(figure, "to_plotly_json") for figure in figures)


def test_the_shuffled_baseline_is_that_of_the_examples(context: Context) -> None:
    sides = {seed: context.library.add(studio_fakes.scene(seed), "clip", "test") for seed in (0, 1)}
    context = replace(context, examples=(sides[0].key, sides[1].key))
    last = opened(context, sides[0].key)[-1][2]["annotation"]
    other = studio_fakes.find_sounds(studio_fakes.scene(1))
    boxes = studio_fakes.find_persons(studio_fakes.scene(0))
    assert last["nulls"]["shuffled"] == pytest.approx(
        spatial_av_align(other, boxes).score, abs=0.03
    )
    assert json.loads((sides[0].results("yolox") / "clip.json").read_text()) == last


def test_each_detector_has_its_own_results(context: Context) -> None:
    stored = context.library.add(studio_fakes.scene(0), "clip", "test")
    by_colour = opened(context, stored.key)[-1][2]
    nobody = opened(context, stored.key, "none")[-1][2]
    assert by_colour["annotation"]["alignment"]["tp"] > 0
    assert nobody["annotation"]["alignment"]["tp"] == 0
    assert by_colour["downloads"][-1]["url"] != nobody["downloads"][-1]["url"]
    assert opened(context, stored.key, "../x")[-1][2]["annotation"] == by_colour["annotation"]


def test_unknown_clips_are_a_message(context: Context) -> None:
    assert opened(context, None) == []
    assert "no longer here" in opened(context, "../../etc/passwd")[-1][1]["value"]["text"]


def test_uploads(context: Context, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    studio_fakes.scene(1).write(good)
    bad.write_bytes(b"\0" * 5000)
    notice, own, key = inspect.receive_upload(context, str(good), ["old"])
    assert own == [key, "old"] and not notice["visible"] and not good.exists()
    notice, own, key = inspect.receive_upload(context, str(bad), ["old"])
    assert "bad.mp4" in notice["value"]["text"] and notice["visible"] and not bad.exists()
    assert str(tmp_path) not in notice["value"]["text"]


def test_a_saved_frame_tells_how_its_clip_is_made(context: Context, tmp_path: Path) -> None:
    settings = GenerationSettings("fake", 5, steps=3)
    stored = context.library.add(studio_fakes.scene(1), "Seed 5", "", settings=settings)
    links = components.player_value(stored, (0, 256), None, stored.results("x"))["downloads"]
    assert links[1]["label"] == "Frame" and links[1]["name"].endswith(".png") and links[1]["url"]
    frame, plain, broken = (tmp_path / f"{name}.png" for name in ("frame", "plain", "broken"))
    frame.write_bytes(stored.path(FRAME).read_bytes())
    broken.write_bytes(frame.read_bytes()[:40])
    write_png(plain, np.zeros((9, 16, 3), np.uint8))
    words = [
        inspect.receive_upload(context, str(p), [])[0]["value"]["text"]
        for p in (frame, plain, broken)
    ]
    assert words == [
        f"A frame of fake seed 5, which this command makes: {settings.command}",
        "This image holds no settings of a clip: open a video.",
        "“broken.png” is a PNG that cannot be read.",
    ]


def walk(value) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)
    elif isinstance(value, str):
        yield value


def test_theme_and_components_name_no_other_host() -> None:
    studio = build(studio_fakes.services())
    look = theme.theme()
    words = [theme.css(TABS), look._get_theme_css(), *look._stylesheets]
    for component in studio.blocks.get_config_file()["components"]:
        if component["type"] == "html":
            words += walk({k: component["props"].get(k) for k in ("html_template", "js_on_load")})
    assert len(words) > 12
    for text in words:
        assert not re.search(r"https?://|@import", text.replace("http://www.w3.org/", ""))
    assert isinstance(studio.blocks, gr.Blocks) and studio.blocks.analytics_enabled is False


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.html")), ids=lambda p: p.name)
def test_templates_are_static(path: Path) -> None:
    assert not re.search(r"\$\{|\{\{", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.js")), ids=lambda p: p.name)
def test_scripts_make_no_markup_from_data(path: Path) -> None:
    script = path.read_text(encoding="utf-8")
    uses = re.findall(
        r"(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\().*", script
    )
    assert all("ICONS[name]" in use for use in uses)


def test_missing_weights_are_told_before_anybody_tries() -> None:
    studio = build(studio_fakes.services(missing="The bundled demo weights are not here."))
    text = "".join(walk(studio.blocks.get_config_file()))
    assert "The bundled demo weights are not here." in text
