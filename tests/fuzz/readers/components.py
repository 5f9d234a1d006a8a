"""Readers of weights: components, pipelines, training checkpoints and published files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from savg.checksums import SUMS_FILE, write_sums
from savg.data.packed import PackedClips, PackLayout, pack_clips
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.hub import CONFIG_FILE, WEIGHTS_FILE, Card, load_component, load_official, save_component
from savg.input_file import input_file
from savg.models.griffin_lim import CONFIGS as GRIFFIN_LIM
from savg.models.griffin_lim import GriffinLim
from savg.models.harmonic_vocoder import CONFIGS as HARMONIC
from savg.models.harmonic_vocoder import HarmonicVocoder
from savg.models.i3d import I3d, I3dConfig
from savg.models.istft_vocoder import CONFIGS as ISTFT
from savg.models.istft_vocoder import IstftVocoder
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.mel_vae import CONFIGS as VAE
from savg.models.mel_vae import MelVae
from savg.models.nanodet import CONFIGS as NANODET
from savg.models.nanodet import Nanodet
from savg.models.seld import CONFIGS as SELD
from savg.models.seld import Seld
from savg.models.yolox import CONFIGS as YOLOX
from savg.models.yolox import Yolox
from savg.paths import file_sha256
from savg.pipelines import joint, pan, stereosync, two_stage, video_to_audio
from savg.pipelines.description import descriptions, pipelines_in
from savg.pipelines.registry import AUDIO, CLIPS
from savg.train.bundle import describe, export
from savg.train.checkpoint import Checkpoint, folders, load, save
from savg.train.feature_maps import feature_maps
from savg.train.recipe import get_recipe
from savg.train.records import Table
from tests.fuzz.case import Reader, Seed, Trial
from tests.fuzz.judge import Fault
from tests.fuzz.readers.commands import command
from tests.mos_clips import panned_clip

NETWORKS = {
    "seld": lambda: Seld(SELD["tiny"]),
    "yolox": lambda: Yolox(YOLOX["test"]),
    "nanodet": lambda: Nanodet(NANODET["test"]),
    "mel_vae": lambda: MelVae(VAE["tiny"]),
    "joint_unet": lambda: JointUNet(JOINT["tiny"]),
    "istft_vocoder": lambda: IstftVocoder(ISTFT["tiny"]),
    "griffin_lim": lambda: GriffinLim(GRIFFIN_LIM["tiny"]),
    "harmonic_vocoder": lambda: HarmonicVocoder(HARMONIC["tiny"]),
    "i3d": lambda: I3d(I3dConfig(num_classes=4, width=0.02)),
}

INT8 = ("nanodet",)
"""Kinds whose seeds are stored as int8."""


def _seal(folder: Path) -> None:
    """Make the checksums of cards and of SHA256SUMS true."""
    for config in folder.rglob(CONFIG_FILE):
        with suppress(SavgError, OSError, ValueError, TypeError, LookupError, RecursionError):
            data = json.loads(input_file(config, "configuration").read_text())
            weights = input_file(config.with_name(WEIGHTS_FILE), "weights")
            data["card"]["sha256"] = file_sha256(weights)
            config.write_text(json.dumps(data))
    for sums in folder.rglob(SUMS_FILE):
        with suppress(SavgError, OSError, ValueError):
            lines = input_file(sums, "list of checksums").read_text().splitlines()
            names = [line.split()[-1] for line in lines if line.strip()]
            write_sums(sums.parent, [name for name in names if (sums.parent / name).is_file()])


def _component(kind: str) -> Seed:
    def build(folder: Path) -> None:
        torch.manual_seed(0)
        dtype = torch.int8 if kind in INT8 else None
        save_component(NETWORKS[kind](), folder / "component", kind, Card("MIT", "random"), dtype)

    return Seed(
        build, "component", (f"component/{CONFIG_FILE}", f"component/{WEIGHTS_FILE}"), _seal
    )


def _pipeline(make: object) -> Seed:
    def build(folder: Path) -> None:
        make().save_pretrained(folder)  # type: ignore[operator]

    return Seed(build, targets=("*.json", "*.json", f"*/{CONFIG_FILE}"), seal=_seal)


def _run(folder: Path) -> None:
    """A finished training of the sound detector, and its export."""
    torch.manual_seed(0)
    recipe = get_recipe("seld", "tiny")
    describe(folder, "seld", "tiny", "synthetic", recipe)
    weights = {f"{recipe.network}{k}": v for k, v in recipe.build().state_dict().items()}
    optimizer = {"0.step": torch.tensor(3.0), "0.exp_avg": torch.ones(4)}
    facts = json.loads((folder / "run.json").read_text())["settings"]
    average = {key: value.clone() for key, value in weights.items()}
    save(folder, Checkpoint(3, 1.5, facts, weights, average, optimizer))
    (folder / "log.csv").write_text("step,loss\n1,0.5\n2,0.4\n3,0.3\n")
    (folder / "scores.csv").write_text("step,f1\n3,0.3\n")


def _published(name: str, legacy: bool) -> Seed:
    def build(folder: Path) -> None:
        torch.manual_seed(0)
        state = {"model_state_dict": Seld(SELD["tiny"]).state_dict(), "epoch": 3}
        torch.save(state, folder / name, _use_new_zipfile_serialization=not legacy)

    return Seed(build, name)


def _pack(folder: Path) -> None:
    format = ClipFormat(frames=4, size=64, picture_height=36)

    class Item:
        clip, labels, boxes = panned_clip(0, 3.0, format=format), None, None

    pack_clips(folder / "pack", [Item, Item], PackLayout(2, format, 64))  # type: ignore[list-item]


def _maps(folder: Path) -> None:
    feature_maps(folder / "maps", {"x": 1}, 2, lambda: [{"x": np.ones(3)}] * 2)


SEEDS = {
    **{f"component_{kind}": _component(kind) for kind in NETWORKS},
    "joint": _pipeline(joint.tiny),
    "two_stage": _pipeline(two_stage.tiny),
    "video_to_audio": _pipeline(video_to_audio.tiny),
    "pan": _pipeline(pan.tiny),
    "stereosync": _pipeline(stereosync.tiny),
    "run": Seed(
        _run,
        targets=("run.json", "checkpoints/*/*", "checkpoints/*/*", "log.csv", "scores.csv"),
        seal=_seal,
    ),
    "published_zip": _published("seed.pt", False),
    "published_legacy": _published("seed.bin", True),
    "pack": Seed(_pack, "pack", ("pack/meta.json", "pack/*.npy"), _seal),
    "maps": Seed(_maps, "maps", ("maps/meta.json", "maps/*.npy"), _seal),
}


def _load_pipeline(trial: Trial) -> None:
    pipelines_in(trial.path)
    for described in descriptions(trial.path):
        _ = described.is_complete, described.takes_boxes, described.sampler
    registry = AUDIO if any(name in trial.path.name for name in AUDIO) else CLIPS
    registry.load(trial.path, device="cpu")


def _checkpoint(trial: Trial) -> None:
    for folder in folders(trial.path):
        load(folder)


def _records(trial: Trial) -> None:
    copy = trial.scratch / "log.csv"
    if (trial.path / "log.csv").is_file():
        copy.write_bytes((trial.path / "log.csv").read_bytes())
    Table(copy, 2).add({"step": 3, "loss": 0.2})


def _export(trial: Trial) -> None:
    export(trial.path, trial.out / "component", "float32")
    load_component(trial.out / "component")


def _import(trial: Trial) -> None:
    out = trial.out / "weights"
    code, _ = command(["weights", "import", str(trial.path), "--kind", "seld", "--out", str(out)])
    if code and list(trial.out.rglob("*")):
        raise Fault("a failed import left something behind")


def _packed(trial: Trial) -> None:
    pack = PackedClips(trial.path)
    for index in range(len(pack)):
        pack.labels(index), pack.boxes(index), pack.clip(index)


def _feature_maps(trial: Trial) -> None:
    """A cache: a damaged one is made anew, so it is a copy."""
    maps = feature_maps(trial.copy(), {"x": 1}, 2, lambda: [{"x": np.ones(3)}] * 2)
    if {name: values.shape for name, values in maps.items()} != {"x": (2, 3)}:
        raise Fault("the maps have other shapes")


READERS = {
    "component": Reader(
        lambda trial: load_component(trial.path),
        tuple(f"component_{kind}" for kind in NETWORKS), 8, renamed=False,
    ),
    "pipeline": Reader(
        _load_pipeline, ("joint", "two_stage", "video_to_audio", "pan", "stereosync"), 5
    ),
    "checkpoint": Reader(_checkpoint, ("run",)),
    "export": Reader(_export, ("run",)),
    "records": Reader(_records, ("run",), 2),
    "published_weights": Reader(
        lambda trial: load_official("seld", trial.path, asdict(SELD["tiny"])),
        ("published_zip", "published_legacy"), 5,
    ),
    "weights_import": Reader(_import, ("published_zip",), 2),
    "pack": Reader(_packed, ("pack",), 5, renamed=False),
    "feature_maps": Reader(_feature_maps, ("maps",), 2, renamed=False),
}  # fmt: skip
