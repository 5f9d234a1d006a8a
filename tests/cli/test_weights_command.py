"""`savg weights import` of the second stage's files, with small networks under the released names."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from savg import hub
from savg.cli import main
from savg.cli.weights import PUBLISHED_FILES, VARIANTS
from savg.models import audioclip, bigvgan, mel_vae, mmaudio, synchformer, vggish

CONFIGS = {
    "mmaudio": mmaudio.CONFIGS,
    "mel_vae": mel_vae.CONFIGS,
    "bigvgan": bigvgan.CONFIGS,
    "synchformer": synchformer.CONFIGS,
    "audioclip": audioclip.CONFIGS,
    "vggish": vggish.CONFIGS,
}
EXPECTED = {
    "mmaudio_small_16k.pth": "small_16k",
    "mmaudio_small_44k.pth": "small_44k",
    "mmaudio_medium_44k.pth": "medium_44k",
    "mmaudio_large_44k.pth": "large_44k",
    "mmaudio_large_44k_v2.pth": "large_44k_v2",
    "v1-16.pth": "16k",
    "v1-44.pth": "44k",
    "best_netG.pt": "16k",
    "synchformer_state_dict.pth": "full",
    "AudioCLIP-Full-Training.pt": "full",
    "AudioCLIP-Partial-Training.pt": "full",
    "vggish-10086976.pth": "full",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_released_names_tell_kind_and_configuration(name: str) -> None:
    kind = PUBLISHED_FILES[name]
    published = {"name": VARIANTS[name]} if name in VARIANTS else None
    config = hub.model_format(kind).from_published(published)
    assert config == CONFIGS[kind][EXPECTED[name]]


@pytest.fixture
def small(monkeypatch) -> dict[str, torch.nn.Module]:
    """Tiny networks in the place of the released ones, which are too large for a test."""
    built = {}
    for kind, configs in CONFIGS.items():
        spec = hub.model_format(kind)
        small = replace(spec, from_published=lambda published, tiny=configs["tiny"]: tiny)
        module = hub.KINDS[kind].split(":")[0]
        monkeypatch.setattr(f"{module}.FORMAT", small)
        torch.manual_seed(0)
        built[kind] = spec.build(configs["tiny"])
    return built


@pytest.mark.parametrize("name", EXPECTED)
def test_every_released_file_becomes_a_component(name: str, small, tmp_path: Path, capsys) -> None:
    kind = PUBLISHED_FILES[name]
    state = small[kind].state_dict()
    torch.save({"generator": state} if kind == "bigvgan" else state, tmp_path / name)
    out = tmp_path / "out"
    assert main(["weights", "import", str(tmp_path / name), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {kind: str(out / kind)}
    model, card = hub.load_component(out / kind, kind)
    assert card.origin == name and asdict(model.config) == asdict(CONFIGS[kind]["tiny"])
    for key, value in state.items():
        assert torch.equal(model.state_dict()[key], value)


def test_a_renamed_file_says_its_variant(tmp_path: Path, capsys) -> None:
    path = tmp_path / "mine.pth"
    torch.save(mmaudio.MMAudio(mmaudio.CONFIGS["tiny"]).state_dict(), path)
    command = ["weights", "import", str(path), "--out", str(tmp_path / "out"), "--kind", "mmaudio"]
    assert main([*command, "--variant", "enormous"]) == 1
    error = capsys.readouterr().err
    assert "large_44k_v2" in error and "enormous" in error and "Traceback" not in error
    assert main([*command, "--variant", "small_44k"]) == 1
    assert "latent_mean (1, 1, 4) instead of (1, 1, 40)" in capsys.readouterr().err


def test_what_is_no_released_file_is_told_with_those_that_are(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "v1-16.pth").write_bytes(b"")
    (tmp_path / "clip.MP4").write_bytes(b"")
    (tmp_path / "mine.pth").write_bytes(b"")
    for path, words in (
        (folder, "downloads is a folder; it holds v1-16.pth: expected released files."),
        (tmp_path, f"{tmp_path} is a folder: expected released files."),
        (tmp_path / "clip.MP4", "clip.MP4 is a video: expected a checkpoint."),
        (tmp_path / "mine.pth", "mine.pth is not the name of a released file; if it is a renamed "),
    ):
        assert main(["weights", "import", str(path), "--out", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
        assert all(name in error for name in PUBLISHED_FILES)
        assert ("--kind (audioclip, bigvgan, " in error) == (path.suffix == ".pth")
