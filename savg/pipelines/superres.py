"""Super-resolution of the joint model's small frames, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.device import Compute
from savg.diffusion import Diffusion
from savg.diffusion.host import times_on
from savg.hub import Card
from savg.models.superres_unet import SuperResUNet
from savg.pipelines.description import flag, setting
from savg.pipelines.sampling import ClipNoise, SamplerConfig, diffusion_of

PUBLISHED = SamplerConfig(name="ddim", steps=25)
"""Of the published script: DDIM, 25 steps."""

SCHEDULE_STEPS = 1100
"""The published script samples 25 of 1100 steps, from a network trained with 1000."""


@dataclass
class SuperResolution:
    """A super-resolution network with its process; without a network, bicubic upscaling.

    shared_noise: every frame of a clip starts from the same noise, as published, so that fine detail
    does not flicker; chunk: frames computed together.
    """

    model: nn.Module | None
    diffusion: Diffusion | None
    sampler: SamplerConfig
    compute: Compute
    shared_noise: bool = True
    chunk: int = 5

    @classmethod
    def described(
        cls,
        model: nn.Module | None,
        cards: Mapping[str, Card],
        description: Mapping[str, Any],
        compute: Compute,
    ) -> Self:
        """As in a pipeline's JSON file, with the card of the network "superres"."""
        sampler = PUBLISHED
        if description.get("superres_sampler") is not None:
            sampler = setting(description, "superres_sampler", SamplerConfig, "a sampler")
        chunk = 5 if compute.device.type == "cpu" else 20
        shared = flag(description, "shared_noise", True)
        if model is None:
            return cls(None, None, sampler, compute, shared, chunk)
        facts = cards["superres"].facts
        process = diffusion_of(facts, variance="learned_range", diffusion_steps=SCHEDULE_STEPS)
        return cls(compute.place(model), process, sampler, compute, shared, chunk)

    def check(self, height: int, width: int, scale: int) -> None:
        """ValueError where frames of this size do not fit the network.

        scale: by which they are upscaled.
        """
        if isinstance(self.model, SuperResUNet):
            frames = torch.empty(1, 3, height * scale, width * scale, device="meta")
            self.model.check_inputs(frames)

    def total(self, frames: int) -> int:
        """Steps reported for a clip of `frames` frames."""
        chunks = -(-frames // self.chunk)
        return chunks * self.sampler.total if self.model is not None else 1

    def with_steps(self, steps: int | None) -> SuperResolution:
        """The same with another number of steps."""
        return replace(self, sampler=self.sampler.with_overrides(steps, None))

    def __call__(
        self,
        small: Tensor,
        scale: int,
        noise: ClipNoise,
        on_step: Callable[[int, Tensor], object] | None = None,
    ) -> Tensor:
        """Frames [F, 3, h, w] in −1..1 of one clip → [F, 3, scale·h, scale·w].

        noise: of that clip. `on_step(done, frames)` after every step, with the frames as predicted.
        """
        large = upscale(small, scale)
        if self.model is None or self.diffusion is None:
            if on_step:
                on_step(1, large)
            return large
        shape = large.shape[1:]
        shared = noise.draw(shape, small.device) if self.shared_noise else None
        result = large.clone()
        for first in range(0, len(small), self.chunk):
            part = slice(first, min(first + self.chunk, len(small)))
            count = part.stop - part.start
            if shared is not None:
                start = shared.expand(count, *shape)
            else:
                start = noise.draw((count, *shape), small.device)[0]
            before = (first // self.chunk) * self.sampler.total

            def report(
                done: int, _: int, x0: tuple[Tensor, ...], part: slice = part, b: int = before
            ) -> object:
                if on_step is None:
                    return None
                result[part] = x0[0]
                return on_step(b + done, result)

            network = self._network(small[part])
            (result[part],) = self.sampler.run(
                self.diffusion, network, (start,), _FrameNoise(noise), report
            )
        return result

    def _network(self, low: Tensor) -> Callable[[tuple[Tensor, ...], Tensor], tuple[Tensor, ...]]:
        model, dtype = self.model, self.compute.dtype
        condition = low.to(dtype)

        def network(state: tuple[Tensor, ...], t: Tensor) -> tuple[Tensor, ...]:
            assert model is not None
            times = times_on(condition.device, t)
            return (model(state[0].to(dtype), times, condition).float(),)

        return network


class _FrameNoise(ClipNoise):
    """The noise of one clip whose batch is its frames."""

    def __init__(self, noise: ClipNoise) -> None:
        self.generators = noise.generators

    def like(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(self.draw(part.shape, part.device)[0] for part in state)


def upscale(frames: Tensor, scale: int) -> Tensor:
    """Frames [F, 3, h, w] in −1..1 upscaled by a whole factor, bicubic and clipped to −1..1."""
    if scale == 1:
        return frames
    size = [side * scale for side in frames.shape[-2:]]
    return F.interpolate(frames.float(), size, mode="bicubic", align_corners=False).clamp(-1, 1)
