"""The folder that a Space runs: what is written, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from savg.errors import SavgError
from savg.paths import assets_dir, atomic_folder
from savg.pipelines.publish import copy_weights
from savg.space.plan import SpacePlan

PYTHON = "3.12.12"
"""Of every Space: the one version above 3.10 that ZeroGPU takes."""

PACKAGES = ("ffmpeg",)
"""Of Debian: Gradio looks for it when it shows videos."""

CODE = (".css", ".html", ".js", ".json", ".md", ".py", ".svg")
"""Suffixes of files of the package."""

ASSETS = (".json", ".md", ".mp4", ".safetensors", ".txt")
"""Suffixes of bundled weights, their licences, and examples."""

PARTS = ("demo", "examples")
"""Folders of assets that the studio opens."""

WEIGHTS = "weights"

APP = '''"""The studio on a Hugging Face Space."""

import os
{imports}
{weights}from savg.studio import main  # noqa: E402

if __name__ == "__main__":
    main()
'''

FRONT = """---
title: {title}
emoji: 🎧
colorFrom: indigo
colorTo: green
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: app.py
license: {licence}
short_description: Video and stereo sound that agree on where things are
suggested_hardware: {hardware}
tags:
- audio
- video
- spatial-audio
- mcp-server
{more}---
"""

README = """
# {title}

SAVG Studio follows the task of [SAVGBench](https://arxiv.org/abs/2412.13462): short clips whose frames
and stereo audio agree on where things are. Generate them from a seed, give videos new stereo audio, see
frame by frame whether video and sound agree.

From a program (`pip install gradio_client`):

```python
from gradio_client import Client

client = Client("{name}")
video, facts = client.predict(seed=42, api_name="/generate")
```

"Use via API" at the foot of the page lists all endpoints; agents find them by MCP at
`/gradio_api/mcp/`. Code: MIT licence. Weights: as their cards say, in `assets/demo`{weights}.
Written by `python -m savg space deploy`.
"""


def write_space(plan: SpacePlan, folder: Path) -> list[Path]:
    """Write the folder of a Space, whole or not at all; returns its files, relative to it.

    Args:
        plan: what it is to be.
        folder: is replaced.

    Raises:
        SavgError: the lock or the bundled weights are missing here, or the folder cannot be written.

    Example:
        files = write_space(SpacePlan.of("lab/studio", HARDWARE["cpu-basic"]), Path("space"))
    """
    lock = lock_text()
    if folder.exists() and not (folder / "app.py").is_file() and any(folder.iterdir()):
        raise SavgError(f"{folder} must be empty or the folder of a Space: it holds other files.")
    with atomic_folder(folder) as part:
        (part / "README.md").write_text(_readme(plan, lock), encoding="utf-8")
        (part / "requirements.txt").write_text(lock, encoding="utf-8")
        (part / "packages.txt").write_text("\n".join(PACKAGES) + "\n", encoding="utf-8")
        (part / "app.py").write_text(_app(plan), encoding="utf-8")
        _copy(Path(__file__).parents[1], part / "savg", _is_code)
        assets = assets_dir()
        for name in PARTS:
            if not (assets / name).is_dir():
                raise SavgError(f"The bundled assets are missing: expected {assets / name}.")
            _copy(assets / name, part / "assets" / name, _is_asset)
        for one in plan.weights:
            if one.folder is not None:
                copy_weights(one.folder, part / WEIGHTS / one.name)
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def lock_text() -> str:
    """The locked packages of a Space: of a checkout, or of an installed package."""
    package = Path(__file__).resolve().parents[1]
    for file in (
        package.parent / "space_requirements.txt",
        package / "space" / "requirements.txt",
        package.parent / "requirements.txt",
    ):
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise SavgError("The lock of a Space is missing: expected space_requirements.txt.")


def _app(plan: SpacePlan) -> str:
    folders = [one.name for one in plan.weights if one.folder is not None]
    repos = [one.repo for one in plan.weights if one.repo]
    if not plan.weights:
        return APP.replace("import os\n{imports}\n{weights}", "").replace("  # noqa: E402", "")
    place = f"str(Path(__file__).resolve().parent / {WEIGHTS!r} / name)".replace("'", '"')
    lines = [
        f"folders = [{place} for name in {json.dumps(folders)}]",
        f"repos = {json.dumps(repos)}",
        'os.environ.setdefault("SAVG_WEIGHTS", os.pathsep.join([*folders, *repos]))',
    ]
    weights = "\n".join(lines) + "\n\n"
    return APP.format(imports="from pathlib import Path\n", weights=weights)


def _readme(plan: SpacePlan, lock: str) -> str:
    gradio = re.search(r"^gradio==(\S+)", lock, re.MULTILINE)
    if not gradio:
        raise SavgError("The lock of a Space names no version of gradio.")
    title = plan.name.split("/")[1].replace("-", " ").replace("_", " ").strip().title()
    repos = [one.repo for one in plan.weights if one.repo]
    more = "".join(
        f"{key}:\n" + "".join(f"- {repo}\n" for repo in repos)
        for key in ("models", "preload_from_hub")
        if repos
    )
    front = FRONT.format(
        title=json.dumps(title),
        gradio=gradio[1],
        python=PYTHON,
        licence="other" if plan.weights else "mit",
        hardware=plan.hardware.hub,
        more=more,
    )
    own = any(one.folder is not None for one in plan.weights)
    weights = f" and `{WEIGHTS}`" if own else ""
    return front + README.format(title=title, name=plan.name, weights=weights)


def _copy(source: Path, target: Path, wanted: Callable[[Path], bool]) -> None:
    """Copy the files of a folder that are wanted, by their paths there."""
    for path in sorted(source.rglob("*")):
        place = path.relative_to(source)
        if path.is_file() and wanted(place):
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / place)


def _is_code(place: Path) -> bool:
    hidden = any(part.startswith((".", "__pycache__")) for part in place.parts)
    return place.suffix in CODE and not hidden and place.parts[0] != "assets"


def _is_asset(place: Path) -> bool:
    return place.suffix in ASSETS and not any(part.startswith(".") for part in place.parts)
