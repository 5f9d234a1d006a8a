"""What all tests share."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
import slow_first

from savg import cpu_speed

# As in the Makefile, for tests that are run without it: an import of torch that has to be compiled
# takes several times as long, in this process and in all that tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    slow_first.by_files_order(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        slow_first.begin_with_slow(items)


def pytest_collection_finish() -> None:
    """What all tests import stays: looking for garbage in it takes 0.3 s each time."""
    gc.freeze()


@contextmanager
def _browsers_aside(item: pytest.Item) -> Iterator[None]:
    """Other tests run event loops of their own, while browsers that earlier ones opened keep theirs.

    Playwright's loop counts as running in the process from the first browser on, although it only does
    while a browser's test waits for it.
    """
    running = asyncio._get_running_loop()
    if running is None or "browser" in item.path.parts:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    with _browsers_aside(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with _browsers_aside(item):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def quick_disk() -> Iterator[None]:
    """Nothing that this process writes waits for the disk, which only a loss of power would show."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # an error all the same for what is no open file
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test run, not the user's: what one test observed serves the next."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    if not cpu_speed.cache_file().is_file():  # no test depends on what this machine is fast at
        cpu_speed.remember(cpu_speed.Measurement(1.0, 1.0, cpu_speed.ENOUGH))


@pytest.fixture
def bfloat16_units() -> Iterator[None]:
    """For tests of networks in bfloat16, which many CPUs have no units for."""
    from bfloat16_units import bfloat16_units as units  # torch is imported where it is needed

    with units():
        yield
