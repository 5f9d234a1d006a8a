"""Guidance without classes: video pushed away from a worse prediction, in a stretch of the diffusion.

A guidance wraps a denoiser and gives a denoiser, so pipelines and the samples of a training are drawn
in the same way. It decides by the host's times, hence the same on every device, and evaluates the worse
prediction only at times inside its stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from savg.diffusion.host import factor_for
from savg.diffusion.process import Diffusion, State
from savg.pipelines.sampling import ClipNoise

Denoiser = Callable[[State, Tensor], State]
"""denoiser(state, t[B] on the host) → predictions, one for each tensor of the state; video first."""


@dataclass(frozen=True)
class Guidance:
    """The clean video x becomes x + weight · (x − x′), as classifier-free guidance does it without a
    class (Ho & Salimans 2022); what x′ is, a subclass says.

    weight: 0 for none; first, last: shares of the diffusion between which it acts, where it is decided
    what goes where; each step there costs a second evaluation. ValueError for anything else.
    """

    weight: float = 0.0
    first: float = 0.5
    last: float = 0.96

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 <= self.first < self.last <= 1:
            raise ValueError(f"guidance needs weight ≥ 0 and 0 ≤ first < last ≤ 1, not {self}")

    def inside(self, t: Tensor, steps: int) -> Tensor:
        """Which clips [B] are guided at times t[B] of a diffusion of so many steps."""
        return (t >= self.first * steps) & (t <= self.last * steps)

    def wrap(self, denoiser: Denoiser, worse: Denoiser, steps: int) -> Denoiser:
        """`denoiser` with its video [B, F, C, h, w] pushed away from that of `worse`.

        steps: of the whole diffusion. The other tensors are left as they are.
        """
        if not self.weight:
            return denoiser

        def guided(state: State, t: Tensor) -> State:
            inside = self.inside(t, steps)
            video, *others = denoiser(state, t)
            if not bool(inside.any()):
                return video, *others
            video = video.float()
            factor = factor_for(self.weight * inside.float(), video)
            return video + factor * (video - worse(state, t)[0].float()), *others

        return guided


@dataclass(frozen=True)
class MirrorGuidance(Guidance):
    """Video pushed away from that which fits the audio with its channels exchanged: a figure that a
    small network foresees only faintly stands out where the sound comes from."""


@dataclass(frozen=True)
class NoiseGuidance(Guidance):
    """Video pushed away from what the network predicts through more noise.

    x′ is what the network makes of the same video with further noise, as much as `shift` (a share of
    the diffusion) earlier, and told so. A small network hesitates where a figure might stand; x′
    hesitates more, and the difference points to what it is beginning to see. It is autoguidance (Karras
    et al. 2024) whose worse network is the same one in more noise.
    """

    shift: float = 0.08

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shift <= 0:
            raise ValueError(f"guidance needs shift > 0, not {self}")

    def noisier(
        self, diffusion: Diffusion, video: Tensor, t: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The video at times t[B] with further noise, and the times that it then belongs to."""
        steps = diffusion.schedule.base_steps
        later = (t.float() + self.shift * steps).clamp(max=steps - 1).to(t.dtype)
        kept = torch.from_numpy(diffusion.schedule.alphas_cumprod)
        now, then = (kept[x.round().long()] for x in (t.float(), later.float()))
        ratio = (then / now).to(video.dtype)
        old, new = (factor_for(share.sqrt(), video) for share in (ratio, 1 - ratio))
        return old * video + new * noise, later

    def through_noise(
        self,
        denoiser: Denoiser,
        diffusion: Diffusion,
        seed: int,
        clips: Sequence[int],
        purpose: int,
    ) -> Denoiser:
        """`denoiser` of the same video through more noise, which belongs to clips `clips` of a seed.

        A clip draws noise at those of its own steps that are guided, and at no others, so that neither
        its batch nor its device changes what it gets.
        """
        noises = [ClipNoise(seed, [clip], purpose) for clip in clips]
        steps = diffusion.schedule.base_steps

        def worse(state: State, t: Tensor) -> State:
            (video,) = state
            shape = tuple(video.shape[1:])
            drawn = [
                noise.draw(shape)[0] if inside else torch.zeros(shape)
                for noise, inside in zip(noises, self.inside(t, steps).tolist(), strict=True)
            ]
            noisier, later = self.noisier(diffusion, video, t, torch.stack(drawn).to(video.device))
            return denoiser((noisier,), later)

        return worse
