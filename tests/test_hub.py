"""Component folders and published checkpoints, on a network of two layers."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from savg import hub
from savg.cli import main
from savg.cli import weights as weights_command
from savg.errors import CheckpointError, SavgError


@dataclass(frozen=True)
class ToyConfig:
    width: int = 3
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError("width is positive")


class Toy(torch.nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.line = torch.nn.Linear(2, config.width)
        self.norm = torch.nn.BatchNorm1d(config.width)


TOY = hub.ModelFormat(
    kind="toy",
    config=ToyConfig,
    build=Toy,
    from_published=lambda arguments: ToyConfig(width=(arguments or {}).get("num_channels", 3)),
    wrappers=("model_state_dict",),
    rename=lambda state: {k.replace("linear.", "line."): v for k, v in state.items()},
    card={"mirrored": True},
)


@pytest.fixture(autouse=True)
def toy_kind(monkeypatch):
    monkeypatch.setitem(hub.KINDS, "toy", "test_hub:TOY")
    import sys

    monkeypatch.setitem(sys.modules, "test_hub", sys.modules[__name__])


def published(path: Path, **changes: torch.Tensor | None) -> Path:
    state = {k.replace("line.", "linear."): v for k, v in Toy(ToyConfig()).state_dict().items()}
    for key, value in changes.items():
        key = key.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    torch.save({"model_state_dict": state}, path)
    return path


def test_a_published_file_loads_by_its_own_names(tmp_path: Path) -> None:
    path = published(tmp_path / "m.pth", linear__weight=torch.full((3, 2), 7.0))
    model = hub.load_official("toy", path)
    assert not model.training
    assert torch.equal(model.line.weight, torch.full((3, 2), 7.0))
    torch.save({"module." + k: v for k, v in model.state_dict().items()}, path)
    assert torch.equal(hub.load_official("toy", path).line.weight, model.line.weight)


def test_published_arguments_choose_the_configuration(tmp_path: Path) -> None:
    torch.save(Toy(ToyConfig(5)).state_dict(), tmp_path / "m.pt")
    assert hub.load_official("toy", tmp_path / "m.pt", {"num_channels": 5}).config.width == 5
    with pytest.raises(CheckpointError, match=r"misshapen.*instead of"):
        hub.load_official("toy", tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="width is positive"):
        hub.load_official("toy", tmp_path / "m.pt", {"num_channels": 0})


def test_a_wrong_file_names_kind_path_and_first_keys(tmp_path: Path) -> None:
    path = published(
        tmp_path / "m.pth", linear__bias=None, extra=torch.zeros(1), norm__weight=torch.zeros(9)
    )
    with pytest.raises(CheckpointError) as caught:
        hub.load_official("toy", path)
    text = str(caught.value)
    for part in ("toy", "m.pth", "line.bias", "extra", "norm.weight (9,) instead of (3,)"):
        assert part in text


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.mark.parametrize("content", ["evil", "text", "empty", "list", "truncated"])
def test_files_are_opened_as_data_only(content: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.pth"
    if content == "evil":
        path.write_bytes(pickle.dumps({"model_state_dict": Evil()}))
    elif content == "list":
        torch.save([1, 2], path)
    elif content == "truncated":
        published(path)
        path.write_bytes(path.read_bytes()[:500])
    else:
        path.write_text("hello" if content == "text" else "")
    with pytest.raises(CheckpointError, match=r"m\.pth"):
        hub.load_official("toy", path)
    assert not (tmp_path / "pwned").exists()


def test_missing_files_and_kinds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        hub.load_official("toy", tmp_path / "none.pt")
    with pytest.raises(SavgError, match=r"must be one of .*seld.*, got 'nonsense'"):
        hub.load_official("nonsense", tmp_path / "none.pt")


def saved(tmp_path: Path) -> tuple[Toy, Path]:
    model = Toy(ToyConfig(4, (5, 6)))
    card = hub.Card("MIT", "a test", facts={"mirrored": True})
    hub.save_component(model, tmp_path / "toy", "toy", card, torch.float16, {"README.md": "hello"})
    return model, tmp_path / "toy"


def test_a_component_comes_back(tmp_path: Path) -> None:
    model, folder = saved(tmp_path)
    back, card = hub.load_component(folder, "toy")
    assert back.config == model.config and not back.training
    assert back.line.weight.dtype == torch.float32
    torch.testing.assert_close(back.line.weight, model.line.weight.half().float())
    assert card.facts["mirrored"] and len(card.sha256) == 64
    assert (folder / "README.md").read_text() == "hello"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy"]


def test_damaged_components_are_refused(tmp_path: Path) -> None:
    _, folder = saved(tmp_path)
    with pytest.raises(CheckpointError, match="expected weights of kind 'seld', found 'toy'"):
        hub.load_component(folder, "seld")
    weights = folder / hub.WEIGHTS_FILE
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match="SHA-256"):
        hub.load_component(folder)
    weights.unlink()
    with pytest.raises(CheckpointError, match="no such weights"):
        hub.load_component(folder)
    config = json.loads((folder / hub.CONFIG_FILE).read_text())
    config["config"]["depth"] = 3
    (folder / hub.CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="not a toy component"):
        hub.load_component(folder)
    (folder / hub.CONFIG_FILE).write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        hub.load_component(folder)


@pytest.mark.parametrize("name", ["../joint", "/etc", "", ".hidden", None, 3, "a/b"])
def test_a_pipeline_cannot_name_folders_outside_itself(name, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="must name a folder beside it"):
        hub.component_folder(tmp_path, {"joint": name}, "joint")
    assert hub.component_folder(tmp_path, {"joint": "joint"}, "joint") == tmp_path / "joint"


def test_resolve_says_what_it_expects(tmp_path: Path, monkeypatch) -> None:
    assert hub.resolve(tmp_path) == tmp_path
    with pytest.raises(SavgError, match="expected 'demo', a folder"):
        hub.resolve("no such thing")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SavgError, match="could not be fetched"):
        hub.resolve("nobody/nothing")


def test_import_command(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(weights_command, "PUBLISHED_FILES", {"toy.pth": "toy"})
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(published(tmp_path / "toy.pth"), "weights/toy.pth")
        file.writestr("../../evil.txt", "no")
    assert main(["weights", "import", str(archive), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"toy": str(tmp_path / "out" / "toy")}
    _, card = hub.load_component(tmp_path / "out" / "toy", "toy")
    assert card.facts == {"mirrored": True} and card.origin == "toy.pth"

    assert main(["weights", "import", str(tmp_path / "none.pt"), "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "none.pt" in error and "Traceback" not in error
    (tmp_path / "x.zip").write_text("no")
    assert main(["weights", "import", str(tmp_path / "x.zip"), "--out", str(tmp_path)]) == 1
    assert "is not a zip file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        main(["weights", "import"])
    assert usage.value.code == 2
