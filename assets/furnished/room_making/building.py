"""A furnished room built at random in Blender: walls, windows, lights and furniture.

The parts of the work, each in a file: `shell`, `furnishing`, `decoration`, all on the `placing.Site`.
"""

from __future__ import annotations

from pathlib import Path

import bpy

from room_making.decoration import Decoration
from room_making.furnishing import Furnishing
from room_making.plans import FLAT, MORE, THEMES, Built
from room_making.shell import Shell


class Builder(Shell, Furnishing, Decoration):
    """Builds one room."""

    def build(self) -> Built:
        """The whole room."""
        self._shell()
        self._door()
        around, middle = THEMES[self.plan.theme]
        for kinds in (*around, *MORE):
            self._against_a_wall(self._choose(kinds), flat=kinds in FLAT)
        for number, kinds in enumerate(middle):
            self._in_the_middle(self._choose(kinds), rug=number == 0, flat=kinds in FLAT)
        self._pictures()
        self._small_things()
        self._lamps()
        _plain_where_missing()
        return self.built


def _plain_where_missing() -> None:
    """Materials whose image file is missing become plain."""
    for material in bpy.data.materials:
        if not material.node_tree:
            continue
        for node in list(material.node_tree.nodes):
            if node.type == "TEX_IMAGE":
                data = node.image
                path = Path(bpy.path.abspath(data.filepath)) if data and data.filepath else None
                if data is None or (
                    path is not None and not data.packed_file and not path.exists()
                ):
                    material.node_tree.nodes.remove(node)
