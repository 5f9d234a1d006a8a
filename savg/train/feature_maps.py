"""Features of the training clips by frozen networks, computed once and stored as memory maps.

A folder holds one .npy file for each name, meta.json with the origin of the maps, and their checksums;
it is written atomically, and computed again when its origin differs or a file is damaged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.arrays import open_array
from savg.checksums import check_sums, write_sums
from savg.errors import SavgError
from savg.json_files import read_object
from savg.paths import atomic_folder

META = "meta.json"

_NAME = re.compile(r"\w{1,100}", re.ASCII)

Row = Mapping[str, NDArray[Any]]


def feature_maps(
    folder: Path,
    origin: Mapping[str, Any],
    count: int,
    rows: Callable[[], Iterable[Row]],
    name: str = "features",
) -> dict[str, NDArray[Any]]:
    """Maps [count, …] by name, opened from `folder` or computed there from `rows()`, one clip each.

    origin: all that the maps depend on, as JSON; rows have the names, shapes and types of the first.
    SavgError for values that are not finite, or for fewer rows than `count`.
    """
    expected_meta = json.loads(json.dumps({"origin": dict(origin), "count": count}))
    stored = _open_maps(folder, expected_meta)
    return stored if stored is not None else _compute_maps(folder, expected_meta, rows, name)


def _open_maps(folder: Path, expected_meta: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
    try:
        meta = read_object(folder / META)
        if {key: meta.get(key) for key in expected_meta} != expected_meta:
            return None
        files = {name: folder / f"{name}.npy" for name in meta["names"] if _NAME.fullmatch(name)}
        check_sums(folder, [META, *(file.name for file in files.values())])
        maps = {name: open_array(file) for name, file in files.items()}
    except (SavgError, KeyError, TypeError):
        return None
    fit = all(value.ndim and len(value) == meta["count"] for value in maps.values())
    return maps if maps and fit else None


def _compute_maps(
    folder: Path, expected_meta: Mapping[str, Any], rows: Callable[[], Iterable[Row]], name: str
) -> dict[str, NDArray[Any]]:
    from tqdm import tqdm

    count = expected_meta["count"]
    with atomic_folder(folder) as part:
        maps: dict[str, Any] = {}
        number = 0
        for number, row in enumerate(tqdm(rows(), name, count, mininterval=5), 1):
            for key, value in row.items():
                if not np.isfinite(value).all():
                    raise SavgError(f"{folder}: {key} of clip {number - 1} must be finite.")
                if key not in maps:
                    shape = (count, *value.shape)
                    path = part / f"{key}.npy"
                    maps[key] = np.lib.format.open_memmap(path, "w+", value.dtype, shape)
                maps[key][number - 1] = value
        if number != count:
            raise SavgError(f"{folder}: rows must be {count}, one for each clip, got {number}.")
        for value in maps.values():
            value.flush()
        text = json.dumps({**expected_meta, "names": list(maps)}, indent=1)
        (part / META).write_text(text + "\n", encoding="utf-8")
        write_sums(part, [META, *(f"{key}.npy" for key in maps)])
        maps.clear()
    stored = _open_maps(folder, expected_meta)
    assert stored is not None
    return stored
