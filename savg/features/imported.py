"""What backbones share whose weights `savg weights import` brings."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic, Self, TypeVar

from torch import nn

from savg.device import Compute, choose
from savg.errors import CheckpointError
from savg.features.base import Backbone
from savg.features.networks import load_network, missing_network

Network = TypeVar("Network", bound=nn.Module)


class ImportedBackbone(Backbone, Generic[Network]):
    """A backbone of one network, which lies in the folder of networks under the backbone's name.

    network_class: of the network; dtype: of its numbers (None: as `savg.device.choose` says).
    """

    network_class: ClassVar[type[nn.Module]]
    dtype: ClassVar[str | None] = None

    @abstractmethod
    def __init__(self, network: Network, sha256: str, compute: Compute) -> None:
        """network: in float32 on the CPU; sha256: of its weights; compute: where and how it runs."""

    @classmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        compute = choose(device, cls.dtype)
        network, sha256 = load_network(cls.name, source, "cpu")
        if not isinstance(network, cls.network_class):
            raise CheckpointError(f"{source} must hold the network of {cls.label}.")
        return cls(network, sha256, compute)  # type: ignore[arg-type]

    @classmethod
    def missing(cls, source: str | None = None) -> str:
        return missing_network(cls.name, source)
