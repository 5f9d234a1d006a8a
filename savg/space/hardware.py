"""The hardware that a Space can run on, and what it costs its owner."""

from __future__ import annotations

from dataclasses import dataclass

from savg.errors import SavgError

PRICES = "https://huggingface.co/docs/hub/spaces-gpus"
"""Where Hugging Face publishes the prices, which these were read from in November 2026."""


@dataclass(frozen=True)
class Hardware:
    """One kind of hardware by its name on the command line.

    hub: its name in the Hub's interface; about: processor and memory; dollars: US dollars for each hour
    in which the Space is awake (None: not known here).
    """

    name: str
    hub: str
    about: str
    dollars: float | None = None

    @property
    def is_zero_gpu(self) -> bool:
        """Whether visitors share GPUs that are lent for single calls."""
        return self.name == "zero-gpu"

    @property
    def cost(self) -> str:
        """What it costs the Space's owner, in sentences."""
        if self.is_zero_gpu:
            return (
                "No charge by the hour, but only owners with a PRO, Team or Enterprise plan can create "
                "such a Space. Visitors spend their own daily minutes of GPU (2 anonymous, 5 with a "
                "free account, 40 with PRO)."
            )
        if self.dollars is None:
            return f"Charged by the minute while the Space is awake; the price is told at {PRICES}."
        if not self.dollars:
            return (
                "No charge by the hour; Hugging Face lets only owners with a paid plan create a new "
                "Space that runs programs. It sleeps after two days without visitors."
            )
        return (
            f"${self.dollars:.2f} for each hour in which the Space is awake (about "
            f"${self.dollars * 24 * 30:.0f} a month if it never sleeps), charged by the minute; "
            f"current prices: {PRICES}."
        )


_KINDS = (
    Hardware("cpu-basic", "cpu-basic", "2 CPU cores, 16 GB", 0.0),
    Hardware("cpu-upgrade", "cpu-upgrade", "8 CPU cores, 32 GB", 0.03),
    Hardware("zero-gpu", "zero-a10g", "half an H200 for single calls"),
    Hardware("t4-small", "t4-small", "T4, 16 GB", 0.40),
    Hardware("t4-medium", "t4-medium", "T4, 16 GB, 8 CPU cores", 0.60),
    Hardware("l4x1", "l4x1", "L4, 24 GB", 0.80),
    Hardware("l40sx1", "l40sx1", "L40S, 48 GB", 1.80),
    Hardware("a10g-small", "a10g-small", "A10G, 24 GB", 1.00),
    Hardware("a10g-large", "a10g-large", "A10G, 24 GB, 12 CPU cores", 1.50),
    Hardware("a100-large", "a100-large", "A100, 80 GB"),
    Hardware("rtx-pro-6000", "rtx-pro-6000", "RTX PRO 6000"),
)

HARDWARE = {kind.name: kind for kind in _KINDS}
"""Hardware by its name."""


def hardware_of(name: str) -> Hardware:
    """The hardware of a name; SavgError lists the known ones."""
    if name not in HARDWARE:
        raise SavgError(f"Hardware must be one of {', '.join(HARDWARE)}, got {name!r}.")
    return HARDWARE[name]
