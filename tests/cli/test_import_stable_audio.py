"""`savg weights import --kind stereosync`: stable-audio-open-1.0 in either form, in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from savg.cli import main
from savg.hub import DIFFUSERS_FILE, load_component, load_official, model_format
from savg.models import oobleck, stable_audio, stereosync
from savg.models.oobleck import Oobleck, OobleckConfig
from savg.models.stereosync import StereoSync, StereoSyncConfig
from savg.pipelines.registry import AUDIO
from tests.goldens import case

TRANSFORMER, VAE = case("stable_audio"), case("oobleck")
TINY = OobleckConfig(latents=4, channels=4, multiples=(1, 2), strides=(16, 32))


def released(
    monkeypatch: pytest.MonkeyPatch, network: StereoSyncConfig, vae: OobleckConfig
) -> None:
    """Let these sizes be the released ones."""
    monkeypatch.setitem(stereosync.CONFIGS, "full", network)
    for module, config in ((stereosync, network), (oobleck, vae)):
        own = replace(model_format(module.FORMAT.kind), from_published=lambda _, c=config: c)
        monkeypatch.setattr(module, "FORMAT", own)


def small(audio: stable_audio.StableAudioConfig) -> StereoSyncConfig:
    tiny = stereosync.CONFIGS["tiny"]
    tokens = replace(tiny.tokens, width=audio.condition)
    return replace(tiny, audio=audio, tokens=tokens, envelope=4, boxes=False, entry="latents")


def whole_file() -> tuple[StereoSync, Oobleck, dict[str, Tensor]]:
    """Networks, and their weights as the one published file names them."""
    torch.manual_seed(0)
    network = StereoSync(small(replace(stereosync.CONFIGS["tiny"].audio, overall=32)))
    vae = Oobleck(TINY)
    assert network.seconds is not None
    state = {f"model.model.{k}": v for k, v in network.network.state_dict().items()}
    state |= {f"conditioner.conditioners.{k}": v for k, v in network.seconds.state_dict().items()}
    state |= {f"pretransform.model.{k}": v for k, v in vae.state_dict().items()}
    state["conditioner.conditioners.prompt.proj_out.weight"] = torch.ones(3)
    return network, vae, state


@pytest.mark.parametrize("name", ["model.safetensors", "model.ckpt"])
def test_the_published_file_becomes_network_vae_and_pipeline(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, vae, state = whole_file()
    released(monkeypatch, network.config, vae.config)
    file, out = tmp_path / name, tmp_path / "out"
    if name.endswith("ckpt"):
        torch.save({"state_dict": state}, file)
    else:
        save_file({k: v.contiguous().clone() for k, v in state.items()}, file)
    command = ["weights", "import", str(file), "--kind", "stereosync", "--out", str(out), "--json"]
    assert main(command) == 0
    written = json.loads(capsys.readouterr().out)
    assert set(written) == {"stereosync", "oobleck", "pipeline"}
    loaded, card = load_component(out / "stereosync", "stereosync")
    assert card.origin == name
    for key, value in network.network.state_dict().items():
        assert torch.equal(loaded.state_dict()[f"network.{key}"], value)
    same, _ = load_component(out / "oobleck", "oobleck")
    assert all(torch.equal(v, vae.state_dict()[k]) for k, v in same.state_dict().items())
    values = json.loads((out / "pipeline.json").read_text())
    assert values["clap"] == "laion/clap-htsat-unfused" and values["sampler"]["seconds"] == 2
    pipeline = AUDIO.load(out, device="cpu", dtype="float32")
    assert pipeline.name == "stereosync" and pipeline.sample_rate == 44_100


def diffusers_folder(folder: Path) -> dict[str, Tensor]:
    """Weights of diffusers' own classes; those of its number conditioners."""
    width = TRANSFORMER.meta["constructor"]["cross_attention_dim"]
    seconds: dict[str, Tensor] = {}
    for name in ("start_number_conditioner", "end_number_conditioner"):
        place = f"{name}.time_positional_embedding"
        seconds[f"{place}.0.weights"] = torch.randn(128)
        seconds[f"{place}.1.weight"] = torch.randn(width, 257)
        seconds[f"{place}.1.bias"] = torch.randn(width)
    parts: dict[str, Any] = {
        "transformer": TRANSFORMER.state,
        "vae": VAE.state,
        "projection_model": {**seconds, "text_projection.weight": torch.ones(2, 2)},
    }
    for part, state in parts.items():
        (folder / part).mkdir(parents=True)
        save_file(state, folder / part / DIFFUSERS_FILE)
    return seconds


def test_diffusers_folder_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = stable_audio.from_published(TRANSFORMER.meta["constructor"])
    released(monkeypatch, small(audio), oobleck.from_published(VAE.meta["constructor"]))
    source, out = tmp_path / "stable-audio-open-1.0", tmp_path / "out"
    seconds = diffusers_folder(source)
    command = ["weights", "import", str(source), "--out", str(out)]
    assert main(command) == 1
    assert "is a folder: expected released files" in capsys.readouterr().err
    assert main([*command, "--kind", "stereosync"]) == 0
    loaded, card = load_component(out / "stereosync", "stereosync")
    assert card.origin == source.name
    expected = stable_audio.rename(TRANSFORMER.state)
    for key, value in expected.items():
        assert torch.equal(loaded.state_dict()[f"network.{key}"], value), key
    own = loaded.state_dict()["seconds.seconds_total.embedder.embedding.1.bias"]
    assert torch.equal(own, seconds["end_number_conditioner.time_positional_embedding.1.bias"])
    assert (out / "oobleck" / "model.safetensors").is_file()
    (source / "projection_model" / DIFFUSERS_FILE).unlink()
    with pytest.raises(Exception, match="no such weights file"):
        load_official("stereosync", source)
