"""A tab is added by one folder and one line of the registry; long work has one skeleton."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import studio_fakes

from savg import studio
from savg.errors import SavgError
from savg.studio.shared import theme
from savg.studio.shared.jobs import DONE, FAILED, Board, Job
from savg.studio.shared.long_job import LongJob, Task

PACKAGE = Path(studio.__file__).parent

TOY = """
import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.inputs import start_and_stop
from savg.studio.shared.long_job import Controls, LongJob, Task

TITLE, NAME = "Toy", "toy"
LEFT = []


def build(context, page):
    context.on_leave(LEFT.append)
    notice = components.notice_line("savg-toy-notice")
    number = gr.Number(3, elem_id="savg-toy-number")
    progress = components.progress("savg-toy-progress", components.progress_value())
    text = gr.Textbox(elem_id="savg-toy-text")
    controls = Controls(notice, progress, *start_and_stop("savg-toy", "Count"))

    def ask(visitor, number):
        def work(job):
            job.result(f"{visitor} counted to {number}")

        return Task(work, lambda now: {}, lambda now: list(now.results))

    LongJob(context.board, "Counting.", outputs=1).connect(controls, ask, [number], [text])
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module of a tab that somebody has added to the registry."""
    folder = tmp_path / "toy_room"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "tab.py").write_text(TOY)
    (folder / "toy.css").write_text(".toy { color: inherit; }")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(studio, "TABS", (*studio.TABS, "toy_room.tab"))
    yield "toy_room.tab"
    for name in ("toy_room", "toy_room.tab"):
        sys.modules.pop(name, None)


def test_one_folder_and_one_line(toy: str) -> None:
    built = studio.build(studio_fakes.services(), datasets=())
    config = built.blocks.get_config_file()
    tabs = [c["props"]["id"] for c in config["components"] if c["type"] == "tabitem"]
    assert tabs[-1] == "toy" and len(tabs) == len(studio.TABS)
    assert "savg-toy-progress" in json.dumps(config, default=str)
    assert ".toy {" in theme.css(studio.TABS)


def test_the_page_tells_tabs_who_leaves(toy: str) -> None:
    built = studio.build(studio_fakes.services(), datasets=())
    (unload,) = [f for f in built.blocks.fns.values() if any(t[1] == "unload" for t in f.targets)]

    class Request:
        session_hash = "somebody"

    unload.fn(Request())
    assert sys.modules[toy].LEFT == ["somebody"]


def counting(board: Board) -> LongJob:
    return LongJob(board, "Counting.", outputs=2)


def count(job: Job) -> None:
    for number in range(3):
        job.check()
        job.step(number, 3, f"{number}")
        job.result(number)


def test_a_long_job_shows_progress_results_and_its_end() -> None:
    task = Task(count, lambda now: {DONE: "Counted."}, lambda now: [now.results, now.state])
    *_, last = counting(Board()).follow(Job(), task)
    _, progress, results, state, start, stop = last
    assert (progress["state"], progress["text"], progress["share"]) == (DONE, "Counted.", 1.0)
    assert results == (0, 1, 2) and state == DONE
    assert start["interactive"] and not stop["interactive"]


@pytest.mark.parametrize("early", [True, False])
def test_an_error_is_one_sentence_and_the_job_is_over(early: bool) -> None:
    """Whether what is asked for cannot be done, or its doing fails."""

    def fail(*_args: object) -> Task:
        raise SavgError("Seven must be odd, got 8.")

    board = Board()
    task = fail if early else lambda visitor: Task(fail, lambda now: {}, lambda now: None)
    *_, last = updates_of(counting(board), "me", task)
    assert last[0]["value"]["text"] == "Seven must be odd, got 8."
    assert last[1]["state"] == ("idle" if early else FAILED) and last[-2]["interactive"]
    assert board.job("me") is None


def test_a_stop_before_its_turn_does_nothing() -> None:
    board = Board()
    other = board.queue.join("other", "")
    assert board.queue.poll(other) is None
    done: list[Job] = []
    task = Task(done.append, lambda now: {}, lambda now: None)
    texts = []

    async def wait_and_stop() -> None:
        async for update in counting(board).run("me", lambda visitor: task):
            texts.append(update[1]["text"])
            if "In the queue" in texts[-1]:
                board.stop("me")

    asyncio.run(wait_and_stop())
    assert texts[-1] == "Stopped before its turn came." and not done
    assert board.job("me") is None and not board.queue.waiting and board.queue.running is other


def updates_of(job: LongJob, who: str, task: Callable[[str], Task]) -> list[list]:
    async def collect() -> list[list]:
        return [update async for update in job.run(who, task)]

    return asyncio.run(collect())


def imported(path: Path) -> set[str]:
    """Modules that a file imports, wherever in the file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_tabs_share_only_what_is_shared(path: Path) -> None:
    room, *inside = path.relative_to(PACKAGE).parts
    if not inside:
        return
    if room == "api":  # the endpoints do what the tabs do
        return
    rooms = {m.split(".")[2] for m in imported(path) if m.startswith("savg.studio.")}
    assert rooms <= {room, "shared"}
