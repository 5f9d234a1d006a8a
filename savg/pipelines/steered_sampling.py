"""How StereoSync's latents are sampled: steps, windows, and how closely each condition is followed.

Each condition has a weight of its own: v = v(all) + Σ (weight − 1) · (v(all) − v(all but it)), so that
1 follows it as trained, more follows it more closely, and 0 hardly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import torch
from torch import Tensor

from savg.diffusion.cosine import STEPS, VModel
from savg.errors import SavgError, brief
from savg.fields import Between, Share
from savg.models.stereosync import CONDITIONS, Conditions
from savg.pipelines.flow_sampling import FlowSampler

Weight = Annotated[float, Between(0, 100)]

SteeredModel = Callable[[Tensor, Tensor, Conditions], Tensor]
"""model(x, t, conditions) → v."""


@dataclass(frozen=True)
class StereoSyncSampler(FlowSampler):
    """As `FlowSampler`, whose guidance is of all conditions together; 1 is none.

    spatial, envelope, semantic: weights of each condition; sigma_min, sigma_max: noise over signal at
    the last and first step; fps, score: people are looked for so often a second, with at least this
    score.
    """

    guidance: Weight = 1.0
    spatial: Weight = 1.0
    envelope: Weight = 1.0
    semantic: Weight = 1.0
    sigma_min: Annotated[float, Between(1e-4, 10)] = 0.05
    sigma_max: Annotated[float, Between(1, 10_000)] = 100.0
    fps: Annotated[int, Between(1, 60)] = 8
    score: Share = 0.3

    def with_weights(self, weights: Mapping[str, float] | None) -> Self:
        """These settings with other weights of some conditions. SavgError for unknown ones."""
        for name in weights or {}:
            if name not in CONDITIONS:
                raise SavgError(f"weights must be of {', '.join(CONDITIONS)}, got {brief(name)}.")
        changes: dict[str, Any] = dict(weights or {})
        return replace(self, **changes)

    def guided(
        self, v: SteeredModel, conditions: Conditions, device: torch.device | str = "cpu"
    ) -> VModel:
        """model(x, t) on a device of the weighted prediction; each weight but 1 costs an evaluation.

        conditions: on the host.
        """
        variants, shares = [conditions], [1.0]
        for kind in CONDITIONS:
            share = getattr(self, kind) - 1
            if share and conditions.has(kind):
                variants.append(conditions.without(kind))
                shares.append(-share)
                shares[0] += share
        if self.guidance != 1:
            nothing = conditions
            for kind in CONDITIONS:
                nothing = nothing.without(kind)
            variants.append(nothing)
            shares.append(1 - self.guidance)
            shares[0] += self.guidance - 1

        variants = [variant.to(torch.device(device)) for variant in variants]

        def model(x: Tensor, t: Tensor) -> Tensor:
            total = torch.zeros_like(x)
            for share, variant in zip(shares, variants, strict=True):
                total = total + share * v(x, t, variant)
            return total

        return model


PUBLISHED = StereoSyncSampler(
    steps=STEPS, guidance=2.0, seconds=2.0, overlap=1.0, sigma_min=0.3, sigma_max=500.0, fps=30
)
"""As published: windows of 2 s with 60 boxes, 150 steps, guidance 2 [S3]."""
