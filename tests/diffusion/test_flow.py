"""Flow matching: the published sampler's trajectory, and closed forms."""

from __future__ import annotations

import pytest
import torch

from savg.diffusion.flow import FlowMatching, euler, guide
from savg.errors import Cancelled
from savg.models.mmaudio import Features, MMAudio, from_published
from tests.goldens import Case, case


@pytest.fixture(scope="module")
def golden() -> Case:
    return case("mmaudio_sampler_tiny")


@pytest.fixture(scope="module")
def network(golden: Case) -> MMAudio:
    weights = case("mmaudio_net_tiny").state
    model = MMAudio(from_published(golden.meta["constructor"]["network"])).eval()
    model.load_state_dict(weights)
    return model


@pytest.mark.parametrize(("prefix", "guidance"), [("cfg4p5", 4.5), ("nocfg", 0.0)])
@torch.no_grad()
def test_the_published_trajectory(golden: Case, network: MMAudio, prefix, guidance) -> None:
    lengths = network.config.lengths(5.0)
    inputs = Features(*(golden.input(f"{name}_f") for name in ("clip", "sync", "text")))
    visited = []

    def model(x, t, conditions):
        if conditions is not empty:
            visited.append((float(t[0]), x))
        return network(x, t, conditions)

    conditions, empty = network.condition(inputs, lengths), network.empty_conditions(lengths, 2)
    noise = golden.input("x0")
    x = euler(FlowMatching(), model, noise, conditions, empty, guidance=guidance)
    for step in (1, 2, 12):
        golden.check(f"{prefix}_x_before_step{step}", visited[step][1])
    golden.check(f"{prefix}_x1", x)
    golden.check(f"{prefix}_x1_unnormalized", network.unnormalize(x))
    golden.check("t_grid", torch.tensor([*(t for t, _ in visited), 1.0]))


def test_the_published_training_objective(golden: Case, network: MMAudio) -> None:
    flow = FlowMatching()
    data, noise = golden.input("train_x1"), golden.input("train_x0")
    t = torch.from_numpy(golden["in__train_t"])
    loss = flow.loss(golden.input("train_predicted_v"), noise, data)
    normalized = network.normalize(data)
    spec = golden.meta["outputs"]
    results = {
        "train_xt": flow.interpolate(noise, data, t),
        "train_loss_per_sample": loss,
        "train_normalized_x1": normalized,
    }
    for name, value in results.items():
        assert list(value.shape) == spec[name]["shape"]
        golden.check(name, value)


@pytest.mark.parametrize("min_sigma", [0.0, 0.1])
def test_the_velocity_is_the_derivative_of_the_path(min_sigma: float) -> None:
    flow = FlowMatching(min_sigma)
    noise, data = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    t = torch.tensor([0.0, 0.2, 0.5, 0.9], dtype=torch.float64)
    here, there = (flow.interpolate(noise, data, t + step) for step in (0.0, 0.1))
    torch.testing.assert_close((there - here) / 0.1, flow.velocity(noise, data))
    torch.testing.assert_close(here[0], noise[0])
    assert flow.loss(flow.velocity(noise, data), noise, data).max() == 0
    assert flow.loss(torch.zeros_like(data), noise, data).shape == (4,)


def test_euler_follows_straight_paths_exactly() -> None:
    flow = FlowMatching()
    noise, data = torch.randn(2, 3, 7, dtype=torch.float64)
    for steps in (1, 5):
        x = euler(flow, lambda x, t, _: flow.velocity(noise, data), noise, None, steps=steps)
        torch.testing.assert_close(x, data)


def test_euler_converges_on_a_curved_field() -> None:
    noise = torch.ones(2, 1, dtype=torch.float64)
    errors = []
    for steps in (10, 20, 40):
        x = euler(FlowMatching(), lambda x, t, _: x, noise, None, steps=steps)
        torch.testing.assert_close(x, noise * (1 + 1 / steps) ** steps)
        errors.append(float((x[0] - torch.e).abs()))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)


def test_guidance() -> None:
    conditional, blank = torch.randn(2, 3, 4)
    torch.testing.assert_close(guide(conditional, blank, 1.0), conditional)
    expected = blank + 3 * (conditional - blank)
    torch.testing.assert_close(guide(conditional, blank, 3.0), expected)
    evaluated = []

    def model(x, t, conditions):
        evaluated.append(conditions)
        return torch.zeros_like(x)

    for guidance, empty, expected in [
        (2.0, "e", ["c", "e"]),
        (0.5, "e", ["c"]),
        (2.0, None, ["c"]),
    ]:
        evaluated.clear()
        euler(FlowMatching(), model, torch.zeros(1, 1), "c", empty, steps=1, guidance=guidance)
        assert evaluated == expected


def test_progress_and_stopping() -> None:
    flow, noise, data = FlowMatching(), torch.zeros(2, 3), torch.ones(2, 3)
    progress = []

    def on_step(done, total, state):
        progress.append((done, total))
        torch.testing.assert_close(state[0], data)
        return done < 3

    with pytest.raises(Cancelled):
        euler(flow, lambda x, t, _: data - noise, noise, None, steps=8, on_step=on_step)
    assert progress == [(1, 8), (2, 8), (3, 8)]


def test_training_times_are_logistic_normal() -> None:
    times = FlowMatching().draw_times(20_000, torch.Generator().manual_seed(0))
    logits = torch.logit(times.double())
    assert times.min() > 0 and times.max() < 1
    assert logits.mean().abs() < 0.03 and (logits.std() - 1).abs() < 0.03


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="min_sigma"):
        FlowMatching(1.0)
    with pytest.raises(ValueError, match="steps must be ≥ 1, got 0"):
        FlowMatching().times(0)
