"""Continuous-time v prediction: its own algebra, and data whose every step is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from savg.diffusion.cosine import CosineDiffusion, multistep
from savg.errors import Cancelled


def test_a_perfect_prediction_has_no_loss_and_gives_the_data_back() -> None:
    torch.manual_seed(0)
    diffusion = CosineDiffusion()
    data, noise = torch.randn(2, 5, 3, 7).double()
    t = diffusion.draw_times(5).double()
    assert bool(((t > 0) & (t < 1)).all())
    x = diffusion.add_noise(data, noise, t)
    angle = (t * math.pi / 2)[:, None, None]
    v = (noise - angle.sin() * x) / angle.cos()
    assert diffusion.loss(v, data, noise, t).max() < 1e-20
    torch.testing.assert_close(diffusion.predicted_data(x, v, t), data)
    half = torch.full((1,), 0.5, dtype=torch.float64)
    torch.testing.assert_close(diffusion.add_noise(data[:1], noise[:1], half),
                               (data[:1] + noise[:1]) / math.sqrt(2))  # fmt: skip
    off = diffusion.loss(v + 2, data, noise, t)
    torch.testing.assert_close(off, torch.full_like(off, 4.0))


def test_times_run_from_the_most_noise_to_the_least() -> None:
    times = CosineDiffusion().times(5)
    sigmas = (times * math.pi / 2).tan()
    ratios = sigmas[1:] / sigmas[:-1]
    torch.testing.assert_close(sigmas[[0, -1]], torch.tensor([500, 0.3], dtype=torch.float64))
    torch.testing.assert_close(ratios, ratios[:1].expand(4))
    with pytest.raises(ValueError, match="steps must be ≥ 1, got 0"):
        CosineDiffusion().times(0)
    with pytest.raises(ValueError, match="sigma_min must be above 0"):
        CosineDiffusion(sigma_min=500.0)


def gaussian(mean: float, deviation: float):
    """The exact prediction for data of a normal distribution."""

    def model(x: Tensor, t: Tensor) -> Tensor:
        angle = (t * math.pi / 2).reshape(-1, *[1] * (x.ndim - 1))
        alpha, sigma = angle.cos(), angle.sin()
        variance = (alpha * deviation).square() + sigma.square()
        clean = mean + alpha * deviation**2 / variance * (x - alpha * mean)
        return (alpha * x - clean) / sigma

    return model


def error(steps: int) -> float:
    """Largest error of the sampler against the closed form of its differential equation."""
    diffusion = CosineDiffusion(sigma_min=0.02, sigma_max=200.0)
    noise = torch.linspace(-3, 3, 13, dtype=torch.float64)[None]
    mean, deviation = 0.7, 0.5
    alpha, sigma = math.cos(math.atan(200.0)), math.sin(math.atan(200.0))
    scale = deviation / math.sqrt((alpha * deviation) ** 2 + sigma**2)
    expected = mean + (noise - alpha * mean) * scale
    result = multistep(diffusion, gaussian(mean, deviation), noise, steps=steps)
    return float((result - expected).abs().max())


def test_normal_data_are_sampled_as_the_closed_form_says() -> None:
    assert error(400) < 2e-3
    assert error(40) < error(20) / 2.5 < 0.1


def test_each_step_is_reported_and_can_be_the_last() -> None:
    calls = []

    def on_step(done: int, total: int, clean: tuple[Tensor, ...]) -> bool:
        calls.append((done, total, tuple(clean[0].shape)))
        return done < 3

    with pytest.raises(Cancelled):
        multistep(CosineDiffusion(), gaussian(0, 1), torch.ones(2, 3), steps=5, on_step=on_step)
    assert calls == [(i, 5, (2, 3)) for i in (1, 2, 3)]
