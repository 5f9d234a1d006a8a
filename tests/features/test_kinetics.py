"""Torchvision's Kinetics networks as backbones, with random weights; nothing is fetched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from savg.device import choose
from savg.errors import CheckpointError
from savg.features.base import BackboneError
from savg.features.kinetics import KineticsBackbone, Mvit, R3d18, S3d
from savg.features.registry import backbone_class
from tests.features.video_clips import moving_clip

KINDS = (R3d18, S3d, Mvit)


def seeded(kind: type[KineticsBackbone], dtype: str = "float32") -> KineticsBackbone:
    torch.manual_seed(0)
    return kind(kind.build(), "0" * 64, choose("cpu", dtype))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    """Torch's hub cache of this test, and no way to fetch anything."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def offline(url: str, *args: object, **more: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def named(tmp_path: Path, monkeypatch) -> Path:
    """A file of random S3D weights whose name tells its SHA-256, in a folder of its own."""
    torch.manual_seed(1)
    folder = tmp_path / "told"
    folder.mkdir()
    torch.save(S3d.build().state_dict(), folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    path = (folder / "new.pth").rename(folder / f"s3d-{digest[:8]}.pth")
    address = classmethod(lambda cls: f"https://example.org/models/{path.name}")
    monkeypatch.setattr(S3d, "address", address)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_torchvision_knows_the_weights(kind: type[KineticsBackbone]) -> None:
    assert backbone_class(kind.name) is kind
    facts = kind._published()
    assert facts.meta["categories"][0] == "abseiling" and len(facts.meta["categories"]) == 400
    least = facts.meta.get("min_temporal_size", 1)
    assert (kind.window or kind.shortest) == least
    assert len(facts.url.rpartition("-")[2]) == len("12345678.pth")


@pytest.mark.parametrize("kind", [R3d18, S3d])
def test_features_are_those_of_the_clip_alone(kind: type[KineticsBackbone]) -> None:
    backbone = seeded(kind)
    frames = max(kind.shortest, 6)
    first, second, short = moving_clip(0, frames), moving_clip(1, frames), moving_clip(2, 3)
    together = backbone([first, second, short])
    assert [f.shape for f in together] == [(1, kind.width)] * 3
    assert all(f.dtype == np.float32 and np.isfinite(f).all() for f in together)
    largest = np.abs(together[0]).max()  # of random weights, features may be tiny
    assert np.abs(together[0] - together[1]).max() > 0.01 * largest
    for clip, features in ((second, together[1]), (short, together[2])):
        np.testing.assert_allclose(backbone([clip])[0], features, atol=1e-4 * largest)


def test_they_are_the_networks_own_features_before_the_classifier() -> None:
    torch.manual_seed(0)
    network = R3d18.build().eval()
    clip = moving_clip(0, 8)
    images = R3d18._published().transforms()(torch.from_numpy(clip.video).movedim(-1, 1))
    with torch.no_grad():
        logits = network(images[None])
        features = torch.from_numpy(seeded(R3d18)([clip])[0])
        torch.testing.assert_close(network.fc(features), logits, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("bfloat16_units")
@pytest.mark.parametrize("kind", [R3d18, S3d])
def test_low_precision_is_near(kind: type[KineticsBackbone]) -> None:
    clip = moving_clip(0, 14)
    (plain,), (fast,) = (seeded(kind, dtype)([clip]) for dtype in ("float32", "bfloat16"))
    assert fast.dtype == np.float32
    assert 0 < np.linalg.norm(fast - plain) < 0.05 * np.linalg.norm(plain)


@pytest.mark.usefixtures("bfloat16_units")
def test_windows_of_a_transformer() -> None:
    short = moving_clip(2, 3)
    (features,) = seeded(Mvit, "bfloat16")([short])
    assert features.shape == (1, Mvit.width) and np.isfinite(features).all()


def test_a_file_is_loaded_and_told(named: Path, cache: Path) -> None:
    assert named.name in S3d.missing() and str(cache) in S3d.missing()
    assert S3d.missing(str(named.parent)) == ""
    backbone = S3d.load(str(named.parent), "cpu")
    facts = backbone.provenance
    json.dumps(facts)
    assert facts["sha256"] == hashlib.sha256(named.read_bytes()).hexdigest()
    assert "S3D_Weights.KINETICS400_V1" in facts["backbone"] and facts["input"]["size"] == 224
    cache.mkdir(parents=True)
    named.rename(cache / named.name)
    assert S3d.missing() == "" and S3d.missing(str(named.parent)) == ""
    assert S3d.load(device="cpu").provenance == facts


def test_fetching(named: Path, cache: Path, monkeypatch) -> None:
    with pytest.raises(BackboneError) as error:
        S3d.load()
    sentence = str(error.value)
    assert S3d.address() in sentence and str(cache) in sentence and "no network" in sentence

    def fetch(url: str, path: str, hash_prefix: str) -> None:
        assert url == S3d.address() and named.name == f"s3d-{hash_prefix}.pth"
        Path(path).write_bytes(named.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert S3d.load(device="cpu").sha256.startswith(named.stem[-8:])
    assert (cache / named.name).is_file()


def test_wrong_files_are_named(named: Path, cache: Path, monkeypatch) -> None:
    source = str(named.parent)
    named.write_bytes(named.read_bytes() + b" ")
    with pytest.raises(CheckpointError, match="its SHA-256 must begin with"):
        S3d.load(source)
    monkeypatch.setattr(S3d, "address", classmethod(lambda cls: "https://example.org/plain.pth"))
    path = named.parent / "plain.pth"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError) as error:
        S3d.load(source)
    for words in ("s3d: ", str(path), "missing (first: features.", "1 unexpected (first: weight)"):
        assert words in str(error.value)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds no state dict"):
        S3d.load(source)
    path.write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match="weights_only"):
        S3d.load(source)
    torch.save({k: v * torch.nan for k, v in S3d.build().state_dict().items()}, path)
    with pytest.raises(CheckpointError, match="must hold finite weights"):
        S3d.load(source)
