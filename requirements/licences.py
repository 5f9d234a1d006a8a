"""Writes docs/third-party-licences.md: the licence of every locked package and bundled file.

`make licences`, after `make lock`. Licences come from the packages' own metadata: of this environment
where it has the locked version, else of the package itself, which uv fetches into a temporary folder.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "third-party-licences.md"

LOCKS = {
    "requirements/app.txt": "app",
    "requirements/test.txt": "extras and tests",
    "requirements/uv.txt": "installer",
    "space_requirements.txt": "Space",
}
"""Lock file → what it is for, the first one that names a package counts."""

PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,-]*\])?==([^\s;\\]+)", re.MULTILINE)

WINDOWS = re.compile(r"^([A-Za-z0-9][\w.-]*)==.*sys_platform == 'win32'", re.MULTILINE)
"""Packages that are locked for Windows alone, and may have no file for another system."""

UNSTATED = {"cuda-toolkit": "NVIDIA Proprietary Software", "pyroomacoustics": "MIT"}
"""Licences that stand in a package's files or at its publisher, and not in its metadata."""

HEAD = """# Third-party licences

Written by `make licences` from the locks and the packages' own metadata. The project itself is under
the [MIT licence](../LICENSE). The texts of the licences come with the packages (`*.dist-info`).

## Packages

| package | version | licence | needed by |
|---|---|---|---|
"""

WHEELS = """
Some packages carry libraries of others, whose notices are in their folders too: `av` and
`imageio-ffmpeg` FFmpeg with x264 and x265 (GPL-2.0-or-later as built), `opencv-python-headless` FFmpeg
(LGPL-2.1), `soundfile` libsndfile (LGPL-2.1), `numpy` and `scipy` OpenBLAS and libgfortran, `torch` the
libraries listed in its NOTICE, and the NVIDIA packages CUDA under NVIDIA's own terms.

## Bundled files

"""

TAIL = """
Published weights and datasets (SAVGBench, STARSS23, MMAudio, Synchformer, BigVGAN, CLIP and others) are
not part of the project: whoever imports them keeps the licence of their authors.
"""


def locked() -> dict[str, tuple[str, str]]:
    """Name → version and use of every locked package."""
    found: dict[str, tuple[str, str]] = {}
    for file, use in LOCKS.items():
        for name, version in PINNED.findall((ROOT / file).read_text(encoding="utf-8")):
            found.setdefault(plain(name), (version, use))
    return found


def plain(name: str) -> str:
    """A package's name as an index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(package: Distribution) -> str:
    """The licence that a package states, empty if it states none."""
    facts = package.metadata
    name = plain(facts["Name"])
    if name in UNSTATED:
        return UNSTATED[name]
    if facts.get("License-Expression"):
        return str(facts["License-Expression"])
    stated = str(facts.get("License") or "").strip()
    classifiers = facts.get_all("Classifier") or []
    named = [c.rsplit(" :: ", 1)[1] for c in classifiers if c.startswith("License ::")]
    named = [n for n in named if n != "OSI Approved"]
    if named:
        return ", ".join(named)
    return stated if "\n" not in stated and len(stated) < 80 else ""


def licences(packages: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The licence of each package; the program ends if one states none."""
    found = read(distributions(), packages)
    missing = sorted(packages.keys() - found.keys())
    locks = "".join((ROOT / file).read_text(encoding="utf-8") for file in LOCKS)
    windows = {plain(name) for name in WINDOWS.findall(locks)}
    found |= fetched([name for name in missing if name not in windows], packages)
    found |= fetched([name for name in missing if name in windows], packages, "windows")
    if silent := sorted(name for name in packages if not found.get(name)):
        sys.exit(f"These packages state no licence: {', '.join(silent)}.")
    return found


def fetched(
    names: list[str], packages: dict[str, tuple[str, str]], system: str | None = None
) -> dict[str, str]:
    """Licences of packages that are not here, from their files for `system` (None: this one)."""
    if not names:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
        target = ["--python-version", "3.13", "--target", folder]
        place = [] if system is None else ["--python-platform", system]
        wanted = [f"{name}=={packages[name][0]}" for name in names]
        subprocess.run([*uv, *target, *place, *wanted], check=True)
        return read(distributions(path=[folder]), packages)


def read(
    candidates: Iterable[Distribution], packages: dict[str, tuple[str, str]]
) -> dict[str, str]:
    """Licences of those candidates that have a locked version."""
    found = {}
    for package in candidates:
        name = plain(package.metadata["Name"])
        if name in packages and packages[name][0].split("+")[0] == package.version.split("+")[0]:
            found[name] = licence(package)
    return found


def bundled() -> str:
    """The table of assets/README.md."""
    text = (ROOT / "assets" / "README.md").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if line.startswith("|")) + "\n"


def main() -> None:
    """Write the file."""
    packages = locked()
    names = licences(packages)
    rows = [
        f"| {name} | {version} | {names[name].replace('|', '/')} | {use} |"
        for name, (version, use) in sorted(packages.items())
    ]
    text = HEAD + "\n".join(rows) + "\n" + WHEELS + bundled() + TAIL
    OUT.write_text(text, encoding="utf-8")
    print(f"{OUT.relative_to(ROOT)}: {len(rows)} packages.")


if __name__ == "__main__":
    main()
