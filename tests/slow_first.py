"""Test files that take long begin first, so that no process is left with one when the others end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

FIRST = (
    "tests/browser/test_listen_page_in_browser.py",
    "tests/fake_gpu/test_gpu_path.py",
    "tests/fake_gpu/test_full_size.py",
    "tests/fuzz/test_fuzz.py",
    "tests/train/test_recipes.py",
    "tests/data/test_starss_build.py",
    "tests/studio/test_job_queue.py",
    "tests/browser/test_dataset_in_browser.py",
    "tests/browser/test_demo_in_browser.py",
    "tests/models/test_joint_unet.py",
    "tests/data/test_dataset_truth.py",
    "tests/evaluation/test_evaluation_processes.py",
    "tests/browser",
    "tests/train",
    "tests/pipelines",
    "tests/studio",
    "tests/mos",
)
"""Files of half a minute and more, the longest first, then folders that are long as a whole."""


def by_files_order(config: Any) -> None:
    """Let pytest-xdist keep the order of files; by itself it begins with those of most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def rank(path: Path) -> int:
    """The place of a file: that of the first entry that is it, or a folder around it."""
    places = (i for i, name in enumerate(FIRST) if path.is_relative_to(ROOT / name))
    return next(places, len(FIRST))


def begin_with_slow(items: list[Any]) -> None:
    """Sort collected tests by the rank of their files; those of one rank keep their order."""
    items.sort(key=lambda item: rank(item.path))
