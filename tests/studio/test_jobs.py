"""Jobs: progress, results, stop at the next step, one clear sentence for errors."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from savg.errors import Cancelled, MediaError
from savg.studio.shared.jobs import DONE, FAILED, RUNNING, STOPPED, Board, Job, sentence


def test_progress_results_and_end() -> None:
    job = Job()

    def work(job: Job) -> None:
        for done in range(1, 6):
            assert job.step(done, 5, f"step {done}", np.full((2, 2, 3), done, np.uint8))
            job.result(done * 10)
            time.sleep(0.02)

    seen = list(job.run(work, every=0.005))
    assert seen[-1].state == DONE and seen[-1].results == (10, 20, 30, 40, 50)
    running = [s for s in seen if s.state == RUNNING]
    assert len(running) >= 3
    assert [s.done for s in running] == sorted(s.done for s in running)
    assert seen[-1].preview is not None and seen[-1].preview[0, 0, 0] == 5
    assert seen[-1].seconds >= 0.08


def test_progress_keeps_the_last_preview() -> None:
    job = Job()

    def work(job: Job) -> None:
        job.step(1, 2, "a", np.zeros((2, 2, 3), np.uint8))
        job.step(2, 2, "b")

    assert list(job.run(work))[-1].preview is not None


def test_a_stop_takes_effect_at_the_next_step() -> None:
    job, steps = Job(), []
    reached = threading.Event()

    def work(job: Job) -> None:
        for done in range(1000):
            steps.append(done)
            if done == 3:
                reached.set()
                while not job.cancelled:
                    time.sleep(0.001)
            if not job.step(done, 1000, ""):
                raise Cancelled

    threading.Thread(target=lambda: (reached.wait(5), job.cancel())).start()
    end = list(job.run(work, every=0.01))[-1]
    assert end.state == STOPPED and steps[-1] == 3


def test_a_stop_before_the_start_does_nothing_at_all() -> None:
    job, ran = Job(), []
    job.cancel()
    assert [s.state for s in job.run(ran.append)][-1] == STOPPED
    assert not ran


def test_closing_the_iterator_stops_the_work_and_waits_for_it() -> None:
    job, alive = Job(), threading.Event()

    def work(job: Job) -> None:
        alive.set()
        while job.step(0, 1, "busy"):
            time.sleep(0.005)
        time.sleep(0.05)
        alive.clear()

    progress = job.run(work, every=0.01)
    next(progress)
    progress.close()
    assert not alive.is_set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MediaError("x.mp4 has no audio track."), "x.mp4 has no audio track."),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyError("secret"), "KeyError"),
    ],
)
def test_errors_become_one_sentence(error: Exception, words: str) -> None:
    def work(job: Job) -> None:
        raise error

    end = list(Job().run(work))[-1]
    assert end.state == FAILED and words in end.error
    assert "secret" not in end.error and "\n" not in end.error
    assert end.error == sentence(error)


def test_the_board_keeps_visitors_apart() -> None:
    board = Board()
    first, other = board.start("a"), board.start("b")
    assert board.stop("a") and first.cancelled and not other.cancelled
    again = board.start("b")
    assert other.cancelled and not again.cancelled
    board.forget("b", other)
    assert board.job("b") is again
    board.forget("b", again)
    assert board.job("b") is None and not board.stop("b")
