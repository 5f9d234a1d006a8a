"""Where observations are kept by default, and what an account without a home folder is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.evaluation.cache import default_cache


def test_an_account_without_a_home_is_told_what_to_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "savg" / "observations"
    monkeypatch.delenv("XDG_CACHE_HOME")
    with pytest.raises(SavgError, match=r"no home folder: .* with --cache or XDG_CACHE_HOME\."):
        default_cache()
