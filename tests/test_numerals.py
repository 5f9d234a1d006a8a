"""Text that is a number, and text that only Python takes for one."""

from __future__ import annotations

import math

import pytest

from savg.cli import main
from savg.numerals import integer, number

WRONG = ["1_000", "１２", "٣", "²", "", "x", "1,5", "0x10", "1\0"]


@pytest.mark.parametrize("text", [*WRONG, "1_0.5", "１.5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        number(text)


@pytest.mark.parametrize("text", [*WRONG, "1.0", "1e3", "9" * 5000])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        integer(text)


def test_numbers_are_read() -> None:
    assert [number(t) for t in ("1", "-1.5", "+.5", "1e-3", " 2 ")] == [1, -1.5, 0.5, 0.001, 2]
    assert math.isnan(number("nan")) and number("inf") == math.inf
    assert [integer(t) for t in ("1", "-12", "+3", "007", " 4 ")] == [1, -12, 3, 7, 4]


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "--out", "o", "--num", "WRONG"],
        ["generate", "--out", "o", "--guidance", "WRONG"],
        ["v2a", "x", "--out", "o", "--max-seconds", "WRONG"],
        ["evaluate", "x", "--seed", "WRONG"],
        ["compose", "x", "--out", "o.mp4", "--max-seconds", "WRONG"],
        ["dataset", "build", "--starss", "s", "--out", "o", "--view-step", "WRONG"],
        ["dataset", "check", "d", "--threads", "WRONG"],
        ["dataset", "pack", "d", "--out", "o", "--frames", "WRONG"],
        ["dataset", "synth", "--out", "o", "--recordings", "WRONG"],
        ["dataset", "synth", "--out", "o", "--size", "WRONGxWRONG"],
        ["mos", "create", "s", "--conditions", "a=b", "--trials", "WRONG"],
        ["mos", "simulate", "s", "--listeners", "WRONG"],
        ["mos", "report", "s", "--seed", "WRONG"],
        ["mos", "serve", "s", "--port", "WRONG"],
        ["mos", "invite", "s", "--number", "WRONG"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("text", ["1_000", "１２"])
def test_options_take_plain_numbers_only(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([argument.replace("WRONG", text) for argument in arguments])
    assert stop.value.code == 2 and text in capsys.readouterr().err
