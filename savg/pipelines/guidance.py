"""Guidance without classes: video pushed away from a worse prediction, in part of the diffusion.

A guidance wraps a denoiser and returns a denoiser, so pipelines and the samples of a training are drawn
in the same way. It decides by times on the host, hence the same on every device, and evaluates the
worse prediction only at times inside its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from savg.diffusion.host import factor_for, on_device
from savg.diffusion.process import Diffusion, State
from savg.fields import Between, Share, check
from savg.pipelines.sampling import ClipNoise

Denoiser = Callable[[State, Tensor], State]
"""denoiser(state, t[B] on the host) → predictions, one for each tensor of the state; video first."""

Renoise = Callable[[State, Tensor], tuple[State, Tensor]]
"""renoise(state, t[B] on the host) → the state in more noise, and its times."""


@dataclass(frozen=True)
class Guidance:
    """The predicted x0 of the video becomes x0 + weight · (x0 − x0′), like classifier-free guidance
    without a class (Ho & Salimans 2022); a subclass says what the worse prediction x0′ is.

    weight: ≥ 0, 0 for none; first, last: the interval in which it acts, as shares of the diffusion with
    0 ≤ first < last ≤ 1; each step in it costs a second evaluation. ValueError for other values.
    """

    weight: Annotated[float, Between(0, 1000)] = 0.0
    first: Share = 0.5
    last: Share = 0.96

    def __post_init__(self) -> None:
        check(self, "{} of guidance")
        if not 0 <= self.first < self.last <= 1:
            interval = f"{self.first} and {self.last}"
            raise ValueError(f"guidance must have 0 ≤ first < last ≤ 1, got {interval}")

    @property
    def acts(self) -> bool:
        """Whether anything is pushed away."""
        return bool(self.weight)

    def inside(self, t: Tensor, steps: int) -> Tensor:
        """Which clips bool [B] are guided at times t[B] of a diffusion of `steps` steps."""
        return (t >= self.first * steps) & (t <= self.last * steps)

    def wrap(self, denoiser: Denoiser, worse: Denoiser, steps: int) -> Denoiser:
        """`denoiser` with its video [B, F, C, h, w] pushed away from that of `worse`.

        steps: of the whole diffusion. The other tensors are left as they are.
        """
        return pushed(denoiser, [(self, worse)], steps)


def pushed(denoiser: Denoiser, away: Sequence[tuple[Guidance, Denoiser]], steps: int) -> Denoiser:
    """`denoiser` with its video [B, F, C, h, w] pushed away from each worse one, all from the same
    prediction.

    steps: of the whole diffusion. The other tensors are left as they are.
    """
    away = [(guidance, worse) for guidance, worse in away if guidance.weight]
    if not away:
        return denoiser

    def guided(state: State, t: Tensor) -> State:
        video, *others = denoiser(state, t)
        total = video
        for guidance, worse in away:
            inside = guidance.inside(t, steps)
            if not bool(inside.any()):
                continue
            video = video.float()
            factor = factor_for(guidance.weight * inside.float(), video)
            total = total.float() + factor * (video - worse(state, t)[0].float())
        return total, *others

    return guided


@dataclass(frozen=True)
class NoiseGuidance(Guidance):
    """Video pushed away from what the network predicts through more noise.

    x0′ is predicted from the same video with further noise, at the time `shift` noisier. It is less
    certain of where a figure stands, and the difference points to the figure. This is autoguidance
    (Karras et al. 2024) whose worse network is the same one in more noise.

    shift: share of the diffusion, > 0, by which the further noise is later.
    """

    shift: Share = 0.08

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shift <= 0:
            raise ValueError(f"shift of guidance must be > 0, got {self.shift}")

    def noisier(
        self, diffusion: Diffusion, video: Tensor, t: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Video [B, F, C, h, w] or audio at times t[B] with further noise, and its new times [B]."""
        steps = diffusion.schedule.base_steps
        later = (t.float() + self.shift * steps).clamp(max=steps - 1).to(t.dtype)
        alphas = torch.from_numpy(diffusion.schedule.alphas_cumprod)
        now, then = (alphas[x.round().long()] for x in (t.float(), later.float()))
        ratio = (then / now).to(video.dtype)
        old, new = (factor_for(share.sqrt(), video) for share in (ratio, 1 - ratio))
        return old * video + new * noise, later

    def renoised(
        self, diffusion: Diffusion, seed: int, clips: Sequence[int], purpose: int
    ) -> Renoise:
        """Adds further noise, which belongs to these clips of a seed, to all tensors of a state.

        A clip draws noise only at its own guided steps, so that neither its batch nor the device
        changes it.
        """
        noises = [ClipNoise(seed, [clip], purpose) for clip in clips]
        steps = diffusion.schedule.base_steps

        def renoise(state: State, t: Tensor) -> tuple[State, Tensor]:
            inside, noisy, later = self.inside(t, steps).tolist(), [], t
            for part in state:
                shape = tuple(part.shape[1:])
                drawn = [
                    stream.draw(shape)[0] if guided else torch.zeros(shape)
                    for stream, guided in zip(noises, inside, strict=True)
                ]
                noise = on_device(torch.stack(drawn), part.device)
                noisier, later = self.noisier(diffusion, part, t, noise)
                noisy.append(noisier)
            return tuple(noisy), later

        return renoise

    def through_noise(
        self,
        denoiser: Denoiser,
        diffusion: Diffusion,
        seed: int,
        clips: Sequence[int],
        purpose: int,
    ) -> Denoiser:
        """`denoiser` of the same state through more noise, which belongs to these clips of a seed."""
        renoise = self.renoised(diffusion, seed, clips, purpose)
        return lambda state, t: denoiser(*renoise(state, t))


@dataclass(frozen=True)
class MirrorGuidance(Guidance):
    """Video pushed away from that which fits the audio with its channels swapped: a figure that a small
    network predicts only faintly stands out where the sound comes from.

    noise: a push away from the prediction through more noise beside it, by which figures take shape.
    """

    noise: NoiseGuidance = field(default_factory=NoiseGuidance)

    @property
    def acts(self) -> bool:
        """Whether either push has a weight."""
        return bool(self.weight or self.noise.weight)
