"""AudioCLIP's network for evaluation with batch normalisation folded into the convolutions.

The same function in fewer passes over memory, in float32. bfloat16 is not offered: images reach
−180 dB, where its steps are 1 dB, and with its first convolution in float32 random networks were still
off by 14 % of what tells sounds apart.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import Bottleneck

from savg.models.audioclip import Attention, AudioClip


def folded(network: AudioClip) -> AudioClip:
    """A copy in evaluation mode whose convolutions do the normalisation too, channels last."""
    model = copy.deepcopy(network).eval()
    _fold(model, "conv1", "bn1")
    for module in list(model.modules()):
        if isinstance(module, Bottleneck):
            for index in (1, 2, 3):
                _fold(module, f"conv{index}", f"bn{index}")
            if isinstance(module.downsample, nn.Sequential):
                _fold(module.downsample, "0", "1")
        elif isinstance(module, Attention):
            _fold(module, "conv_point", "bn")
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fold(module: nn.Module, convolution: str, normalisation: str) -> None:
    convolve, normalise = module.get_submodule(convolution), module.get_submodule(normalisation)
    if not (isinstance(convolve, nn.Conv2d) and isinstance(normalise, nn.BatchNorm2d)):
        raise TypeError(f"{convolution} and {normalisation} must be a convolution and its norm")
    setattr(module, convolution, fuse_conv_bn_eval(convolve, normalise))
    setattr(module, normalisation, nn.Identity())
