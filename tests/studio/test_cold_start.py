"""What a studio does not do before its first page: counts, as seconds differ by machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from savg.media import encode
from savg.media.comment import read_comment
from savg.paths import assets_dir
from savg.studio.shared.gradio_stubs import without_stubs
from savg.studio.shared.library import POSTER, VIDEO, Library

ROOT = Path(__file__).resolve().parents[2]

COUNT_STUBS = """
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
import savg.studio
import gradio
button = gradio.Button.click, gradio.HTML.change, gradio.Blocks.load
print(sum(name.endswith(".pyi") for name in opened), sum("gradio" in name for name in opened) > 9)
"""


def test_gradio_makes_no_stubs_when_the_studio_is_imported() -> None:
    run = [sys.executable, "-c", COUNT_STUBS]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["0", "True"]


BUILD = """
import sys
from gradio.routes import App
import savg.studio
made = []
own = App.create_app
App.create_app = staticmethod(lambda *args, **options: made.append(options) or own(*args, **options))
studio = savg.studio.build()
print(*(name for name in ("torch", "scipy", "transformers") if name in sys.modules), len(made))
savg.studio.launch(studio, prevent_thread_lock=True, quiet=True)
print(len(made), studio.blocks.app is not None, App.create_app.__name__)
sys.stdout.flush()
import os
os._exit(0)
"""


def test_a_studio_is_built_without_networks_and_with_one_server(tmp_path: Path) -> None:
    """What computes is imported behind the first page, and Gradio makes its server once."""
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "XDG_CACHE_HOME": str(tmp_path)}
    run = [sys.executable, "-c", BUILD]
    result = subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    lines = result.stdout.split("\n")
    assert lines[0] == "0" and "1 True <lambda>" in lines


def test_another_gradio_is_imported_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "gradio"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "gradio").mkdir()
    (tmp_path / "gradio" / "__init__.py").write_text("from gradio.component_meta import other\n")
    (tmp_path / "gradio" / "component_meta.py").write_text("other = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    try:
        with without_stubs():
            import gradio
        assert gradio.other == 7 and sys.meta_path == before
    finally:
        for name in ("gradio.component_meta", "gradio"):
            sys.modules.pop(name, None)


def test_examples_are_copied_and_not_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("An example was encoded.")

    monkeypatch.setattr(encode, "add_h264", fail)
    library = Library(tmp_path / "library")
    examples = [library[key] for key in library.add_examples()]
    videos = sorted((assets_dir() / "examples").glob("*.mp4"))
    assert len(examples) == len(videos) > 0
    for example, video in zip(examples, videos, strict=True):
        stored = example.path(VIDEO)
        assert stored.read_bytes() == video.read_bytes()
        assert example.settings is not None
        assert read_comment(stored) == example.settings.to_text(), "Inspect reads it there"
        assert Image.open(example.path(POSTER)).size == (256, 144)
