"""`python -m savg evaluate --selftest`: what it is called with, and by which process."""

from __future__ import annotations

import pytest

from savg.cli import main, selftest
from savg.errors import SavgError


class Called(SavgError):
    """The check-up would begin."""


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: object, **__: object) -> None:
        raise Called("It begins.")

    monkeypatch.setattr("savg.evaluation.selftest.run_selftest", begin)
    monkeypatch.setattr(selftest, "_scenes", lambda first, count: [])
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clips"], "DIR does not go with --selftest, which makes its own clips."),
        (["--generated", "clips"], "--generated does not go with --selftest"),
        (["--reference", "clips"], "--reference does not go with --selftest"),
        (["--truth", "clips"], "--truth does not go with --selftest"),
        (["--seld-csv", "clips"], "--seld-csv does not go with --selftest"),
        (["--mode", "official"], "--mode official does not go with --selftest"),
        (["--leaderboard", "board.json"], "--leaderboard does not go with --selftest"),
        (["--seed", "-1"], "--seed must be a whole number"),
    ],
)
def test_what_does_not_go_with_it_is_one_sentence(
    called: None, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    first = arguments[:1] if arguments == ["clips"] else []
    rest = [] if first else arguments
    assert main(["evaluate", *first, "--selftest", "4", *rest]) == 1
    out, err = capsys.readouterr()
    assert words in err and err.count("\n") == 1 and not out


def test_of_several_processes_the_first_runs_it(
    called: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["evaluate", "--selftest", "4", "--metrics", "person_share"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(arguments) == 0
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("RANK", "0")
    assert main(arguments) == 1 and "It begins." in capsys.readouterr().err
    monkeypatch.setenv("RANK", "first")
    assert main(arguments) == 1 and "RANK must be a whole number" in capsys.readouterr().err
