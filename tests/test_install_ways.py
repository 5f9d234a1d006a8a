"""Ways to install that the tests cannot try: what they name is there, and says what is meant."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_container_copies_what_there_is_and_serves_as_a_plain_user() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [line.split() for line in lines if line.startswith("COPY")]
    sources = [w for words in copied for w in words[1:-1] if not w.startswith("--")]
    assert {"requirements/app.txt", "app.py", "savg", "assets"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source.split('/')[0]}" in sent, source
    user, command = lines.index("USER savg"), lines.index('CMD ["python", "app.py"]')
    assert max(i for i, line in enumerate(lines) if line.startswith(("RUN", "COPY"))) < user
    assert user < command and any(line.startswith("RUN useradd") for line in lines)


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("awk")), reason="needs make and awk")
def test_torch_of_another_index_leaves_the_rest_of_the_lock() -> None:
    def commands(*more: str) -> str:
        command = ["make", "--dry-run", "--always-make", *more, ".venv/.app"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "--index-url" not in commands()
    text = commands("TORCH_INDEX=https://example.org/cpu")
    assert "--no-deps --index-url 'https://example.org/cpu'" in text
    program = re.search(r"awk '(.+?)' requirements/app\.txt", text)
    assert program is not None
    file = ROOT / "requirements" / "app.txt"
    kept = subprocess.run(["awk", program[1], file], capture_output=True, text=True, check=True)
    names = re.compile(r"^([a-z][\w.-]*)==", re.MULTILINE)
    before, after = (set(names.findall(t)) for t in (file.read_text(), kept.stdout))
    gone = before - after
    assert {"torch", "torchvision", "torchaudio"} < gone and after < before
    assert all(re.match(r"torch|triton|nvidia-|cuda-", name) for name in gone)
    assert not [name for name in after if re.match(r"torch|triton|nvidia|cuda", name)]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_another_python_has_an_environment_of_its_own() -> None:
    command = ["make", "--dry-run", "quick", f"PYTHON={sys.executable}"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = f".venv-{sys.version_info.major}.{sys.version_info.minor}"
    assert f"VENV={folder} {folder}/.test" in text and f"{folder}/bin/python -m pytest" in text


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_bytecode_is_kept_whatever_the_environment_says() -> None:
    """By commands of the Makefile, and by tests and the processes that they start."""
    told = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "SAID": "yes"}
    command, more = ["make", "-f", "Makefile", "-f", "-", "environment"], "environment:; @env\n"
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, env=told, input=more
    )
    assert "SAID=yes" in done.stdout and "PYTHONDONTWRITEBYTECODE" not in done.stdout
    assert not sys.dont_write_bytecode and "PYTHONDONTWRITEBYTECODE" not in os.environ
