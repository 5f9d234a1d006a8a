"""Muon: momentum whose matrices are orthogonalised, beside AdamW for everything else.

Jordan et al. 2024; the size of the step after Liu et al. 2025 ("Muon is scalable for LLM training"), so
that one learning rate and weight decay serve both kinds of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from savg.device import coarse_dtype

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that drives singular values towards 1 (they end in about 0.7..1.2)."""

RMS = 0.2
"""Root mean square of an update, typical of AdamW's."""


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum for `matrices` (first axis = rows), AdamW for `others`.

    Where the tensor `found_inf` is set, as by a gradient scaler, a step is left out where it is 1; the
    host does not read it.
    """

    found_inf: Tensor | None = None
    _step_supports_amp_scaling = True

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        iterations: int = 5,
    ) -> None:
        shared = {"lr": lr, "weight_decay": weight_decay}
        groups = [
            {"params": list(matrices), "matrices": True, "momentum": momentum, **shared},
            {"params": list(others), "matrices": False, "betas": betas, **shared},
        ]
        super().__init__([group for group in groups if group["params"]], {})
        self.iterations = iterations

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        keep = None if self.found_inf is None else 1 - self.found_inf
        for group in self.param_groups:
            with_gradient = [p for p in group["params"] if p.grad is not None]
            if keep is not None:
                for p in with_gradient:  # whatever is not finite is multiplied by zero below
                    p.grad.nan_to_num_(0.0, 0.0, 0.0)
            if group["matrices"]:
                self._orthogonal_step(with_gradient, group, keep)
            elif keep is None:
                self._adam_step(with_gradient, group)
            else:
                self._adam_step_on_device(with_gradient, group, keep)
        return loss

    def _orthogonal_step(
        self, parameters: list[nn.Parameter], group: dict[str, Any], keep: Tensor | None = None
    ) -> None:
        lr, beta = group["lr"], group["momentum"]
        by_shape: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = {}
        for p in parameters:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            assert p.grad is not None
            share = 1 - beta if keep is None else (1 - beta) * keep
            state["momentum"].lerp_(p.grad, share)
            lookahead = p.grad.lerp(state["momentum"], beta).flatten(1)
            by_shape.setdefault(tuple(lookahead.shape), []).append((p, lookahead))
        for shape, members in by_shape.items():
            updates = orthogonal(
                torch.stack([lookahead for _, lookahead in members]), self.iterations
            )
            scale = RMS * max(shape) ** 0.5
            for (p, _), update in zip(members, updates, strict=True):
                change = update.reshape(p.shape).to(p.dtype)
                if keep is not None:
                    p.mul_(1 - lr * group["weight_decay"] * keep)
                    p.sub_(change * (lr * scale * keep))
                    continue
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(change, alpha=-lr * scale)

    def _adam_step(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        lr, (b1, b2) = group["lr"], group["betas"]
        for p in parameters:
            state = self.state[p]
            if not state:
                state["step"] = torch.zeros(())
                state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
            assert p.grad is not None
            state["step"] += 1
            step = float(state["step"])
            state["mean"].lerp_(p.grad, 1 - b1)
            state["square"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            denominator = (state["square"] / (1 - b2**step)).sqrt_().add_(1e-8)
            p.mul_(1 - lr * group["weight_decay"])
            p.addcdiv_(state["mean"], denominator, value=-lr / (1 - b1**step))

    def _adam_step_on_device(
        self, parameters: list[nn.Parameter], group: dict[str, Any], keep: Tensor
    ) -> None:
        """The same with the count of steps on the device, and no change where `keep` is 0."""
        lr, (b1, b2) = group["lr"], group["betas"]
        for p in parameters:
            state = self.state[p]
            if not state:
                state["step"] = torch.zeros((), device=p.device)
                state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
            assert p.grad is not None
            state["step"] = state["step"].to(p.device)  # a resumed run's is on the host
            state["step"] += keep
            state["mean"].lerp_(p.grad, (1 - b1) * keep)
            state["square"].lerp_(p.grad.square(), (1 - b2) * keep)
            step = state["step"].clamp(min=1)
            denominator = (state["square"] / (1 - b2**step)).sqrt_().add_(1e-8)
            p.mul_(1 - lr * group["weight_decay"] * keep)
            p.sub_(state["mean"] / denominator * (lr * keep / (1 - b1**step)))


def orthogonal(x: Tensor, iterations: int = 5) -> Tensor:
    """About U·Vᵀ of x[N, rows, columns] = U·S·Vᵀ, computed in bfloat16 where the device has it."""
    a, b, c = COEFFICIENTS
    y = x.to(coarse_dtype(x.device))
    tall = y.shape[1] > y.shape[2]
    y = y.mT if tall else y
    y = y / y.float().square().sum((1, 2), keepdim=True).sqrt().clamp_min(1e-7).to(y.dtype)
    for _ in range(iterations):
        gram = y @ y.mT
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        y = torch.baddbmm(y, factor, y, beta=a)
    return (y.mT if tall else y).to(x.dtype)


def split(model: nn.Module, outer: Iterable[nn.Module] = ()) -> tuple[list[Any], list[Any]]:
    """A network's matrices (convolution kernels too) and its other parameters.

    outer: the first and last layers, which AdamW trains better.
    """
    outer_ids = {id(p) for module in outer for p in module.parameters()}
    matrices: list[Any] = []
    others: list[Any] = []
    for p in model.parameters():
        (matrices if p.ndim > 1 and id(p) not in outer_ids else others).append(p)
    return matrices, others
