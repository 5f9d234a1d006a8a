"""The samplers against the published code's own outputs, on networks in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import tensor
from goldens import Case, case

from savg.diffusion import Diffusion, Schedule
from savg.diffusion.ancestral import ddim, ddpm
from savg.diffusion.dpm_solver import (
    Attempt,
    Predictor,
    adaptive,
    multistep,
    singlestep,
    time_steps,
)
from savg.diffusion.thresholding import dynamic_threshold


class Analytic:
    """The stand-in of the joint network that `meta["model"]` defines; records the times."""

    def __init__(self, meta: dict) -> None:
        self.spec = meta["model"]
        self.alphas = Schedule.linear(1000).alphas_cumprod
        self.means = [self._tensor(self.spec[name]) for name in ("mean_video", "mean_audio")]
        self.times: list[int] = []

    @staticmethod
    def _tensor(spec: dict) -> torch.Tensor:
        return torch.from_numpy(tensor(spec["golden"], spec["shape"], spec["scale"]))

    def __call__(self, state, t):
        self.times.append(int(t[0]))
        a = self.alphas[t.numpy()]
        out = []
        for x, other, mean, s in zip(
            state, state[::-1], self.means, (self.spec["sv"], self.spec["sa"]), strict=True
        ):
            wide = (-1, *[1] * (x.ndim - 1))
            gain = torch.from_numpy((np.sqrt(1 - a) / (a * s**2 + 1 - a)).astype(np.float32))
            root = torch.from_numpy(np.sqrt(a).astype(np.float32))
            drift = other.flatten(1).mean(1).reshape(wide)
            eps = gain.reshape(wide) * (x - root.reshape(wide) * mean)
            out.append(eps + self.spec["c"] * drift)
        return tuple(out)


def start(golden: Case) -> tuple[torch.Tensor, ...]:
    specs = golden.meta["x_T"]
    return tuple(
        torch.from_numpy(tensor(specs[k]["golden"], specs[k]["shape"])) for k in ("video", "audio")
    )


def close(golden: Case, state: tuple[torch.Tensor, ...], names=("video", "audio")) -> None:
    tolerance = {k: golden.meta["tolerance"][k] for k in ("rtol", "atol")}
    for name, x in zip(names, state, strict=True):
        np.testing.assert_allclose(x.numpy(), golden[name], **tolerance)


def test_adaptive_solver_step_by_step() -> None:
    golden = case("dpmpp_adaptive")
    network = Analytic(golden.meta)
    tried: list[Attempt] = []
    predictor = Predictor(Diffusion(Schedule.linear()), network, clip_x0=dynamic_threshold)
    args = golden.meta["sample_args"]
    names = ("order", "atol", "rtol", "h_init", "theta", "t_err")
    state = adaptive(
        predictor,
        start(golden),
        **{k: args[k] for k in names},
        batch_coupled=True,
        trace=tried.append,
    )
    close(golden, state)
    np.testing.assert_array_equal([bool(a.accepted[0]) for a in tried], golden["accepted"])
    for name, values in (("s", [a.s[0] for a in tried]), ("t", [a.t[0] for a in tried])):
        np.testing.assert_allclose(values, golden[name], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose([a.error[0] for a in tried], golden["E"], rtol=0.02)
    assert network.times == golden["model_times"].tolist()


def test_singlestep_solver() -> None:
    golden = case("dpm_singlestep_logsnr")
    network = Analytic(golden.meta)
    diffusion = Diffusion(Schedule.linear())
    times = time_steps(diffusion, 20, "logSNR")
    np.testing.assert_allclose(times, golden["timesteps"], rtol=3e-4)  # published in float32
    np.testing.assert_allclose(
        diffusion.schedule.half_log_snr(times), golden["lambdas"], rtol=1e-3, atol=1e-3
    )
    close(golden, singlestep(Predictor(diffusion, network, clean=False), start(golden), times, 3))
    assert network.times == golden["model_times"].tolist()


def test_multistep_solver() -> None:
    golden = case("dpmpp_multistep2")
    network = Analytic(golden.meta)
    diffusion = Diffusion(Schedule.linear())
    times = time_steps(diffusion, 20, "time_uniform")
    np.testing.assert_allclose(times, golden["timesteps"], rtol=1e-5)
    predictor = Predictor(diffusion, network, clip_x0=dynamic_threshold)
    close(golden, multistep(predictor, start(golden), times, 2))
    assert network.times == golden["model_times"].tolist()


def test_ancestral_sampling_of_both_modalities() -> None:
    golden = case("ddpm_joint")
    noise = golden.meta["noise"]
    diffusion = Diffusion(Schedule.linear(1000).respaced("50"))
    schedule = diffusion.schedule
    np.testing.assert_allclose(schedule.betas, golden["betas"], rtol=1e-10)
    np.testing.assert_array_equal(schedule.times, golden["timestep_map"])
    np.testing.assert_allclose(schedule.posterior_variance, golden["posterior_variance"])
    np.testing.assert_allclose(schedule.posterior_mean_of_clean, golden["posterior_mean_coef1"])
    np.testing.assert_allclose(schedule.posterior_mean_of_noisy, golden["posterior_mean_coef2"])

    def draw(k: int) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.from_numpy(tensor(f"{noise['prefix']}/noise_{m}_{k}", noise[f"{m}_shape"]))
            for m in ("video", "audio")
        )

    close(golden, ddpm(diffusion, Analytic(golden.meta), draw(0), draw))


@pytest.mark.parametrize("name", ["sr_ddim25", "sr_ddpm_given_noise", "sr_ddpm_fresh_noise"])
def test_super_resolution_samplers(name: str) -> None:
    golden = case(name)
    spec, inputs = golden.meta["model"], golden.meta["inputs"]
    low = inputs["low_res"]
    upscaled = torch.from_numpy(tensor(low["golden"], low["shape"], low["scale"]))
    upscaled = upscaled.repeat_interleave(4, 2).repeat_interleave(4, 3)
    base = Schedule.linear(1100)
    diffusion = Diffusion(base.respaced("ddim25"), variance="learned_range")
    np.testing.assert_array_equal(diffusion.schedule.times, golden["timestep_map"])
    np.testing.assert_allclose(
        diffusion.schedule.posterior_log_variance_clipped, golden["posterior_log_variance_clipped"]
    )
    times = []

    def network(state, t):
        (x,) = state
        times.append(int(t[0]))
        a = base.alphas_cumprod[int(t[0])]
        gain = float(np.float32(np.sqrt(1 - a) / (a * spec["s"] ** 2 + 1 - a)))
        eps = gain * (x - float(np.float32(np.sqrt(a))) * upscaled)
        return (torch.cat([eps, spec["g"] * x], 1),)

    def fresh(k: int) -> tuple[torch.Tensor, ...]:
        return (torch.from_numpy(tensor(f"{golden.meta['prefix']}/noise_{k}", (2, 3, 16, 16))),)

    if name == "sr_ddpm_fresh_noise":
        state = ddpm(diffusion, network, fresh(0), fresh)
    else:
        noise_spec = inputs["noise"]
        noise = (torch.from_numpy(tensor(noise_spec["golden"], noise_spec["shape"])),)
        if name == "sr_ddim25":
            state = ddim(diffusion, network, noise)
        else:
            state = ddpm(diffusion, network, noise, lambda k: noise)
    close(golden, state, ("out",))
    assert times == golden["model_times"].tolist()


def test_training_loss() -> None:
    golden = case("training_loss")
    meta = golden.meta

    def drawn(kind: str, scale: float) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.from_numpy(tensor(f"{meta['prefix']}/{kind}_{m}", meta[f"{m}_shape"], s * scale))
            for m, s in (("video", 1.0), ("audio", 1.0))
        )

    clean = (drawn("x", 0.5)[0], drawn("x", 0.2)[1])
    loss, parts = Diffusion(Schedule.linear()).training_loss(
        Analytic(meta), clean, torch.tensor(meta["t"]), drawn("noise", 1.0)
    )
    for value, name in ((loss, "loss"), (parts[0], "mse_video"), (parts[1], "mse_audio")):
        np.testing.assert_allclose(value, golden[name], rtol=1e-5, atol=1e-6)
