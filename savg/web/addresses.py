"""Addresses of clients, and of the reverse proxies that a server believes."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from savg.errors import SavgError

PROXIES_VARIABLE = "SAVG_PROXIES"
"""Environment variable: addresses or networks of reverse proxies, separated by commas."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Proxies:
    """Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; by default none."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, names: Iterable[str]) -> Proxies:
        """From IP addresses or networks; SavgError for anything else, and for the whole internet."""
        networks = []
        for name in filter(None, (n.strip() for n in names)):
            try:
                network = ipaddress.ip_network(name)
            except ValueError:
                network = None
            if network is None or network.prefixlen == 0:
                raise SavgError(
                    f"Proxy must be an IP address or a network like 10.0.0.0/8, got {name[:60]!r}."
                )
            networks.append(network)
        return cls(tuple(networks))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Proxies:
        """Those of SAVG_PROXIES."""
        return cls.parse(environment.get(PROXIES_VARIABLE, "").split(","))

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __contains__(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.networks)

    @property
    def names(self) -> list[str]:
        """The addresses and networks as texts."""
        return [
            str(n.network_address if n.num_addresses == 1 else n.with_prefixlen)
            for n in self.networks
        ]


def client_key(host: str) -> str:
    """What counts as one client: an IPv4 address, a /64 of IPv6 (what one household has)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
