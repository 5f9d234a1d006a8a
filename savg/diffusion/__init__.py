"""Noise schedules, the diffusion process, and samplers as functions.

A state is a tuple of tensors with one batch axis, one tensor for each modality: (video, audio) for
the joint model, (frames,) for super-resolution. A network is `model(state, t) -> state` with t[B]
the integer times of the unspaced schedule.
"""

from savg.diffusion.process import Diffusion
from savg.diffusion.schedule import Schedule

__all__ = ["Diffusion", "Schedule"]
