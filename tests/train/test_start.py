"""Runs that start from other weights: of the same kind, a joint network's video half, and errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from savg.errors import CheckpointError
from savg.hub import Card, save_component
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import CoupledUNet
from savg.models.video_unet import video_half
from savg.train.__main__ import main
from savg.train.bundle import export, public
from savg.train.recipe import Recipe, get_recipe
from savg.train.start import start_from

CARD = Card("MIT", "random")


def network(recipe: Recipe, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return recipe.build()


@pytest.mark.parametrize("name", ["video", "mel_vae", "mmaudio", "vocoder"])
def test_a_component_of_the_same_kind_is_loaded_unchanged(name: str, tmp_path: Path) -> None:
    recipe = get_recipe(name, "tiny")
    trained, fresh = network(recipe, 0), network(recipe, 1)
    component = getattr(trained, recipe.network.rstrip(".")) if recipe.network else trained
    save_component(component, tmp_path / "part", recipe.kind, CARD)
    others = {k: v.clone() for k, v in fresh.state_dict().items() if recipe.network not in k}
    start_from(fresh, recipe, str(tmp_path / "part"))
    expected = component.state_dict()
    loaded = fresh.state_dict()
    assert all(torch.equal(loaded[recipe.network + key], expected[key]) for key in expected)
    assert all(torch.equal(loaded[key], value) for key, value in others.items())


def test_the_video_half_of_a_joint_network_is_loaded(tmp_path: Path) -> None:
    recipe = get_recipe("video", "tiny")
    torch.manual_seed(0)
    joint = CoupledUNet(JOINT["tiny"])
    save_component(joint, tmp_path / "joint", "joint_unet", CARD)
    model = network(recipe, 1)
    start_from(model, recipe, str(tmp_path / "joint"))
    half, own = video_half(joint.state_dict()), model.state_dict()
    # The joint network takes no direction: the branch for it stays as it was built.
    assert {key for key in own if not key.startswith("direction.")} == half.keys()
    assert all(torch.equal(own[key], value) for key, value in half.items())


def test_weights_that_do_not_fit_raise_one_sentence(tmp_path: Path) -> None:
    recipe = get_recipe("mel_vae", "tiny")
    wide = replace(recipe, model=replace(recipe.model, hidden_dim=16))
    save_component(wide.build(), tmp_path / "wide", "mel_vae", CARD)
    save_component(get_recipe("video", "tiny").build(), tmp_path / "video", "video_unet", CARD)
    for name in ("wide", "video"):
        with pytest.raises(CheckpointError, match=f"{name} does not fit the recipe's network"):
            start_from(recipe.build(), recipe, str(tmp_path / name))


def test_a_run_starts_from_them_and_its_card_names_them(tmp_path: Path) -> None:
    recipe = get_recipe("mel_vae", "tiny")
    initial = network(recipe, 5)
    save_component(initial, tmp_path / "vae", "mel_vae", CARD)
    run, start = str(tmp_path / "run"), str(tmp_path / "vae")
    common = ["mel_vae", "--config", "tiny", "--out", run, "--quiet", "--threads", "1"]
    assert main([*common, "--init", start, "--stop-at", "1", "--set", "lr=1e-9"]) == 0
    export(tmp_path / "run", tmp_path / "out", "float32")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "--init vae`" in text and str(tmp_path) not in text
    from savg.hub import load_component

    exported, _ = load_component(tmp_path / "out")
    for key, value in initial.state_dict().items():
        torch.testing.assert_close(exported.state_dict()[key], value, atol=1e-5, rtol=1e-5)
    assert main([*common, "--stop-at", "2", "--set", "lr=1e-9"]) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["init"] == start


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("vae=/home/somebody/runs/vae", "vae=vae"),
        ("vae=runs/vae", "vae=runs/vae"),
        ("/home/somebody/joint", "joint"),
        ("optim.steps=10", "optim.steps=10"),
        ("world=demo,solo", "world=demo,solo"),
    ],
)
def test_a_model_card_names_no_folder_of_this_machine(setting: str, told: str) -> None:
    assert public(setting) == told
