"""docs/third-party-licences.md names the licence of everything that is locked or bundled."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TEXT = (ROOT / "docs" / "third-party-licences.md").read_text(encoding="utf-8")

LOCKS = [*(f"requirements/{name}.txt" for name in ("app", "test", "uv")), "space_requirements.txt"]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    part = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_locked_package_has_its_version_and_a_licence() -> None:
    listed = {(name, version): licence for name, version, licence, _ in rows("Packages")}
    locked = set()
    for file in LOCKS:
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", line):
                locked.add((re.sub(r"[._-]+", "-", match[1]).lower(), match[2]))
    assert len(locked) > 100 and set(listed) == locked, "run make licences"
    for package, licence in listed.items():
        assert re.search(r"[A-Za-z]{3}", licence) and "UNKNOWN" not in licence.upper(), package


def test_licences_are_those_that_the_packages_state() -> None:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "requirements/licences.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    listed = {name: licence for name, _, licence, _ in rows("Packages")}
    stated = module.read(distributions(), module.locked())
    assert len(stated) > 50
    assert {name: listed[name] for name in stated} == stated


def test_every_bundled_folder_is_listed() -> None:
    listed = {folder.strip("`/"): licence for folder, _, _, licence in rows("Bundled files")}
    assert set(listed) == {p.name for p in (ROOT / "assets").iterdir() if p.is_dir()}
    assert all(listed.values())


@pytest.mark.parametrize("trace", [r"https?://", r"index", r"/tmp|/home|/work|/usr"])
def test_nothing_of_a_machine_or_an_index_is_in_it(trace: str) -> None:
    assert not re.search(trace, TEXT)
