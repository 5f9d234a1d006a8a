"""`--help` of every command and action: its text, and that it imports nothing slow."""

import subprocess
import sys

import pytest

from savg.cli import COMMANDS, build_parser, main
from savg.cli.dataset import ACTIONS as DATASET
from savg.cli.mos import ACTIONS as MOS
from savg.cli.space import ACTIONS as SPACE

SLOW = ("torch", "scipy", "sqlalchemy", "cv2", "av", "gradio", "matplotlib", "starlette")
SLOW += ("uvicorn", "huggingface_hub", "jinja2")

PAGES = [[], *([name] for name in COMMANDS)]
GROUPS = {"dataset": DATASET, "mos": MOS, "space": SPACE}
PAGES += [[group, name] for group, actions in GROUPS.items() for name in actions]


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_every_help_names_its_arguments(page: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*page, "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0 and text.startswith(" ".join(["usage: python -m savg", *page]))
    for name in COMMANDS if not page else GROUPS.get(" ".join(page), ()):
        assert f"    {name}" in text
    if page and page[0] not in ("check-channels", "dataset", "mos", "space", "weights"):
        assert "--out" in text


@pytest.mark.parametrize(
    "page", [[], ["dataset"], ["mos"], *(["mos", name] for name in MOS)], ids=" ".join
)
def test_help_imports_nothing_slow(page: list[str]) -> None:
    code = f"""
import sys
from savg.cli import main
try:
    main({[*page, "--help"]!r})
except SystemExit:
    print("SLOW:", *(name for name in {SLOW!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "SLOW:"


def test_a_parser_is_filled_in_once() -> None:
    parser = build_parser()
    for seed in ("1", "2"):
        args = parser.parse_args(["generate", "--out", "o", "--seed", seed])
        assert args.seed == int(seed) and args.command == "generate"
