"""Every backbone by name: to add one, write its file and add a line here."""

from __future__ import annotations

import importlib

from savg.errors import SavgError
from savg.features.base import Backbone

BACKBONES: dict[str, str] = {
    "audioclip": "savg.features.audioclip:AudioClipBackbone",
    "vggish": "savg.features.vggish:VggishBackbone",
    "clap": "savg.features.clap:ClapBackbone",
    "seld": "savg.features.seld:SeldBackbone",
    "i3d": "savg.features.i3d:I3dBackbone",
    "synchformer_offsets": "savg.features.synchformer:SynchformerOffsets",
    "synchformer_means": "savg.features.synchformer:SynchformerMeans",
    "r3d18": "savg.features.kinetics:R3d18",
    "s3d": "savg.features.kinetics:S3d",
    "mvit": "savg.features.kinetics:Mvit",
    "yolox": "savg.features.yolox:YoloxBackbone",
}
"""name → module:class; a module is imported when its backbone is first used."""


def backbone_class(name: str) -> type[Backbone]:
    """The class of a registered backbone; SavgError lists the registered names."""
    if name not in BACKBONES:
        raise SavgError(f"Backbone must be one of {', '.join(BACKBONES)}, got {name!r}.")
    module, attribute = BACKBONES[name].split(":")
    backbone: type[Backbone] = getattr(importlib.import_module(module), attribute)
    return backbone
