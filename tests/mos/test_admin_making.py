"""New studies in the browser: which folders, which settings, progress, stopping, and errors."""

from __future__ import annotations

import argparse
import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from mos_clips import small_study
from mos_organiser import PASSWORD, Clock, Organiser, make

from savg.cli.mos import create
from savg.errors import MediaError, SavgError
from savg.mos.study.design import DesignError, Study
from savg.mos.study.options import NO_REFERENCE, OPTIONS, REFERENCE, Option, plan_study
from savg.mos.web.admin import building
from savg.mos.web.admin.building import clip_folders
from savg.mos.web.studies import Studies

NAMES = ("joint", "two_stage", "ground_truth")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    root = tmp_path / "secret place" / "clips"
    for name in (*NAMES, "deep/er/video_dev", ".hidden", "a/b/c/d/e"):
        (root / name).mkdir(parents=True)
        for i in range(3):
            (root / name / f"{i}.mp4").touch()
        (root / name / "0.overlay.mp4").touch()
    (root / "study" / "media").mkdir(parents=True)
    (root / "study" / "study.json").touch()
    (root / "study" / "media" / "x.mp4").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.mp4").touch()
    (root / "link").symlink_to(outside)
    return root


@pytest.fixture
def organiser(tmp_path: Path, clips: Path) -> Organiser:
    root = tmp_path / "studies"
    root.mkdir()
    return Organiser(Studies(root=root), [clips]).log_in()


class Making:
    """Stands in for transcoding: steps when told to, and fails or finishes as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.step, self.calls = threading.Semaphore(0), list[dict[str, Any]]()
        self.error: Exception | None = None
        monkeypatch.setattr(building, "create_folder", self)

    def __call__(self, study: Study, folders: Any, path: Path, **how: Any) -> None:
        self.calls.append({"study": study, "folders": folders, **how})
        for i in range(1, 6):
            how["on_clip"](i, 5)
            assert self.step.acquire(timeout=20)
        if self.error:
            raise self.error
        make(path, dataclasses.replace(small_study(), name=study.name), Clock())


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> Making:
    return Making(monkeypatch)


def fields(**changed: str) -> dict[str, str]:
    """The form as it is when three conditions are chosen."""
    sent = {o.name: o.show(o.default) for o in OPTIONS if o.kind != "flag"}
    sent |= {f"folder{i}": f"clips/{name}" for i, name in enumerate(NAMES)}
    sent |= {f"condition{i}": name for i, name in enumerate(NAMES)}
    return sent | {"name": "new-one", "reference": "2"} | changed


def until(organiser: Organiser, words: str, place: str = "works") -> str:
    deadline = time.monotonic() + 30
    while words not in (text := organiser.get(place).text):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    return str(text)


def test_form_command_line_and_study_have_the_same_settings(organiser: Organiser) -> None:
    page = organiser.get("new").text
    parser = argparse.ArgumentParser()
    create.add_arguments(parser)
    defaults = vars(parser.parse_args(["s", "--conditions", "a=b"]))
    study = {f.name: f.default for f in dataclasses.fields(Study)}
    for option in OPTIONS:
        assert f'name="{option.name}"' in page
        assert str(defaults[option.name]).replace("-p", "_p") == str(option.default)
        if option.name in study and option.name != "trials":
            assert option.default == study[option.name]
    assert plan_study("s", NAMES, None, {}).study == plan_study(
        "s", NAMES, "ground_truth", {o.name: o.default for o in OPTIONS}
    ).study  # fmt: skip


def test_reference_is_named_or_the_default_or_none() -> None:
    assert plan_study("s", NAMES, None, {}).study.reference == REFERENCE
    assert plan_study("s", ("a", "b", "c"), None, {}).study.reference is None
    without = plan_study("s", NAMES, NO_REFERENCE, {}).study
    assert without.reference is None and without.anchors == ()
    assert plan_study("s", NAMES, "joint", {}).study.reference == "joint"
    with pytest.raises(DesignError, match="Reference must be one of"):
        plan_study("s", NAMES, "other", {})


@pytest.mark.parametrize(
    ("conditions", "trials"),
    [(1, 45), (2, 44), (3, 45), (4, 44), (5, 45), (7, 42), (8, 40), (23, 23)],
)
def test_default_trials_fit_any_number_of_conditions(conditions: int, trials: int) -> None:
    names = [f"c{i}" for i in range(conditions)]
    plan = plan_study("s", names, None, {})
    assert plan.study.trials == trials
    assert (f"Trials: {trials}, the largest number up to 45" in plan.note) == (trials != 45)
    if conditions == 1:
        return  # which shares any number
    with pytest.raises(DesignError, match="multiple of the number of conditions"):
        plan_study("s", names, None, {"trials": conditions * 3 + 1})


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "0", "501", "٣", "9" * 5000])
def test_a_number_of_the_form_is_checked(text: str) -> None:
    trials = next(o for o in OPTIONS if o.name == "trials")
    with pytest.raises(DesignError, match="Trials must be a whole number") as caught:
        trials.parse(text)
    assert len(str(caught.value)) < 120


def test_texts_of_the_form_become_values() -> None:
    by_name = {o.name: o for o in OPTIONS}
    assert by_name["labels"].parse(" No \r\n\r\nYes\n") == ("No", "Yes")
    assert by_name["matched"].parse("yes") is True and by_name["matched"].parse("") is False
    assert by_name["level"].parse("remote") == "remote"
    with pytest.raises(DesignError, match="Screening"):
        by_name["level"].parse("nowhere")
    with pytest.raises(DesignError, match="no setting size_of"):
        plan_study("s", NAMES, None, {"size_of": 1})
    for option in OPTIONS:
        if option.kind != "flag":
            assert option.parse(option.show(option.default)) == option.default
    assert Option("x", "text", "", "X", "").parse("a\r\nb") == "a\nb"


def test_folders_on_offer_are_those_with_clips(clips: Path, tmp_path: Path) -> None:
    folders = clip_folders([clips, tmp_path / "outside"])
    assert {k: f.clips for k, f in folders.items()} == {
        **{f"clips/{n}": 3 for n in NAMES},
        "clips/deep/er/video_dev": 3,
        "outside": 1,
    }
    assert folders["clips/joint"].path == (clips / "joint").resolve()
    again = clip_folders([clips, clips])
    assert len(again) == 8 and again["clips/joint (another)"].path == again["clips/joint"].path


def test_a_study_is_made_and_appears(organiser: Organiser, making: Making, clips: Path) -> None:
    reply = organiser.post("new", **fields(labels="No\nYes", matched="yes", size="128"))
    assert reply.url.path == "/admin/" and "is being made" in reply.text
    assert "1 of 5 steps" in until(organiser, "1 of 5 steps")
    assert "Another study is being made" in organiser.post("new", **fields(name="two")).text
    assert "new-one" not in organiser.client.get("/admin/studies/new-one").text.split("<main")[0]
    for _ in range(5):
        making.step.release()
    assert 'href="./studies/new-one"' in until(organiser, "is ready")
    assert organiser.get("studies/new-one").status_code == 200
    assert organiser.get().text.count("studies/new-one") == 2
    (call,) = making.calls
    assert call["study"].labels == ("No", "Yes") and call["study"].matched
    assert call["study"].reference == "ground_truth" and call["format"].size == 128
    assert call["folders"] == {name: (clips / name).resolve() for name in NAMES}
    assert organiser.post("works/1/forget").url.path == "/admin/"
    assert "is ready" not in organiser.get("works").text
    assert "exists already" in organiser.post("new", **fields()).text


def test_making_can_be_stopped(organiser: Organiser, making: Making) -> None:
    organiser.post("new", **fields())
    until(organiser, "1 of 5 steps")
    organiser.post("works/1/forget")  # not while it runs
    assert "is being stopped" in organiser.post("works/1/stop").text
    making.step.release()
    assert "was stopped" in until(organiser, "was stopped")
    assert organiser.get("studies/new-one").status_code == 404
    organiser.post("works/7/stop")
    organiser.post("new", **fields())
    for _ in range(5):
        making.step.release()
    until(organiser, "is ready")


@pytest.mark.parametrize("expected", [True, False])
def test_errors_are_shown_without_paths(
    organiser: Organiser, making: Making, clips: Path, expected: bool
) -> None:
    place = (clips / "joint" / "0.mp4").resolve()
    making.error = MediaError(f"{place}: no sound.") if expected else ValueError(f"{place} broke")
    organiser.post("new", **fields())
    for _ in range(5):
        making.step.release()
    text = until(organiser, "could not be made")
    assert ("clips/joint/0.mp4: no sound." if expected else "(ValueError)") in text
    assert "secret place" not in text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "../up"}, "Name of a study"),
        ({"name": ""}, "Name of a study"),
        ({"folder0": "clips/../../outside"}, "needs a folder of clips"),
        ({"folder0": "/etc"}, "needs a folder of clips"),
        ({"folder0": "clips/link"}, "needs a folder of clips"),
        ({"folder0": ""}, "needs a folder of clips"),
        ({"condition1": "joint"}, "Names of conditions must differ"),
        ({"condition0": "<b>"}, "Name of a condition"),
        ({"condition0": "mono"}, "twice"),
        ({"trials": "44"}, "This works: Anchor trials "),
        ({"trials": "many"}, "Trials must be"),
        ({"labels": "one"}, "2 to 11"),
        ({"reference": "7"}, ""),
        ({"reference": "elsewhere"}, "Reference must be one of"),
        ({f"folder{i}": "" for i in range(3)} | {f"condition{i}": "" for i in range(3)}, "no cond"),
    ],
)
def test_a_mistake_is_one_sentence_and_the_form_keeps_its_values(
    organiser: Organiser, making: Making, changed: dict[str, str], sentence: str
) -> None:
    reply = organiser.post("new", **fields(question="Is it <there>?", **changed))
    if not sentence:  # a row without a condition: no reference
        assert reply.status_code == 200 and making.calls[0]["study"].reference is None
        making.error = MediaError("enough")
        making.step.release(5)
        until(organiser, "could not be made")
        return
    assert reply.status_code == 422 and sentence in reply.text and not making.calls
    assert "Is it &lt;there&gt;?" in reply.text and "secret place" not in reply.text
    for i in range(3):
        chosen = fields(**changed)[f"folder{i}"]
        on_offer = f'<option value="{chosen}"'
        assert not chosen or on_offer not in reply.text or f"{on_offer} selected" in reply.text


def test_no_paths_in_the_form(organiser: Organiser) -> None:
    page = organiser.get("new").text
    assert "secret place" not in page and "clips/joint (3)" in page
    assert 'value="none" checked' in page


def test_a_server_without_places_says_how(tmp_path: Path, clips: Path) -> None:
    for studies, roots in ((Studies(), [clips]), (Studies(root=tmp_path), [])):
        organiser = Organiser(studies, roots).log_in()
        assert "Not on this server" in organiser.get("new").text
        assert organiser.post("new", **fields()).status_code == 422
        assert "New study" not in organiser.get().text


def test_the_studio_offers_the_folders_that_its_operator_named(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from savg.studio.listening.hosted import Hosted

    monkeypatch.setenv("SAVG_ADMIN_PASSWORD", PASSWORD)
    named = {"SAVG_STUDIES": str(tmp_path), "SAVG_CLIPS": str(clips)}
    hosted = Hosted.of_environment(named)
    client = TestClient(Starlette(routes=hosted.routes()))
    page = client.post("/admin/login", data={"password": PASSWORD, "wanted": "new"})
    assert page.status_code == 200 and "clips/joint (3)" in page.text
    hosted.close()
    with pytest.raises(SavgError, match="no such folder of clips"):
        Hosted.of_environment(named | {"SAVG_CLIPS": str(tmp_path / "none")})
