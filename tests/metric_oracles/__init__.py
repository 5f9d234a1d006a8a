"""Independent implementations of metrics by the metrics' names, one module a group of metrics.

Each module has ORACLES: name → function of items (of `metric_items`) that gives the value.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence

from savg.metrics.base import Item

ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {}
for _module in pkgutil.iter_modules(__path__):
    ORACLES |= importlib.import_module(f"{__name__}.{_module.name}").ORACLES
