"""What networks do otherwise on a GPU: a norm in one kernel, attention in parts, kept tables."""

from __future__ import annotations

import pytest
import torch
from pretended_device import DEVICE, pretended_device
from torch.nn import functional

from savg.models import regions, unet_fast
from savg.models.fused_norm import norm_act
from savg.models.joint_config import CONFIGS
from savg.models.joint_unet import JointUNet
from savg.models.unet_fast import window_table
from savg.models.unet_layers import ResBlock


@pytest.mark.parametrize("mean", [0.0, 3.0, 30.0])
def test_a_norm_in_bfloat16_loses_nothing_beside_its_rounding(mean: float) -> None:
    """The coefficients stay in float32: a mean of many deviations is taken off before rounding."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(2, 512, 64, generator=generator) + mean).bfloat16()
    exact = functional.group_norm(x.double().mT, 16).mT
    rounding = float((exact.bfloat16().double() - exact).norm() / exact.norm())
    with pretended_device(), torch.no_grad():
        ones, zeros = torch.ones(1, 64).to(DEVICE), torch.zeros(1, 64).to(DEVICE)
        y = norm_act(x.to(DEVICE), ones, zeros, 16, 1e-5, act=False)
        result = y.to("cpu")
    error = float((result.double() - exact).norm() / exact.norm())
    assert result.dtype == torch.bfloat16
    assert error < 1.2 * rounding


def test_attention_of_more_sequences_than_a_grid_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gradients the fast path takes PyTorch's attention; CUDA's has 65,535 rows."""
    q, k, v = torch.randn(3, 7, 10, 2 * 8, generator=torch.Generator().manual_seed(0))
    usual, sizes = functional.scaled_dot_product_attention, []

    def noted(*args: torch.Tensor) -> torch.Tensor:
        sizes.append(len(args[0]))
        return usual(*args)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", noted)
    with torch.no_grad():
        whole = unet_fast._attend(q, k, v, 2)
        monkeypatch.setattr(unet_fast, "MAX_BATCH", 3)
        parts = unet_fast._attend(q, k, v, 2)
    assert sizes == [7, 3, 3, 1]
    torch.testing.assert_close(parts, whole)


def test_a_network_that_generated_can_be_trained() -> None:
    """Tables that an evaluation in inference mode made are used in the backward pass."""
    window_table.cache_clear()  # type: ignore[attr-defined]
    model = JointUNet(CONFIGS["tiny"])
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    # 1,000 samples are not a whole number for each of 3 frames: windows are looked up in a table
    inputs = torch.randn(1, 3, 3, 16, 16), torch.randn(1, 2, 4000), torch.tensor([5])
    with torch.inference_mode():
        model(*inputs)
    assert window_table.cache_info().currsize  # type: ignore[attr-defined]
    video, audio = model(*inputs)
    (video.square().mean() + audio.square().mean()).backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients)


def test_compiled_blocks_compute_the_same_without_a_break() -> None:
    """Traced, not compiled: a graph for each kind of block, whatever the windows' shifts."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    plain, traced = JointUNet(CONFIGS["tiny"]).eval(), JointUNet(CONFIGS["tiny"]).eval()
    for parameter in plain.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    traced.load_state_dict(plain.state_dict())
    graphs: list[int] = []

    def noted(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        graphs.append(len(inputs))
        return graph.forward

    number = regions.compile_regions(traced, noted)  # type: ignore[arg-type]
    assert number == sum(isinstance(m, ResBlock) for m in plain.modules()) > 4
    inputs = torch.randn(1, 4, 3, 16, 16), torch.randn(1, 2, 4000), torch.tensor([5])
    with torch.no_grad():
        first = [traced(*inputs, [shift] * len(plain.shifting)) for shift in (0, 1, 2)]
        once = len(graphs)
        again = [traced(*inputs, [shift] * len(plain.shifting)) for shift in (0, 1, 2)]
        expected = [plain(*inputs, [shift] * len(plain.shifting)) for shift in (0, 1, 2)]
    assert 0 < once <= number and len(graphs) == once
    for a, b, c in zip(first, again, expected, strict=True):
        torch.testing.assert_close(a, c)
        torch.testing.assert_close(b, c)
    torch._dynamo.reset()
