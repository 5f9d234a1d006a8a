"""The video half of the coupled U-Net as a network of its own: stage 1 of the two-stage method [S2].

It has the blocks of `savg.models.joint_unet`, laid out and evaluated by the same code, without audio
and without cross-modal attention. With the same weights it computes what the video half of a joint
network computes whose cross-modal attention adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from savg.hub import ModelFormat
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_config import JointUNetConfig, published_config
from savg.models.joint_unet import CoupledUNet

LAYER = re.compile(r"(middle_blocks|(?:in|out)put_blocks\.\d+)\.(\d+)\.(.*)")
"""Stage, number and the rest of a parameter's name."""


def video_config(config: JointUNetConfig) -> JointUNetConfig:
    """The configuration of a joint network's video half."""
    return replace(
        config,
        audio_channels=0,
        audio_patch=1,
        audio_at=(),
        cross_at=(),
        windows=(),
        middle_cross=False,
        shift=False,
        head_channels=None,
    )


class VideoUNet(CoupledUNet):
    """The U-Net of video alone; `config` is one of `video_config`."""

    def __init__(self, config: JointUNetConfig, fast: bool = True) -> None:
        if config.audio_channels:
            raise ValueError(
                f"audio_channels of a video network must be 0, got {config.audio_channels}"
            )
        super().__init__(config, fast)

    def forward(self, video: Tensor, t: Tensor, direction: Tensor | None = None) -> Tensor:
        """Denoise video[B, F, 3, H, W] at diffusion times t[B].

        direction: what the clips shall be, see `savg.models.direction`. Returns a tensor of the
        input's shape and number format (twice the channels with a learned variance); computed in the
        parameters' number format, or under autocast. ValueError if the shape does not fit the network.
        """
        self.check_inputs(video)
        return self.denoise((video,), t, direction=direction)[0]


def video_half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The video's weights in the state of a joint network, under their names in a video network.

    What follows cross-modal attention in its stage moves up; a video network's state stays as it is.
    """
    crosses = {key.removesuffix(".v_qkv.weight") for key in state if key.endswith(".v_qkv.weight")}
    weights = {}
    for key, value in state.items():
        if any(part.split("_")[0] == "audio" for part in key.split(".")):
            continue
        match = LAYER.match(key)
        if match:
            stage, number, rest = match.groups()
            if f"{stage}.{number}" in crosses:
                continue
            before = sum(f"{stage}.{i}" in crosses for i in range(int(number)))
            key = f"{stage}.{int(number) - before}.{rest}"
        weights[key] = value
    return weights


CONFIGS = {name: video_config(config) for name, config in JOINT.items()}

FORMAT = ModelFormat(
    kind="video_unet",
    config=JointUNetConfig,
    build=VideoUNet,
    from_published=lambda published: video_config(published_config(published)),
    rename=video_half,
    card={"mirrored": True},
)
"""No network of video alone is published; a joint checkpoint gives its video half."""
