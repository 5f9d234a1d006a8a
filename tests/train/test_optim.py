"""Learning rates, averages, data order and settings as pure functions."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from toy import OPTIM, ToyRecipe

from savg.errors import SavgError
from savg.train.averaging import Average
from savg.train.optim import Optimisation, draws, seed_of
from savg.train.recipe import differences, get_recipe, override

BASE = Optimisation(steps=100, batch=4, lr=0.5)


def test_learning_rate_schedules() -> None:
    assert [replace(BASE, warmup=4).lr_at(s) for s in (0, 1, 3, 4, 99)] == [
        0.125,
        0.25,
        0.5,
        0.5,
        0.5,
    ]
    cosine = replace(BASE, schedule="cosine", final_lr=0.1)
    assert cosine.lr_at(0) == 0.5
    assert cosine.lr_at(50) == pytest.approx(0.5 * (0.1 + 0.9 / 2))
    assert cosine.lr_at(100) == pytest.approx(0.05)
    until_step = replace(cosine, schedule_end=60)
    assert until_step.lr_at(60) == until_step.lr_at(99) == pytest.approx(0.05)
    falling = replace(BASE, cooldown=20)
    assert falling.lr_at(80) == 0.5
    assert falling.lr_at(90) == pytest.approx(0.25)


def scalar_run(optim: Optimisation, values: list[float]) -> float:
    model = torch.nn.Linear(1, 1, bias=False)
    average = Average(model, optim)
    for step, value in enumerate(values, 1):
        torch.nn.init.constant_(model.weight, value)
        average.update(model, step)
    return float(average.state["weight"])


def test_weight_averaging_takes_the_mean_of_every_nth_step_after_the_start() -> None:
    optim = replace(BASE, average="swa", average_start=4, average_every=2)
    values = [float(v) for v in (9, 9, 9, 9, 1, 2, 3, 5, 7, 11)]
    assert scalar_run(optim, values) == pytest.approx((2 + 5 + 11) / 3)
    assert scalar_run(optim, values[:3]) == 9


def test_exponential_averages_match_their_recurrences() -> None:
    values = [math.sin(i) for i in range(50)]
    for name in ("ema", "ema_exp"):
        optim = replace(BASE, average=name, ema_decay=0.9)
        model = torch.nn.Linear(1, 1, bias=False)
        expected = model.weight.item()
        average = Average(model, optim)
        for step, value in enumerate(values, 1):
            torch.nn.init.constant_(model.weight, value)
            average.update(model, step)
            if name == "ema":
                decay = min(0.9, (1 + step) / (10 + step))
            else:
                decay = 0.9 * (1 - math.exp(-step / 2000))
            expected = decay * expected + (1 - decay) * value
        assert float(average.state["weight"]) == pytest.approx(expected, abs=1e-6)


def test_every_item_comes_once_an_epoch_and_processes_share_each_batch() -> None:
    whole = [d for step in range(15) for d in draws(20, 4, step, seed=7)]
    assert Counter(d.index for d in whole) == dict.fromkeys(range(20), 3)
    assert len({d.seed for d in whole}) == 60
    for step in range(6):
        parts = [d for rank in range(2) for d in draws(20, 4, step, 7, rank, 2)]
        assert parts == draws(20, 4, step, 7)
    assert draws(20, 4, 3, seed=8) != draws(20, 4, 3, seed=7)
    assert draws(3, 8, 0, 0)  # a batch may be larger than the data


def test_seeds_depend_on_all_their_parts() -> None:
    assert len({seed_of(a, b, c) for a in range(3) for b in range(3) for c in range(3)}) == 27


def test_settings_are_changed_by_path_or_plain_name() -> None:
    changed = override(ToyRecipe(), ["width=5", "optim.lr=3", "average=swa", "save_every=0"])
    assert changed.model.width == 5 and changed.optim.lr == 3.0
    assert changed.optim.average == "swa" and changed.optim.save_every == 0
    assert ToyRecipe().model.width == 8
    for wrong, words in {
        "nothing=1": "no setting 'nothing'",
        "lr": "must be KEY=VALUE",
        "width=wide": "must be of type int",
        "lr=-1": "lr must be > 0",
        "average=mean": "'ema_exp' or 'swa'",
    }.items():
        with pytest.raises(SavgError, match=words):
            override(ToyRecipe(), [wrong])


def test_lists_of_names_and_settings_that_are_valid_only_together() -> None:
    recipe = get_recipe("seld", "demo")
    for changes in (
        ["synthetic.worlds=demo, varied,solo", "synthetic.clips=1,2,3", "lr=1"],
        ["synthetic.clips=1,2,3", "lr=1", "synthetic.worlds=demo, varied,solo"],
    ):
        changed = override(recipe, changes)
        assert changed.synthetic.worlds == ("demo", "varied", "solo")
        assert (changed.synthetic.clips, changed.optim.lr) == ((1, 2, 3), 1.0)
    one = override(recipe, ["valid.worlds=solo", "valid.clips=9"]).valid
    assert (one.worlds, one.clips) == (("solo",), (9,))
    for wrong, words in (
        (["synthetic.worlds=demo", "synthetic.clips=1,2,3"], r"synthetic.clips.* got \(1, 2, 3\)"),
        (["synthetic.worlds=demo", "synthetic.clips=many"], "synthetic.clips must be"),
        (["synthetic.clips=1,2", "synthetic.first=x"], "synthetic.first must be of type int"),
        (["valid.worlds=moon"], "worlds must be among"),
    ):
        with pytest.raises(SavgError, match=words):
            override(recipe, wrong)


def test_differences_are_named() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 0}) == [
        "a.c (2 → 3)",
        "d (None → 0)",
    ]
    assert not differences(ToyRecipe(OPTIM).identity(), ToyRecipe(BASE).identity())
