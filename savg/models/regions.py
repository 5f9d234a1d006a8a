"""Compilation of a network block by block: the same block compiles once, however often it occurs.

Compiling whole networks takes minutes and, where windows shift by a drawn number, again and again. What
repeats are residual blocks, self-attention and transformer blocks; cross-modal attention, whose windows
are Python numbers, stays as it is.
"""

from __future__ import annotations

from torch import nn

from savg.models.mmaudio_layers import Block, JointBlock
from savg.models.superres_unet import ImageAttention, ImageResBlock
from savg.models.unet_layers import ResBlock

REGIONS: tuple[type[nn.Module], ...] = (ResBlock, ImageResBlock, ImageAttention, Block, JointBlock)

MAX_SHAPES = 256
"""Different blocks, by configuration and shapes, of the largest network."""


def compile_regions(model: nn.Module, backend: str = "inductor") -> int:
    """Compile the network's blocks in place, at their first call; returns their number.

    backend: of torch.compile; "eager" traces them alone, which a test can do anywhere.
    """
    import torch._dynamo

    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, MAX_SHAPES)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, MAX_SHAPES)
    blocks = [module for module in model.modules() if isinstance(module, REGIONS)]
    for block in blocks:
        block.compile(backend=backend, dynamic=False)
    return len(blocks)
