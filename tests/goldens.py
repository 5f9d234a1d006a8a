"""Reading golden cases: reference outputs whose weights and inputs are regenerated from names."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
FOLDERS = (HERE / "golden", HERE.parents[1] / "shared" / "golden")
sys.path.insert(0, str(HERE / "golden"))
import golden  # noqa: E402


def find(name: str) -> Path | None:
    """The file of a golden case, in the project or in the shared folder beside it."""
    return next((f / f"{name}.npz" for f in FOLDERS if (f / f"{name}.npz").is_file()), None)


@dataclass(frozen=True)
class Case:
    """One golden case: its `meta` and stored arrays."""

    name: str
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    @cached_property
    def state(self) -> dict[str, torch.Tensor]:
        """The state dict by the authors' names, with the case's overrides of scale and offset."""
        meta = self.meta
        prefix = meta.get("weight_prefix", meta.get("weight_key_prefix", ""))
        values = {}
        for key, shape in meta.get("keys") or meta["state_dict"]:
            value = golden.weight(prefix + key, tuple(shape))
            for rule in meta.get("weight_overrides", []):
                if re.search(rule["key_regex"], key):
                    value = value * np.float32(rule.get("mul", 1)) + np.float32(rule.get("add", 0))
            values[key] = torch.from_numpy(np.asarray(value))
        return values

    def input(self, name: str) -> torch.Tensor:
        """A generated input: `{"golden": name, "shape": …, "scale": …}` in the case's meta."""
        spec = self.meta["inputs"][name]
        key = spec.get("golden", spec.get("golden_tensor_name"))
        return torch.from_numpy(golden.tensor(key, tuple(spec["shape"]), spec.get("scale", 1.0)))

    def check(self, name: str, value: torch.Tensor) -> None:
        """Assert that `value` has the shape and (strided) values of the stored output `name`,
        within the tolerances that the case suggests."""
        spec = self.meta["outputs"][name]
        assert list(value.shape) == spec["shape"], name
        stride = spec["flat_stride"]
        torch.testing.assert_close(
            value if stride == 1 else value.reshape(-1)[::stride],
            torch.from_numpy(self[f"out__{name}"]),
            atol=spec["suggested_atol"],
            rtol=spec["suggested_rtol"],
            msg=lambda text: f"{self.name}, {name}: {text}",
        )


def case(name: str) -> Case:
    """The golden case `name`; FileNotFoundError if it is in neither folder."""
    path = find(name)
    if path is None:
        raise FileNotFoundError(f"golden case {name} is in none of {[str(f) for f in FOLDERS]}")
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files if key != "meta"}
        meta = json.loads(str(stored["meta"]))
    return Case(name, meta, arrays)
