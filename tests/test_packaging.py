"""What a Space installs is what the package asks for."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_space_requirements_are_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "space_requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == project["dependencies"]


def test_readme_has_the_front_matter_of_a_space() -> None:
    text = (ROOT / "README.md").read_text()
    front = text.split("---")[1]
    for line in ("sdk: gradio", 'python_version: "3.11"', "app_file: app.py", "license: mit"):
        assert line in front
    assert "make app" in text and "make test" in text


def test_the_bundle_stays_within_its_limit() -> None:
    total = sum(f.stat().st_size for f in (ROOT / "assets").rglob("*") if f.is_file())
    assert total <= 32 * 2**20
