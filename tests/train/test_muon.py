"""Orthogonalised momentum."""

from __future__ import annotations

import pytest
import torch

from savg.train.checkpoint import load_optimizer, optimizer_tensors
from savg.train.muon import Muon, orthogonal, split


@pytest.mark.parametrize("gain", [0.07, 3.0])
@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_singular_values_end_near_one_in_the_same_directions(
    shape: tuple[int, int], gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savg.device.bfloat16_gain", lambda: gain)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    updates = orthogonal(x)
    left, _, right = torch.linalg.svd(x, full_matrices=False)
    values = torch.linalg.svdvals(updates)
    assert float(values.min()) > 0.5 and float(values.max()) < 1.4
    share = (updates * (left @ right)).sum((1, 2)) / updates.flatten(1).norm(dim=1)
    assert (share / min(shape) ** 0.5 > 0.95).all()


@pytest.mark.parametrize(("gain", "products"), [(0.07, torch.float32), (3.0, torch.bfloat16)])
def test_products_are_in_the_format_that_the_processor_is_fast_in(
    gain: float, products: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savg.device.bfloat16_gain", lambda: gain)
    seen: set[torch.dtype] = set()
    fused = torch.baddbmm

    def watched(x: torch.Tensor, *args: torch.Tensor, **options: float) -> torch.Tensor:
        seen.add(x.dtype)
        return fused(x, *args, **options)

    monkeypatch.setattr(torch, "baddbmm", watched)
    assert orthogonal(torch.randn(2, 8, 12)).dtype == torch.float32
    assert seen == {products}


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 16), torch.nn.Linear(16, 16), torch.nn.SiLU(), torch.nn.Linear(16, 2)
    )


def test_kernels_are_matrices_and_the_outer_layers_are_not() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3), torch.nn.Conv1d(4, 2, 1)
    )
    matrices, others = split(model, [model[0]])
    assert [tuple(p.shape) for p in matrices] == [(4, 4, 3, 3), (2, 4, 1)]
    assert len(others) == 4


def test_it_learns_and_a_saved_state_continues_identically() -> None:
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin()], 1)

    def optimizer_of(model: torch.nn.Module) -> Muon:
        return Muon(*split(model, [model[0], model[-1]]), lr=0.02)

    def train(model: torch.nn.Module, optimizer: Muon, steps: int) -> float:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
        return float(loss)

    model = network()
    optimizer = optimizer_of(model)
    first = train(model, optimizer, 1)
    train(model, optimizer, 60)
    copy = network()
    copy.load_state_dict(model.state_dict())
    resumed = optimizer_of(copy)
    load_optimizer(resumed, {k: v.clone() for k, v in optimizer_tensors(optimizer).items()})
    assert train(model, optimizer, 20) < 0.5 * first
    train(copy, resumed, 20)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), copy.parameters(), strict=True)
    )


def test_weight_decay_shrinks_what_has_no_gradient_direction() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], [], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, torch.full((4, 4), 0.95))
