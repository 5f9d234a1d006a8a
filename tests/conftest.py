"""What all tests share."""

from __future__ import annotations

import pytest

from savg import cpu_speed


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test run, not the user's: what one test observed serves the next."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    if not cpu_speed.cache_file().is_file():  # no test depends on what this machine is fast at
        cpu_speed.remember(1.0)
