"""pyproject.toml, the locks, what a Space installs and README's front matter agree."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from test_layers import LEVEL

import savg
from savg.cli import COMMANDS
from savg.train.recipe import RECIPES

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def entries(file: str) -> list[str]:
    """Requirements of a lock file, each with its hashes in one string."""
    lines = (ROOT / file).read_text().replace("\\\n", "").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def locked(file: str, python: str = "3.11", system: str = "linux") -> dict[str, Version]:
    """Name -> version of everything that a lock installs on one Python and system."""
    where = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": SYSTEMS[system],
        "platform_machine": "arm64" if system == "darwin" else "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    versions: dict[str, Version] = {}
    for entry in entries(file):
        requirement = Requirement(entry.split(" --hash")[0])
        if requirement.marker and not requirement.marker.evaluate(where):
            continue
        (exact,) = requirement.specifier
        assert exact.operator == "==" and "*" not in exact.version, entry
        name = canonicalize_name(requirement.name)
        assert name not in versions, f"{name} is locked twice in {file}"
        versions[name] = Version(exact.version)
    return versions


def required(*extras: str) -> list[Requirement]:
    project = pyproject()["project"]
    more = [line for extra in extras for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in project["dependencies"] + more]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_locks_hold_the_projects_requirements(python: str, system: str) -> None:
    extras = set(pyproject()["project"]["optional-dependencies"]) - {"mmdet", "furnished", "wandb"}
    builds = [Requirement(line) for line in pyproject()["build-system"]["requires"]]
    app = locked("requirements/app.txt", python, system)
    test = locked("requirements/test.txt", python, system)
    for lock, requirements in ((app, required()), (test, required(*extras))):
        for requirement in requirements + builds:
            version = lock[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), (requirement, version)
    assert app.items() <= test.items(), "one version of a package in both locks"


@pytest.mark.parametrize("file", ["app", "test", "uv"])
def test_every_locked_file_has_its_hashes_and_names_no_host(file: str) -> None:
    text = (ROOT / f"requirements/{file}.txt").read_text()
    assert "://" not in text and "index" not in text and "find-links" not in text
    for entry in entries(f"requirements/{file}.txt"):
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_torch_and_its_companions_are_one_triple() -> None:
    pins = {line.split("==")[0]: line for line in pyproject()["project"]["dependencies"]}
    for line in ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"):
        assert pins[line.split("==")[0]] == line


def test_a_space_installs_what_the_app_is_locked_to() -> None:
    app, space = locked("requirements/app.txt"), locked("space_requirements.txt")
    build = {"hatchling", "editables", "pathspec", "pluggy", "trove-classifiers"}
    missing = (set(app) - build) - set(space)
    assert not missing
    assert {name: space[name] for name in set(app) & set(space)}.items() <= app.items()


def test_readme_has_the_front_matter_of_a_space() -> None:
    text = (ROOT / "README.md").read_text()
    front = text.split("---")[1]
    for line in ("sdk: gradio", 'python_version: "3.12.12"', "app_file: app.py", "license: mit"):
        assert line in front
    assert f"sdk_version: {locked('requirements/app.txt')['gradio']}\n" in front
    assert "make app" in text and "make test" in text


def test_the_citation_names_this_version_and_the_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == savg.__version__
    for reference in citation["references"]:
        (identifier,) = reference["identifiers"]
        assert reference["url"].endswith(identifier["value"].removeprefix("arXiv:"))
        assert reference["title"] and all(a["family-names"] for a in reference["authors"])


DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]


def test_commands_in_documents_exist() -> None:
    for document in DOCUMENTS:
        text = document.read_text()
        commands = re.findall(r"python -m savg ([\w-]+)", text)
        assert set(commands) <= set(COMMANDS), document
        recipes = re.findall(r"python -m savg\.train (\w+)", text)
        assert set(recipes) <= {*RECIPES, "export"}, document
        for module in re.findall(r"python -m (benchmarks\.\w+)", text):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), f"{document}: {module}"


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
            if "://" in link:
                continue
            name, _, heading = link.partition("#")
            target = document.parent / name if name else document
            assert target.exists(), f"{document.name}: {link}"
            if heading:
                titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                anchors = [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles]
                assert heading in anchors, f"{document.name}: {link}"


def test_the_short_suite_for_newest_versions_exists() -> None:
    line = re.search(r"^QUICK = (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line and all((ROOT / path).exists() for path in line[1].split())


def test_contributing_names_every_room_and_only_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    rooms = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert set(rooms) == set(LEVEL) - {"__main__"}
    levels = [LEVEL[name] for name in rooms]
    assert levels == sorted(levels, reverse=True), "the rooms stand in the order of the layers"
    for name in re.findall(r"`((?:savg|tests|benchmarks|examples)/[\w/.]*)`", text):
        assert (ROOT / name).exists(), name


def test_the_image_of_the_studio_is_small() -> None:
    assert (ROOT / "docs" / "studio.webp").stat().st_size <= 150 * 1024


def test_the_bundle_stays_within_its_limit() -> None:
    total = sum(f.stat().st_size for f in (ROOT / "assets").rglob("*") if f.is_file())
    assert total <= 40 * 2**20


def test_an_installed_wheel_has_the_results_of_benchmarks(tmp_path: Path) -> None:
    """Built, unpacked and read as an installation would, away from the repository."""
    build = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        str(tmp_path / "dist"),
    ]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = (
        "import savg, json\n"
        "from savg.evaluation.published import published\n"
        "from savg.evaluation.report_html import files\n"
        "from savg.studio.results.result_files import benchmarks\n"
        "assert files('savg.evaluation').joinpath('report.css').is_file()\n"
        "counts = {b.name: len(b.measures) for b in benchmarks()}\n"
        "print(json.dumps([savg.__file__, counts, len(published().table('savgbench').rows)]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    where, counts, rows = json.loads(done.stdout)
    assert where.startswith(str(tmp_path)) and rows == 3
    results = ROOT / "savg" / "evaluation" / "results"
    names = {path.stem for path in results.iterdir() if path.is_file()}
    assert set(counts) == names and counts["demo_quality"] == 3 and counts["two_stage_quality"] == 4
