"""Group normalisation, modulation and SiLU as one differentiable operation on channels-last tensors.

PyTorch's own backward of a channels-last group normalisation on a CPU takes thirty times its forward
pass; written out as a few whole-tensor operations it takes five times (see benchmarks/).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def _forward(
    x: Tensor, gain: Tensor, offset: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised x[B, S, C] · gain + offset; mean and 1/std, float32 [B, groups]."""
    b, s, c = x.shape
    kind = x.dtype
    if x.device.type == "cpu":
        shared = gain.shape[0] == 1
        weight, bias = (gain[0].to(kind), offset[0].to(kind)) if shared else (None, None)
        image = x.unsqueeze(2).permute(0, 3, 1, 2)  # stored channels last: read in place
        z, mean, rstd = torch.native_group_norm(image, weight, bias, b, c, s, groups, eps)
        z = z.permute(0, 2, 3, 1).squeeze(2)
        if not shared:
            z.mul_(gain.to(kind)[:, None]).add_(offset.to(kind)[:, None])
        return z, mean.float(), rstd.float()
    variance, mean = torch.var_mean(x.unflatten(2, (groups, -1)).float(), dim=(1, 3), correction=0)
    rstd = (variance + eps).rsqrt()
    scale = gain.float() * _by_channel(rstd, c)
    shift = offset.float() - _by_channel(mean, c) * scale
    return _affine(x, scale, shift[:, None]), mean, rstd


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x[B, S, C] · scale[B, C] + shift in x's number format: one kernel that computes in float32.

    In bfloat16 coefficients the difference of two large numbers would be lost where the mean is many
    deviations.
    """
    return torch.addcmul(shift, x, scale[:, None], out=torch.empty_like(x))


def _by_channel(x: Tensor, channels: int) -> Tensor:
    """[B, groups] → [B, channels]."""
    return x[:, :, None].expand(-1, -1, channels // x.shape[1]).reshape(x.shape[0], channels)


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, offset: Tensor, groups: int, eps: float, act: bool
    ) -> Tensor:
        z, mean, rstd = _forward(x, gain, offset, groups, eps)
        ctx.save_for_backward(x, z if act else x, gain, mean, rstd)
        ctx.act = act
        return F.silu(z) if act else z

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, z, gain, mean, rstd = ctx.saved_tensors
        channels = x.shape[2]
        dz = torch.ops.aten.silu_backward(grad, z) if ctx.act else grad.clone()
        mean_c, rstd_c = _by_channel(mean, channels), _by_channel(rstd, channels)
        d_offset = dz.sum(1).float()
        d_gain = ((dz * x).sum(1).float() - mean_c * d_offset) * rstd_c

        def group_mean(per_channel: Tensor) -> Tensor:
            y = per_channel.unflatten(1, (mean.shape[1], -1)).mean(2) / x.shape[1]
            return _by_channel(y, channels)

        m1, m2 = group_mean(gain.float() * d_offset), group_mean(gain.float() * d_gain)
        on_x = -rstd_c.square() * m2
        constant = -(on_x * mean_c + rstd_c * m1)
        kind = x.dtype
        if x.device.type == "cpu":
            dx = dz.mul_((gain.float() * rstd_c).to(kind)[:, None])
            dx.add_((x * on_x.to(kind)[:, None]).add_(constant.to(kind)[:, None]))
        else:
            through_statistics = torch.addcmul(constant[:, None], x, on_x[:, None])  # float32
            dx = _affine(dz, gain.float() * rstd_c, through_statistics)
        shape = gain.shape
        return (
            dx,
            d_gain.sum_to_size(shape).to(gain.dtype),
            d_offset.sum_to_size(shape).to(gain.dtype),
            None,
            None,
            None,
        )


def norm_act(
    x: Tensor, gain: Tensor, offset: Tensor, groups: int, eps: float, act: bool = True
) -> Tensor:
    """SiLU (if `act`) of group-normalised x[B, S, C] · gain + offset, each [B or 1, C]."""
    x = x.contiguous()
    if torch.is_grad_enabled():
        return _NormAct.apply(x, gain, offset, groups, eps, act)
    z = _forward(x, gain, offset, groups, eps)[0]
    return F.silu(z, inplace=True) if act else z
