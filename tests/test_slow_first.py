"""With several processes, files that take long begin first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from slow_first import FIRST, ROOT, begin_with_slow, by_files_order


def test_what_takes_long_begins_first_and_all_else_keeps_its_order(
    pytestconfig: pytest.Config,
) -> None:
    names = ("tests/test_a.py", "tests/mos/test_b.py", "tests/test_c.py", FIRST[1], FIRST[0])
    items = [SimpleNamespace(path=ROOT / name) for name in names]
    begin_with_slow(items)
    after = [str(item.path.relative_to(ROOT)) for item in items]
    assert after == [
        FIRST[0],
        FIRST[1],
        "tests/mos/test_b.py",
        "tests/test_a.py",
        "tests/test_c.py",
    ]
    assert not pytestconfig.getoption("loadscopereorder")


def test_a_file_is_named_before_its_folder_and_all_are_there() -> None:
    assert [name for name in FIRST if not (ROOT / name).exists()] == []
    for i, name in enumerate(FIRST):
        assert not {str(parent) for parent in Path(name).parents} & set(FIRST[:i]), name


def test_without_xdist_there_is_no_order_to_keep() -> None:
    option = SimpleNamespace()
    by_files_order(SimpleNamespace(option=option))
    assert vars(option) == {}
