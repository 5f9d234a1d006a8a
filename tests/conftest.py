"""What all tests share."""

from __future__ import annotations

import gc

import pytest
import slow_first

from savg import cpu_speed


def pytest_configure(config: pytest.Config) -> None:
    slow_first.by_files_order(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        slow_first.begin_with_slow(items)


def pytest_collection_finish() -> None:
    """What all tests import stays: looking for garbage in it takes 0.3 s each time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test run, not the user's: what one test observed serves the next."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    if not cpu_speed.cache_file().is_file():  # no test depends on what this machine is fast at
        cpu_speed.remember(1.0)
