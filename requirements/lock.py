"""Writes the lock files and space_requirements.txt from pyproject.toml: `make lock`.

One resolution, for Python 3.11 to 3.13 on Linux, macOS and Windows, covers the package, its extras,
its build and a Hugging Face Space, so that a package has the same version in every file:

- app.txt: the package's dependencies and its build (what `make app` installs);
- test.txt: the same and every extra that tests need (mmdet compiles against an environment of its own,
  the furnished world is made in one, and wandb is of no use without an account);
- uv.txt: the installer;
- ../space_requirements.txt: the dependencies and what Gradio's Space builder adds to them, for the
  Python and Gradio of README's front matter, without hashes: the builder's own packages have none.

Versions already locked stay unless pyproject.toml excludes them; `--upgrade` (all of them) and
`--upgrade-package NAME` move them on.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
SPACE = ROOT / "space_requirements.txt"
README = ROOT / "README.md"
EXTRAS = ["clip", "dataset", "metrics", "postgres", "test", "train"]
UNIVERSAL = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest"]


def options(flag: str, values: list[str]) -> list[str]:
    """`[flag, value, flag, value, …]`."""
    return [word for value in values for word in (flag, value)]


def resolve(target: Path, *arguments: str) -> None:
    """Write `target` with uv. Nothing of this machine's configuration is named in it."""
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate"]
    command = [*uv, "--custom-compile-command", "make lock", "--output-file", str(target)]
    subprocess.run([*command, *arguments], cwd=ROOT, check=True)


def main(arguments: list[str]) -> None:
    """Write all files. `arguments` go to uv's one resolution."""
    app, test, uv = (LOCKS / f"{name}.txt" for name in ("app", "test", "uv"))
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.txt"
        kept = [file.read_text() for file in (test, uv, SPACE) if file.exists()]
        everything.write_text("".join(kept))
        extras = options("--extra", EXTRAS)
        groups = options("--group", ["build", "installer", "space"])
        resolve(everything, "pyproject.toml", *UNIVERSAL, *extras, *groups, *arguments)
        same = ["--constraints", str(everything)]
        hashed = [*UNIVERSAL, "--generate-hashes", "--upgrade", *same]
        resolve(app, "pyproject.toml", "--group", "build", *hashed)
        resolve(test, "pyproject.toml", "--group", "build", *extras, *hashed)
        resolve(uv, "--group", "installer", *hashed)
        front = README.read_text().split("---")[1]
        python = re.search(r'python_version: "(.*)"', front)
        if not python:
            sys.exit("README.md has no python_version.")
        builder = ["--group", "space", "--no-emit-package", "spaces"]
        system = ["--python-version", python[1], "--python-platform", "linux"]
        resolve(SPACE, "pyproject.toml", *builder, *system, "--upgrade", *same)
    gradio = re.search(r"^gradio==(\S+)", SPACE.read_text(), re.MULTILINE)
    if not gradio:
        sys.exit("Gradio is not locked.")
    README.write_text(
        re.sub(r"^sdk_version: .*", f"sdk_version: {gradio[1]}", README.read_text(), flags=re.M)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
