"""pipeline.json by strangers: a wrong setting is one sentence that names the file and the setting."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nested_values import changed, places

from savg.detectors import persons
from savg.errors import CheckpointError
from savg.hub import load_component
from savg.pipelines import (
    diffusion,
    joint,
    pan,
    stereosync,
    stereosync_parts,
    two_stage,
    video_to_audio,
)
from savg.pipelines.base import Pipeline

MAKERS: dict[str, Any] = {
    "joint": joint.tiny,
    "two_stage": two_stage.tiny,
    "video_to_audio": video_to_audio.tiny,
    "pan": pan.tiny,
    "stereosync": stereosync.tiny,
}

WILD: tuple[Any, ...] = (
    None, True, -1, 10**9, 2**63 - 1, 1.5, 1e308, "12", [], {}, {"a": {"b": 1}}, [1] * 20_000,
    "x" * 20_000,
)  # fmt: skip


@pytest.fixture(scope="module", params=MAKERS)
def saved(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[type[Pipeline], Path]:
    pipeline = MAKERS[request.param]()
    folder = tmp_path_factory.mktemp("pipelines") / request.param
    pipeline.save_pretrained(folder)
    return type(pipeline), folder


def refusal(kind: type[Pipeline], folder: Path) -> str | None:
    try:
        kind.from_pretrained(folder, "cpu", "float32")
    except CheckpointError as error:
        text = str(error)
        assert text.startswith(str(folder)) or str(folder) in text, text
        assert text.endswith(".") and "\n" not in text
        assert len(text.replace(str(folder), "")) <= 400, text
        return text
    return None


def test_a_wild_value_of_any_setting_is_refused_or_harmless(
    saved: tuple[type[Pipeline], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, source = saved
    cached = cache(load_component)  # the networks are good, and the same in all cases
    for module in (diffusion, persons, stereosync_parts, video_to_audio):
        monkeypatch.setattr(module, "load_component", cached)
    folder = tmp_path / "p"
    folder.mkdir()
    for part in source.iterdir():
        (folder / part.name).symlink_to(part)
    file = folder / "pipeline.json"
    file.unlink()
    good = json.loads((source / "pipeline.json").read_text())
    refused = 0
    for path in places(good):
        for value in WILD:
            file.write_text(json.dumps(changed(good, path, value)))
            text = refusal(kind, folder)
            refused += text is not None
            if text is not None and len(path) > 1 and path[-1] not in text:
                named = path[-2] in text or path[0] in text
                assert named or "could not be read: no such file" in text, (path, value, text)
    assert refused > 5 * len(list(places(good)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"sampler": None},
            "pipeline.json: sampler: not a sampler: settings must be a JSON object",
        ),
        ({"sampler": {"steps": None}}, "sampler: not a sampler: steps must be a whole number"),
        ({"sampler": {"steps": 10**9}}, "steps must be ≤ 100000, got 1000000000"),
        ({"sampler": {"name": ["ddim"]}}, r"sampler must be one of .*, got \('ddim',\)"),
        (
            {"sampler": {"limit": {}}},
            "limit must be text of at most 80 characters or null|limit must be",
        ),
        (
            {"superres_sampler": []},
            "superres_sampler: not a sampler: settings must be a JSON object",
        ),
        ({"codec": None}, "codec: settings must be a JSON object, got None"),
        (
            {"codec": {"size": 16, "rows": 16, "fold": 3}},
            "frames must be a multiple of fold 3, got 4",
        ),
        ({"codec": {"size": 16, "rows": 16, "fold": 2}}, r"video must be \[B, F, 3, H, W\], got"),
        (
            {"format": {"size": 8192, "frames": 10**6}},
            "frames and audio of a clip must take ≤ 1024",
        ),
        ({"guidance": {"weight": True}}, "weight of guidance must be a number"),
        ({"guidance": "strong"}, "guidance: settings must be a JSON object, got 'strong'"),
        ({"shared_noise": "false"}, "shared_noise must be true or false, got 'false'"),
        ({"superres": ""}, "'superres' must name a folder beside it, got ''"),
        ({"joint": "x" * 300}, "'joint' must name a folder beside it, got 'xxx"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    joint.tiny().save_pretrained(folder)
    file = folder / "pipeline.json"
    values = {**json.loads(file.read_text()), **change}
    for key, old in json.loads(file.read_text()).items():
        if key == "format" and isinstance(change.get(key), dict):
            values[key] = {**old, **change[key]}
    file.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=words) as caught:
        joint.JointPipeline.from_pretrained(folder, "cpu")
    assert str(file) in str(caught.value) or str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"diffusion_steps": 10**9}, "diffusion_steps must be ≤ 100000, got 1000000000"),
        ({"diffusion_steps": "many"}, "diffusion_steps must be a whole number"),
        ({"diffusion_steps": 3}, "diffusion_steps must be enough for its noise, got 3"),
        ({"prediction": "noise"}, "prediction must be one of eps, v, x0, got 'noise'"),
        ({"variance": ["learned_range"]}, "variance must be one of"),
        ({"mirrored": "false"}, "mirrored must be true or false, got 'false'"),
    ],
)
def test_facts_of_a_card_are_checked(facts: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    joint.tiny().save_pretrained(folder)
    file = folder / "joint" / "config.json"
    values = json.loads(file.read_text())
    values["card"]["facts"] |= facts
    file.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=words):
        joint.JointPipeline.from_pretrained(folder, "cpu")


def test_stages_of_another_file_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    two_stage.tiny().save_pretrained(folder)
    (folder / "pipeline.json").rename(folder / "both.json")
    (folder / "pipeline.json").write_text('{"pipeline": "another"}')
    values = json.loads((folder / "both.json").read_text())
    values["sound"]["sampler"]["overlap"] = -1
    (folder / "both.json").write_text(json.dumps(values))
    words = r"both\.json: sound: sampler: not a sampler: overlap must be ≥ 0, got -1\."
    with pytest.raises(CheckpointError, match=words):
        two_stage.TwoStagePipeline.from_pretrained(folder, "cpu")
    with pytest.raises(CheckpointError, match=words):
        video_to_audio.VideoToAudio.from_pretrained(folder, "cpu")


def test_a_folder_with_many_other_files_is_read(tmp_path: Path) -> None:
    """Whatever lies beside pipeline.json: lists, broken files, deep ones."""
    folder = tmp_path / "p"
    joint.tiny().save_pretrained(folder)
    for name, content in (
        ("a", "[1]"),
        ("b", "{"),
        ("c", "[" * 100_000),
        ("d", '{"pipeline": [1]}'),
    ):
        (folder / f"{name}.json").write_text(content)
    assert joint.JointPipeline.from_pretrained(folder, "cpu", "float32").name == "joint"
