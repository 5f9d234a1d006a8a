"""Whether sounds lie to one side of persons, on average."""

from __future__ import annotations

from collections.abc import Sequence

from savg.metrics.base import Cells, Item
from savg.metrics.pixel_error import Errors, PixelError


class PixelBias(PixelError):
    """Mean of the sounds' x minus the nearest persons': negative where sounds lie too far left.

    Without bias it is 0, whatever the distances. Notes as of the distance, with the sign kept.
    """

    name = "pixel_bias"
    label = "sound to the left (−) or right (+) of person"
    higher_is_better = None

    @staticmethod
    def measure(errors: Errors) -> Errors:
        return errors

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        return []

    def nulls(self, items: Sequence[Item]) -> dict[str, float | None]:
        return {}
