"""Where metrics find their networks, and what is said of those that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from savg.cli import main
from savg.errors import CheckpointError
from savg.features import networks
from savg.features.base import BackboneError
from savg.features.networks import (
    load_network,
    missing_network,
    network_folder,
    network_sha256,
)
from savg.hub import Card, save_component
from savg.hub.published_files import METRIC_FILES, METRIC_KINDS, files_of
from savg.models.synchformer import CONFIGS, Synchformer
from savg.models.synchformer_sync import CONFIGS as SYNC_CONFIGS
from savg.models.synchformer_sync import SynchformerSync
from savg.paths import file_sha256

KIND = "synchformer"


def network(seed: int = 0) -> Synchformer:
    torch.manual_seed(seed)
    return Synchformer(CONFIGS["tiny"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """The folder of networks of this test."""
    folder = tmp_path / "networks"
    monkeypatch.setenv(networks.NETWORKS_VARIABLE, str(folder))
    return folder


def test_the_folder_of_networks(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv(networks.NETWORKS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert networks.networks_folder() == tmp_path / "savg" / "networks"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert networks.networks_folder() == tmp_path / "me" / ".local/share/savg/networks"
    monkeypatch.setenv(networks.NETWORKS_VARIABLE, str(tmp_path / "mine"))
    assert networks.networks_folder() == tmp_path / "mine"


@pytest.mark.parametrize("kind", METRIC_KINDS)
def test_a_missing_network_names_its_file_and_the_command(kind: str, place: Path) -> None:
    files = files_of(kind)
    sentence = missing_network(kind)
    assert all(name in sentence for name in files) and files
    assert f"`python -m savg weights import {files[0]}`" in sentence and str(place) in sentence
    with pytest.raises(BackboneError) as error:
        load_network(kind)
    assert str(error.value) == sentence
    assert network_folder(kind) is None


def test_a_source_is_looked_at_alone(place: Path, tmp_path: Path) -> None:
    card = Card("MIT", "a test")
    save_component(network(), place / KIND, KIND, card)
    assert network_folder(KIND) == place / KIND and missing_network(KIND) == ""
    other = tmp_path / "other"
    assert network_folder(KIND, other) is None
    assert f"--out {other}" not in missing_network("seld") and f"in {other}" in missing_network(
        KIND, other
    )
    save_component(network(1), other / KIND, KIND, card)
    assert network_folder(KIND, other) == network_folder(KIND, other / KIND) == other / KIND
    module, sha256 = load_network(KIND, other, "cpu")
    assert sha256 == file_sha256(other / KIND / "model.safetensors")
    assert sha256 != load_network(KIND)[1] and not module.training
    for key, value in network(1).state_dict().items():
        assert torch.equal(module.state_dict()[key], value)


def test_a_repository_is_not_asked_of_the_network(place: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert "someone/network" in missing_network(KIND, "someone/network")
    assert network_folder(KIND, "someone/network") is None


def test_a_component_of_another_kind_is_named(place: Path) -> None:
    save_component(network(), place / KIND, KIND, Card("MIT", "a test"))
    (place / KIND).rename(place / "seld")
    with pytest.raises(CheckpointError, match="'seld', found 'synchformer'"):
        load_network("seld")


def test_import_without_a_folder_replaces_the_network(place: Path, tmp_path: Path, capsys) -> None:
    (name, whole), *_ = METRIC_FILES.items()
    small = tmp_path / name
    torch.save(SynchformerSync(SYNC_CONFIGS["tiny"]).state_dict(), small)
    place.joinpath(whole).mkdir(parents=True)
    place.joinpath(whole, "leftover").write_text("of an older import")
    arguments = ["weights", "import", str(small), "--variant", "tiny", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {whole: str(place / whole)}
    assert sorted(p.name for p in place.rglob("*")) == sorted(
        [whole, "config.json", "model.safetensors"]
    )
    assert load_network(whole)[0].config == SYNC_CONFIGS["tiny"]  # type: ignore[union-attr]


def test_a_file_of_two_kinds_is_told_which_with_a_folder(place: Path, tmp_path: Path) -> None:
    (name, whole), *_ = METRIC_FILES.items()
    assert f"import {name} --kind {whole} --out {tmp_path}`" in missing_network(whole, tmp_path)
    assert "--kind" not in missing_network(whole)
    small, out = tmp_path / name, tmp_path / "out"
    torch.save(SynchformerSync(SYNC_CONFIGS["tiny"]).state_dict(), small)
    arguments = ["weights", "import", str(small), "--variant", "tiny", "--out", str(out)]
    assert main([*arguments, "--kind", whole]) == 0
    assert network_folder(whole, out) == out / whole and not place.exists()


def test_parts_of_pipelines_need_a_folder(place: Path, tmp_path: Path, capsys) -> None:
    for name in ("model330011.pt", "SAVGBench_PretrainedModels_V1.zip"):
        (tmp_path / name).write_bytes(b"")
        assert main(["weights", "import", str(tmp_path / name)]) == 1
        assert f"{name} holds parts of a pipeline: give its folder with --out." in (
            capsys.readouterr().err
        )
    assert not place.exists()


def test_a_checksum_is_read_from_the_card_without_loading(place: Path) -> None:
    with pytest.raises(BackboneError) as error:
        network_sha256(KIND)
    assert str(error.value) == missing_network(KIND)
    save_component(network(), place / KIND, KIND, Card("MIT", "a test"))
    weights, config = place / KIND / "model.safetensors", place / KIND / "config.json"
    expected = load_network(KIND, None, "cpu")[1]
    weights.write_bytes(b"damaged")
    assert network_sha256(KIND) == expected, "the card is read alone"
    data = json.loads(config.read_text())
    del data["card"]["sha256"]
    config.write_text(json.dumps(data))
    assert network_sha256(KIND) == file_sha256(weights) != expected
    weights.unlink()
    with pytest.raises(CheckpointError, match="no such weights file"):
        network_sha256(KIND)
    config.write_text(json.dumps({**data, "kind": "seld"}))
    with pytest.raises(CheckpointError, match="expected weights of kind 'synchformer'"):
        network_sha256(KIND)
