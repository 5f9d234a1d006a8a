"""The table of all readers, by room."""

from __future__ import annotations

import torchvision.ops  # noqa: F401 - what readers import late would cost seconds in each case

from tests.fuzz.case import Table
from tests.fuzz.readers import archives, components, media, sheets, studies

_ROOMS = (media, sheets, components, archives, studies)

TABLE = Table(
    {name: reader for room in _ROOMS for name, reader in room.READERS.items()},
    {name: seed for room in _ROOMS for name, seed in room.SEEDS.items()},
)
"""Every reader of the project."""

# A name of two rooms would hide a seed, and readers would be handed another kind of file.
assert len(TABLE.readers) == sum(len(room.READERS) for room in _ROOMS)
assert len(TABLE.seeds) == sum(len(room.SEEDS) for room in _ROOMS)
