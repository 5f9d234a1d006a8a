"""DPM-Solver and DPM-Solver++ (Lu et al. 2022): fixed steps, single or multi, and adaptive steps.

`clean=True` integrates x_0 predictions (DPM-Solver++), `clean=False` noise predictions. Times are
continuous, float64 [B]: samples of a batch may be at different times. λ is half the log
signal-to-noise ratio and h a step in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from savg.diffusion.host import factor_for, on_device
from savg.diffusion.process import Diffusion, Model, State
from savg.diffusion.progress import OnStep, report
from savg.diffusion.schedule import Schedule
from savg.diffusion.thresholding import Thresholding
from savg.errors import SavgError

Spacing = Literal["time_uniform", "logSNR", "time_quadratic"]
Kind = Literal["dpm_solver", "taylor"]


def time_steps(diffusion: Diffusion, steps: int, spacing: Spacing, snap: bool = False) -> Tensor:
    """`steps` + 1 continuous times from noise to almost clean [steps + 1].

    Even steps are laid out in float32, as published: where one falls on a time of the schedule, its
    rounding decides which integer time the network gets.

    snap: move each to the nearest time of the schedule, where the network was trained.
    """
    schedule = diffusion.schedule
    last = schedule.first_time
    if steps < 1:
        raise ValueError(f"steps must be ≥ 1, got {steps}")
    if spacing == "time_uniform":
        times = torch.linspace(1.0, last, steps + 1).double()
    elif spacing == "time_quadratic":
        times = torch.linspace(1.0, last**0.5, steps + 1).square().double()
    elif spacing == "logSNR":
        noisy, clean = schedule.half_log_snr(
            torch.tensor([1.0, last], dtype=torch.float64)
        ).tolist()
        times = schedule.time_of(torch.linspace(noisy, clean, steps + 1, dtype=torch.float64))
        times[0], times[-1] = 1.0, last
    else:
        raise ValueError(f"spacing must be one of {', '.join(get_args(Spacing))}, got {spacing!r}")
    return snapped(schedule, times) if snap else times


def snapped(schedule: Schedule, times: Tensor) -> Tensor:
    """Falling continuous times, each moved to the nearest one of the schedule; equal ones are one."""
    n = len(schedule)
    steps = torch.unique((times * n).round().clamp(1, n)).flip(0)
    # a hair later than the step itself, or float32 would truncate it to the one before
    return torch.minimum(steps + 1e-3, torch.tensor(n)) / n


@dataclass(frozen=True)
class Predictor:
    """Predictions of x_0 (or noise) of each modality by a network, in float32.

    clip_x0: thresholding of x_0 (see `savg.diffusion.thresholding`).
    """

    diffusion: Diffusion
    model: Model
    clean: bool = True
    clip_x0: Thresholding | None = None

    def __call__(self, state: State, t: Tensor) -> State:
        schedule = self.diffusion.schedule
        outputs = self.model(state, schedule.model_times(t))
        log_alpha = schedule.log_alpha(t)
        alpha, sigma = log_alpha.exp(), torch.sqrt(-torch.expm1(2.0 * log_alpha))
        results = []
        for x, output in zip(state, outputs, strict=True):
            prediction, _ = self.diffusion.split(output.float(), x)
            convert = self.diffusion.to_clean if self.clean else self.diffusion.to_noise
            results.append(convert(prediction, x, factor_for(alpha, x), factor_for(sigma, x)))
        guess = tuple(results)
        return self.clip_x0(guess) if self.clean and self.clip_x0 is not None else guess


class _Moments:
    """α, σ and λ at some times [B]."""

    def __init__(self, predictor: Predictor, t: Tensor) -> None:
        log_alpha = predictor.diffusion.schedule.log_alpha(t)
        self.alpha = log_alpha.exp()
        self.sigma = torch.sqrt(-torch.expm1(2.0 * log_alpha))
        self.lam = log_alpha - self.sigma.log()


def _advance(
    p: Predictor,
    x: State,
    s: Tensor,
    t: Tensor,
    m: State,
    slope: State | None = None,
    curve: State | None = None,
    halved: bool = False,
) -> State:
    """The exponential integrator's step from s to t, exact for predictions quadratic in λ.

    m: prediction at s; slope, curve: its first and second difference over the whole step.
    halved: weigh the slope by half the first coefficient (DPM-Solver's own second-order rule)
    instead of the Taylor coefficient. With h negative for x_0 predictions both kinds read alike.
    """
    a, b = _Moments(p, s), _Moments(p, t)
    h = a.lam - b.lam if p.clean else b.lam - a.lam
    scale = b.sigma / a.sigma if p.clean else b.alpha / a.alpha
    gain = -(b.alpha if p.clean else b.sigma)
    phi1 = torch.expm1(h)
    phi2 = phi1 / h - 1.0
    terms = [(scale, x), (gain * phi1, m)]
    if slope is not None:
        terms.append((gain * (0.5 * phi1 if halved else phi2), slope))
    if curve is not None:
        terms.append((gain * (phi2 / h - 0.5), curve))
    moved = [
        sum(part[i] * factor_for(factor, part[i]) for factor, part in terms) for i in range(len(x))
    ]
    return tuple(torch.as_tensor(value) for value in moved)


def first_order(p: Predictor, x: State, s: Tensor, t: Tensor, m: State | None = None) -> State:
    """One step from s to t with the prediction `m` at s (evaluated if None); this is DDIM."""
    return _advance(p, x, s, t, p(x, s) if m is None else m)


def single_second(
    p: Predictor, x: State, s: Tensor, t: Tensor, r1: float = 0.5, kind: Kind = "dpm_solver"
) -> tuple[State, State]:
    """A second-order step through one inner time, and the first-order step to compare it with."""
    m = p(x, s)
    inner = _between(p, s, t, r1)
    slope = _scaled(_minus(p(_advance(p, x, s, inner, m), inner), m), 1.0 / r1)
    higher = _advance(p, x, s, t, m, slope, halved=kind == "dpm_solver")
    return higher, _advance(p, x, s, t, m)


def single_third(
    p: Predictor,
    x: State,
    s: Tensor,
    t: Tensor,
    r1: float = 1 / 3,
    r2: float = 2 / 3,
    kind: Kind = "dpm_solver",
) -> tuple[State, State]:
    """A third-order step through two inner times, and the second-order step to compare it with."""
    m = p(x, s)
    s1, s2 = _between(p, s, t, r1), _between(p, s, t, r2)
    change1 = _minus(p(_advance(p, x, s, s1, m), s1), m)
    middle = _advance(p, x, s, s2, m, _scaled(change1, r2 / r1))
    change2 = _minus(p(middle, s2), m)
    d1, d2 = _scaled(change1, 1.0 / r1), _scaled(change2, 1.0 / r2)
    lower = _advance(p, x, s, t, m, d1, halved=kind == "dpm_solver")
    if kind == "dpm_solver":
        return _advance(p, x, s, t, m, d2), lower
    slope = _minus(_scaled(d1, r2 / (r2 - r1)), _scaled(d2, r1 / (r2 - r1)))
    curve = _scaled(_minus(d2, d1), 2.0 / (r2 - r1))
    return _advance(p, x, s, t, m, slope, curve), lower


@torch.no_grad()
def multistep(
    predictor: Predictor,
    start: State,
    times: Tensor,
    order: int = 2,
    *,
    kind: Kind = "dpm_solver",
    lower_order_final: bool = False,
    on_step: OnStep | None = None,
) -> State:
    """Multistep DPM-Solver of order 1, 2 or 3 through `times` [n + 1]: one evaluation a step.

    The first steps use the orders below. lower_order_final: so do the last ones, which is steadier
    for a few large steps (the published solver does not).
    """
    if order not in (1, 2, 3):
        raise ValueError(f"order must be 1, 2 or 3, got {order}")
    total = len(times) - 1
    lams = predictor.diffusion.schedule.half_log_snr(times)
    state = start
    past: list[State] = []
    for i in range(total):
        s, t = _all(times[i], state), _all(times[i + 1], state)
        past = [*past[-2:], predictor(state, s)]
        now = min(order, len(past), total - i if lower_order_final else order)
        slope, curve = _backward_differences(past, lams, i, now)
        state = _advance(
            predictor, state, s, t, past[-1], slope, curve, halved=now == 2 and kind == "dpm_solver"
        )
        _tell(predictor, on_step, i + 1, total, past[-1], state)
    return state


@torch.no_grad()
def singlestep(
    predictor: Predictor,
    start: State,
    times: Tensor,
    order: int = 3,
    *,
    kind: Kind = "dpm_solver",
    on_step: OnStep | None = None,
) -> State:
    """Singlestep DPM-Solver of order 1, 2 or 3 through `times` [n + 1]: n evaluations.

    A step of order k passes over k of the times; those in between are its inner times. The last
    steps are of the order that n leaves over.
    """
    total = len(times) - 1
    lams = predictor.diffusion.schedule.half_log_snr(times)
    state, done = start, 0
    for k in singlestep_orders(total, order):
        s, t = _all(times[done], state), _all(times[done + k], state)
        step = lams[done + k] - lams[done]
        ratios = [float((lams[done + j] - lams[done]) / step) for j in range(1, k)]
        if k == 1:
            state = first_order(predictor, state, s, t)
        elif k == 2:
            state, _ = single_second(predictor, state, s, t, ratios[0], kind)
        else:
            state, _ = single_third(predictor, state, s, t, ratios[0], ratios[1], kind)
        done += k
        report(on_step, done, total, state)
    return state


def singlestep_orders(steps: int, order: int) -> list[int]:
    """Orders of the steps that together make `steps` evaluations."""
    if order == 3:
        threes, rest = divmod(steps, 3)
        if rest == 0 and threes:
            return [3] * (threes - 1) + [2, 1]
        return [3] * threes + [rest] * (rest > 0)
    if order == 2:
        return [2] * (steps // 2) + [1] * (steps % 2)
    if order == 1:
        return [1] * steps
    raise ValueError(f"order must be 1, 2 or 3, got {order}")


@dataclass(frozen=True)
class Attempt:
    """One tried step of the adaptive solver, for each sample [B]: from s to t with error E."""

    s: Tensor
    t: Tensor
    error: Tensor
    accepted: Tensor


@torch.no_grad()
def adaptive(
    predictor: Predictor,
    start: State,
    *,
    order: int = 2,
    atol: float = 0.0078,
    rtol: float = 0.05,
    h_init: float = 0.05,
    theta: float = 0.9,
    t_err: float = 1e-5,
    batch_coupled: bool = False,
    max_attempts: int = 1000,
    on_step: OnStep | None = None,
    trace: Callable[[Attempt], Any] | None = None,
) -> State:
    """DPM-Solver with step sizes from the difference of two orders (2: orders 1 and 2; 3: 2 and 3).

    Each sample has its own step size, and rests once it has arrived, so that it does not depend on
    its batch mates. batch_coupled: one step size for all, from the worst sample, as published.
    Progress is reported in hundredths of the way in λ.
    """
    if order not in (2, 3):
        raise ValueError(f"order must be 2 or 3, got {order}")
    schedule = predictor.diffusion.schedule
    batch = len(start[0])
    last = torch.full((batch,), schedule.first_time, dtype=torch.float64)
    s = torch.ones(batch, dtype=torch.float64)
    lam_first, lam_last = schedule.half_log_snr(s), schedule.half_log_snr(last)
    h = torch.full((batch,), h_init, dtype=torch.float64)
    state = before = start
    for _ in range(max_attempts):
        active = (s - last).abs() > t_err
        if not active.any():
            return state
        lam = schedule.half_log_snr(s)
        t = torch.where(active, schedule.time_of(lam + h), s)
        # a sample that has arrived makes an idle step of unit size, whose result is dropped
        target = torch.where(active, t, schedule.time_of(lam - 1.0))
        solve = single_second if order == 2 else single_third
        higher, lower = solve(predictor, state, s, target)
        error = _error(higher, lower, before, atol, rtol)
        if not error[active].isfinite().all():
            raise SavgError("The network gave values that are not finite; try float32.")
        if batch_coupled:
            error = error.max().expand(batch)
        accepted = active & (error <= 1.0)
        if trace is not None:
            trace(Attempt(s, t, error, accepted))
        state, before = _choose(accepted, higher, state), _choose(accepted, lower, before)
        s = torch.where(accepted, t, s)
        lam = schedule.half_log_snr(s)
        h = torch.minimum(theta * h * error.clamp_min(1e-12) ** (-1.0 / order), lam_last - lam)
        way = ((lam - lam_first) / (lam_last - lam_first)).mean()
        report(on_step, round(100 * float(way)), 100, state)
    raise SavgError(f"The adaptive solver did not arrive within {max_attempts} attempts.")


def _backward_differences(
    past: list[State], lams: Tensor, i: int, order: int
) -> tuple[State | None, State | None]:
    """First and second difference of past predictions, over the step that follows lams[i]."""
    h = float(lams[i + 1] - lams[i])
    if order == 1:
        return None, None
    r0 = float(lams[i] - lams[i - 1]) / h
    recent = _scaled(_minus(past[-1], past[-2]), 1.0 / r0)
    if order == 2:
        return recent, None
    r1 = float(lams[i - 1] - lams[i - 2]) / h
    older = _scaled(_minus(past[-2], past[-3]), 1.0 / r1)
    bend = _minus(recent, older)
    slope = tuple(a + r0 / (r0 + r1) * b for a, b in zip(recent, bend, strict=True))
    return slope, _scaled(bend, 1.0 / (r0 + r1))


def _error(higher: State, lower: State, before: State, atol: float, rtol: float) -> Tensor:
    """Largest relative difference of two results over the modalities [B], float64 on the CPU."""
    errors = []
    for a, b, c in zip(higher, lower, before, strict=True):
        scale = torch.clamp(rtol * torch.maximum(b.abs(), c.abs()), min=atol)
        errors.append(((a - b) / scale).flatten(1).square().mean(1).sqrt())
    return torch.stack(errors).amax(0).cpu().double()


def _choose(mask: Tensor, yes: State, no: State) -> State:
    if bool((mask == mask[0]).all()):  # known on the host: nothing is copied
        return yes if bool(mask[0]) else no
    chosen = on_device(mask, yes[0].device)
    return tuple(
        torch.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b)
        for a, b in zip(yes, no, strict=True)
    )


def _tell(
    p: Predictor, on_step: OnStep | None, done: int, total: int, prediction: State, state: State
) -> None:
    report(on_step, done, total, prediction if p.clean else state)


def _between(p: Predictor, s: Tensor, t: Tensor, ratio: float) -> Tensor:
    """The time at `ratio` of the way from s to t in λ."""
    schedule = p.diffusion.schedule
    a, b = schedule.half_log_snr(s), schedule.half_log_snr(t)
    return schedule.time_of(a + ratio * (b - a))


def _all(time: Tensor, state: State) -> Tensor:
    return time.expand(len(state[0]))


def _minus(a: State, b: State) -> State:
    return tuple(x - y for x, y in zip(a, b, strict=True))


def _scaled(state: State, factor: float) -> State:
    return tuple(x * factor for x in state)
