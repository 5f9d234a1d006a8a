"""Schedules, loss and samplers against closed forms: for Gaussian data every answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from savg.diffusion import Diffusion, Schedule
from savg.diffusion.ancestral import ddim, ddpm
from savg.diffusion.dpm_solver import (
    Attempt,
    Predictor,
    adaptive,
    multistep,
    singlestep,
    singlestep_orders,
    time_steps,
)
from savg.diffusion.thresholding import THRESHOLDING, clamp_first, dynamic_threshold
from savg.errors import Cancelled, SavgError

MEAN, SPREAD = 0.3, 0.5


class Gaussian:
    """The ideal network for data N(MEAN, SPREAD²), with the prediction of `diffusion`."""

    def __init__(self, diffusion: Diffusion) -> None:
        self.kind = diffusion.prediction
        self.alphas_cumprod = torch.from_numpy(Schedule.linear().alphas_cumprod)
        self.times: list[list[int]] = []

    def __call__(self, state, t):
        self.times.append(t.tolist())
        return tuple(self.predict(x.double(), t).float() for x in state)

    def predict(self, x, t):
        a = self.alphas_cumprod[t].reshape(-1, *[1] * (x.ndim - 1))
        eps = (1 - a).sqrt() * (x - a.sqrt() * MEAN) / (a * SPREAD**2 + 1 - a)
        clean = (x - (1 - a).sqrt() * eps) / a.sqrt()
        return {"eps": eps, "x0": clean, "v": a.sqrt() * eps - (1 - a).sqrt() * clean}[self.kind]


def exact(noise: torch.Tensor) -> torch.Tensor:
    """Where the probability flow takes a start: the same number of standard deviations out."""
    a, last = Schedule.linear().alphas_cumprod[[-1, 0]]

    def moments(b: float) -> tuple[float, float]:
        return np.sqrt(b) * MEAN, np.sqrt(b * SPREAD**2 + 1 - b)

    (m1, s1), (m0, s0) = moments(a), moments(last)
    return m0 + s0 * (noise - m1) / s1


def starts(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(count, 2, 5, generator=generator),
        torch.randn(count, 7, generator=generator),
    )


@pytest.mark.parametrize("steps", [40, 1000, 1100])
def test_signal_falls_and_respacing_keeps_it(steps) -> None:
    schedule = Schedule.linear(steps)
    assert (np.diff(schedule.alphas_cumprod) < 0).all()
    for spacing in ("5", 7, "2,3"):
        few = schedule.respaced(spacing)
        np.testing.assert_allclose(few.alphas_cumprod, schedule.alphas_cumprod[few.times])
    assert schedule.respaced(5).times[[0, -1]].tolist() == [0, steps - 1]


@pytest.mark.parametrize("spacing", ["ddim19", "0", "", "5,x", "-1", "21", "11,3"])
def test_impossible_spacing_is_refused(spacing) -> None:
    with pytest.raises(ValueError):
        Schedule.linear(20).respaced(spacing)


def test_half_log_snr_and_its_inverse() -> None:
    schedule = Schedule.linear()
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    lam = schedule.half_log_snr(t)
    expected = 0.5 * np.log(schedule.alphas_cumprod / (1 - schedule.alphas_cumprod))
    np.testing.assert_allclose(lam, expected, atol=1e-9)
    np.testing.assert_allclose(schedule.time_of(lam), t, atol=1e-9)


@pytest.mark.parametrize("steps", [4, 20, 33])
@pytest.mark.parametrize("spacing", ["logSNR", "time_uniform", "time_quadratic"])
def test_snapped_times_are_those_the_network_was_trained_at(steps, spacing) -> None:
    diffusion = Diffusion(Schedule.linear())
    times = time_steps(diffusion, steps, spacing, snap=True)
    model_times = diffusion.schedule.model_times(times)
    assert model_times[0] == 999 and model_times[-1] == 0 and (model_times.diff() < 0).all()
    exactly = torch.from_numpy(diffusion.schedule.alphas_cumprod).log()[model_times] / 2
    np.testing.assert_allclose(diffusion.schedule.log_alpha(times), exactly, atol=2e-5)


@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
def test_predictions_convert_back_to_data_and_noise(kind) -> None:
    diffusion = Diffusion(Schedule.linear(), kind)
    clean, noise = torch.rand(4, 3, 2) * 2 - 1, torch.randn(4, 3, 2)
    step = torch.tensor([0, 10, 500, 900])
    noisy = diffusion.add_noise(clean, noise, step)
    target = diffusion._target(clean, noise, step)
    alpha, sigma = diffusion.coefficients(step, noisy)
    torch.testing.assert_close(
        diffusion.to_clean(target, noisy, alpha, sigma), clean, atol=1e-4, rtol=1e-3
    )
    torch.testing.assert_close(
        diffusion.to_noise(target, noisy, alpha, sigma), noise, atol=1e-3, rtol=1e-3
    )
    loss, parts = diffusion.training_loss(lambda s, t: (target,), (clean,), step, (noise,))
    assert loss.abs().max() < 1e-9 and len(parts) == 1


def test_loss_weights_and_min_snr_follow_their_formulas() -> None:
    clean, noise = starts(), starts()[::-1]
    noise = (noise[1] * 0.5, noise[0] * 2.0)
    step = torch.tensor([5, 300, 800])
    zero = lambda s, t: tuple(torch.zeros_like(x) for x in s)  # noqa: E731
    plain = Diffusion(Schedule.linear())
    loss, parts = plain.training_loss(zero, clean, step, noise, weights=(2.0, 0.5))
    expected = [e.square().flatten(1).mean(1) for e in noise]
    torch.testing.assert_close(loss, 2.0 * expected[0] + 0.5 * expected[1])
    torch.testing.assert_close(parts, expected)
    a = torch.from_numpy(plain.schedule.alphas_cumprod)[step]
    snr = a / (1 - a)
    weighted, _ = plain.training_loss(zero, clean, step, noise, min_snr=5.0)
    factor = (snr.clamp(max=5.0) / snr).float()
    torch.testing.assert_close(weighted, factor * (expected[0] + expected[1]), rtol=1e-5, atol=1e-7)


def test_a_capped_v_weight_is_the_loss_of_v_below_the_cap() -> None:
    clean, noise = starts(), [x.flip(0) for x in starts()]
    step = torch.tensor([5, 300, 800])
    guess = [0.3 * x for x in clean]
    of_x0 = Diffusion(Schedule.linear(), "x0")
    of_v = Diffusion(Schedule.linear(), "v")

    def as_v(state, t):
        factors = [of_v.coefficients(step, x) for x in state]
        return [(a * x_t - x) / s for x_t, x, (a, s) in zip(state, guess, factors, strict=True)]

    limited, _ = of_x0.training_loss(lambda s, t: guess, clean, step, noise, v_limit=20.0)
    true, _ = of_v.training_loss(as_v, clean, step, noise)
    torch.testing.assert_close(limited[1:], true[1:], rtol=1e-4, atol=1e-6)
    assert limited[0] < true[0]
    with pytest.raises(ValueError, match="v_limit"):
        of_v.training_loss(as_v, clean, step, noise, v_limit=20.0)


def test_the_variational_bound_is_least_for_the_true_step() -> None:
    diffusion = Diffusion(Schedule.linear(), variance="learned_range")
    clean = torch.rand(2, 3, 4, 4) * 2 - 1
    noise = torch.randn(2, 3, 4, 4)
    step = torch.tensor([400, 20])

    def bound(extra: float) -> torch.Tensor:
        def network(state, t):
            return (torch.cat([noise, torch.full_like(noise, extra)], dim=1),)

        return diffusion.training_loss(network, (clean,), step, (noise,))[0]

    assert bound(-1.0).abs().max() < 1e-3  # the posterior's own variance, and the true mean
    assert (bound(0.0) > bound(-1.0)).all() and (bound(1.0) > bound(0.0)).all()


def test_the_mean_gets_no_gradient_from_the_bound() -> None:
    diffusion = Diffusion(Schedule.linear(), variance="learned_range")
    clean, noise = torch.rand(2, 1, 2, 2), torch.randn(2, 1, 2, 2)
    mean = noise.clone().requires_grad_()
    extra = torch.zeros(2, 1, 2, 2, requires_grad=True)
    network = lambda s, t: (torch.cat([mean, extra], 1),)  # noqa: E731
    diffusion.training_loss(network, (clean,), torch.tensor([5, 50]), (noise,))[0].sum().backward()
    assert mean.grad is not None and mean.grad.abs().max() < 1e-6  # its squared error is 0 here
    assert extra.grad is not None and extra.grad.abs().min() > 0


def test_training_works_after_sampling_in_inference_mode() -> None:
    diffusion = Diffusion(Schedule.linear(20), variance="learned_range")
    layer = torch.nn.Conv2d(1, 2, 1)
    network = lambda s, t: (layer(s[0]),)  # noqa: E731
    with torch.inference_mode():
        ddpm(diffusion, network, (torch.randn(1, 1, 2, 2),), lambda k: (torch.zeros(1, 1, 2, 2),))
    clean = torch.rand(2, 1, 2, 2)
    loss, _ = diffusion.training_loss(network, (clean,), torch.tensor([3, 9]), (clean,))
    loss.sum().backward()


@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("solve", [multistep, singlestep])
def test_dpm_solver_finds_the_flow_of_gaussian_data(kind, clean, order, solve) -> None:
    diffusion = Diffusion(Schedule.linear(), kind)
    start = starts()
    errors = []
    for steps in (12, 48):
        network = Gaussian(diffusion)
        times = time_steps(diffusion, steps, "logSNR", snap=solve is multistep)
        end = solve(Predictor(diffusion, network, clean), start, times, order)
        assert len(network.times) == len(times) - 1
        errors.append(
            max(float((x - exact(s)).abs().max()) for x, s in zip(end, start, strict=True))
        )
    assert errors[1] < (0.12 if order == 1 else 0.03)
    assert errors[1] < errors[0]


@pytest.mark.parametrize("order", [2, 3])
def test_taylor_variants_agree_with_the_others(order) -> None:
    diffusion = Diffusion(Schedule.linear())
    times = time_steps(diffusion, 60, "logSNR")
    start = starts()
    for solve in (multistep, singlestep):
        p = Predictor(diffusion, Gaussian(diffusion))
        one, two = solve(p, start, times, order), solve(p, start, times, order, kind="taylor")
        torch.testing.assert_close(one[0], two[0], atol=5e-3, rtol=0)


@pytest.mark.parametrize("steps", range(1, 12))
@pytest.mark.parametrize("order", [1, 2, 3])
def test_singlestep_orders_use_all_evaluations(steps, order) -> None:
    orders = singlestep_orders(steps, order)
    assert sum(orders) == steps and max(orders) <= order


@pytest.mark.parametrize("order", [2, 3])
def test_adaptive_samples_do_not_depend_on_each_other(order) -> None:
    diffusion = Diffusion(Schedule.linear())
    start = (torch.cat([starts()[0], 40 * starts()[0][:1]]), torch.cat([starts()[1]] * 2)[:4])
    predictor = Predictor(diffusion, Gaussian(diffusion))
    tried: list[Attempt] = []
    together = adaptive(predictor, start, order=order, trace=tried.append)
    for i in range(4):
        alone = adaptive(predictor, tuple(x[i : i + 1] for x in start), order=order)
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[i : i + 1], b, atol=1e-5, rtol=1e-5)
    assert len({tuple(a.s.tolist()) for a in tried}) > 3
    assert any(len(set(a.t.tolist())) > 1 for a in tried), "each has its own step size"
    coupled: list[Attempt] = []
    adaptive(predictor, start, order=order, batch_coupled=True, trace=coupled.append)
    assert all(len(set(a.t.tolist())) == 1 for a in coupled)


def test_adaptive_arrives_at_the_flow() -> None:
    diffusion = Diffusion(Schedule.linear())
    start = starts()
    end = adaptive(Predictor(diffusion, Gaussian(diffusion)), start, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(end[0], exact(start[0]).float(), atol=0.02, rtol=0)


def test_adaptive_gives_up_on_values_that_are_not_finite() -> None:
    diffusion = Diffusion(Schedule.linear())
    broken = lambda s, t: tuple(torch.full_like(x, float("nan")) for x in s)  # noqa: E731
    with pytest.raises(SavgError, match="not finite"):
        adaptive(Predictor(diffusion, broken), starts())


def test_ddim_with_few_and_many_steps_approaches_the_flow() -> None:
    start = starts()
    errors = []
    for steps in (10, 200):
        diffusion = Diffusion(Schedule.linear().respaced(steps))
        end = ddim(diffusion, Gaussian(diffusion), start, clip_x0=None)
        errors.append(float((end[0] - exact(start[0])).abs().max()))
    assert errors[1] < errors[0] and errors[1] < 0.05


@pytest.mark.parametrize("variance", ["fixed_large", "fixed_small"])
@pytest.mark.parametrize("eta", [None, 1.0])
def test_stochastic_samplers_reach_the_data(variance, eta) -> None:
    diffusion = Diffusion(Schedule.linear().respaced(100), variance=variance)
    generator = torch.Generator().manual_seed(1)
    start = (torch.randn(4000, 1, generator=generator),)
    draw = lambda k: (torch.randn(4000, 1, generator=generator),)  # noqa: E731
    network = Gaussian(diffusion)
    if eta is None:
        (end,) = ddpm(diffusion, network, start, draw, clip_x0=None)
    else:
        (end,) = ddim(diffusion, network, start, eta=eta, draw=draw, clip_x0=None)
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(end.std()) == pytest.approx(SPREAD, rel=0.06)


def test_ddim_with_noise_needs_noise() -> None:
    diffusion = Diffusion(Schedule.linear(20))
    with pytest.raises(ValueError, match="draw must be given"):
        ddim(diffusion, Gaussian(diffusion), starts(), eta=0.5)


def test_stopping_and_progress() -> None:
    diffusion = Diffusion(Schedule.linear().respaced(6))
    progress = []

    def on_step(done, total, clean):
        progress.append((done, total, clean[0].shape))
        return done < 3

    with pytest.raises(Cancelled):
        ddim(diffusion, Gaussian(diffusion), starts(), on_step=on_step)
    assert [s[:2] for s in progress] == [(1, 6), (2, 6), (3, 6)]


@pytest.mark.parametrize("count", [1, 2, 150, 1001])
def test_dynamic_threshold_is_the_quantile(count) -> None:
    x = torch.randn(3, count, generator=torch.Generator().manual_seed(count)) * torch.tensor(
        [[0.1], [1.0], [5.0]]
    )
    s = torch.quantile(x.abs(), 0.995, dim=1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(dynamic_threshold((x,))[0], x.clamp(-s, s) / s)


def test_thresholding_by_name() -> None:
    x = torch.tensor([[-3.0, 0.2]])
    video, audio = clamp_first((x, x))
    assert torch.equal(video, torch.tensor([[-1.0, 0.2]]))
    assert torch.equal(audio, x) and THRESHOLDING["none"] is None
