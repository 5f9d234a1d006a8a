"""The contract of a recipe, the registry of recipes, and overrides of their configuration."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from savg.errors import SavgError
from savg.train.optim import Draw, Optimisation

if TYPE_CHECKING:
    import torch

    from savg.hub import Card

Batch = tuple["torch.Tensor", ...]
Scalars = dict[str, Any]
C = TypeVar("C")

RECIPES = {
    "joint": "savg.train.joint:CONFIGS",
    "video": "savg.train.video:CONFIGS",
    "superres": "savg.train.superres:CONFIGS",
    "seld": "savg.train.seld:CONFIGS",
    "yolox": "savg.train.yolox:CONFIGS",
    "mel_vae": "savg.train.mel_vae:CONFIGS",
    "vocoder": "savg.train.vocoder:CONFIGS",
    "mmaudio": "savg.train.mmaudio:CONFIGS",
    "stereosync": "savg.train.stereosync:CONFIGS",
    "depth": "savg.train.depth:CONFIGS",
    "distill": "savg.train.distill:CONFIGS",
}
"""Name → module and attribute of its configurations, a mapping with at least full, demo, tiny."""


@dataclass(frozen=True)
class Recipe(ABC):
    """Network, data, loss and samples of one kind of training; a frozen configuration.

    Subclasses add their own fields. All randomness comes from the draws and seeds passed in, so that
    a resumed run equals an uninterrupted one.
    """

    optim: Optimisation
    kind: ClassVar[str]
    """Kind of weights, as in `savg.hub.KINDS`; the network's configuration is the field `model`."""
    network: ClassVar[str] = ""
    """Prefix of the network's own weights, where the trained module holds more than the network."""
    unused_parameters: ClassVar[bool] = False
    """Whether some steps leave some of the trained parameters without a gradient."""
    free: ClassVar[frozenset[str]] = frozenset({"optim", "synthetic", "samples", "sample_steps"})
    """Settings that may change when a run is resumed."""

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """The network to train, with a dataclass `.config`."""

    @abstractmethod
    def open(self, data: str, run: Path) -> Any:
        """The training data named by `data` ("synthetic" or a folder); has a length.

        Packs and features computed for it are stored in `run`. SavgError for unusable data.
        """

    def fit(self, model: torch.nn.Module, data: Any) -> None:  # noqa: B027
        """Set the statistics of its data in a new network before training; none by default."""

    @abstractmethod
    def batch(self, data: Any, draws: list[Draw]) -> Batch:
        """The tensors of the drawn samples, first axis = samples; called in a background thread."""

    @abstractmethod
    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[torch.Tensor, Scalars]:
        """Mean loss of a batch (on the device) in `step`, and further scalars worth logging."""

    @abstractmethod
    def card(self, data: str) -> Card:
        """Licence, origin and facts of weights trained by this recipe."""

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        """AdamW; groups may carry `lr_scale`, a factor on the scheduled learning rate."""
        import torch

        return torch.optim.AdamW(
            model.parameters(),
            lr=self.optim.lr,
            weight_decay=self.optim.weight_decay,
            fused=on_gpu(model),
        )

    def evaluate(self, model: torch.nn.Module, data: Any, sheet: Path) -> dict[str, float]:
        """Write a contact sheet of samples of `model` to `sheet` (PNG); returns scores by name."""
        return {}

    def identity(self) -> dict[str, Any]:
        """The settings that a checkpoint must share with the recipe that resumes it: all but `free`."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if k not in self.free}
        return plain({"kind": self.kind, **values})


def on_gpu(model: torch.nn.Module) -> bool:
    """Whether the network is on a GPU, where optimisers take all parameters in one kernel."""
    return next(model.parameters()).is_cuda


def recipe_names() -> list[str]:
    """Names of the registered recipes."""
    return list(RECIPES)


def get_recipe(name: str, config: str) -> Recipe:
    """A registered recipe in one of its configurations.

    Args:
        name: of a recipe, as in `recipe_names()`.
        config: "full" (as published), "demo" or "tiny", or another that the recipe has.

    Raises:
        SavgError: no recipe or no configuration has that name.

    Example:
        >>> get_recipe("seld", "tiny").optim.batch
        2
    """
    if name not in RECIPES:
        raise SavgError(f"Recipe must be one of {', '.join(RECIPES)}, got {name!r}.")
    module, attribute = RECIPES[name].split(":")
    configs = getattr(importlib.import_module(module), attribute)
    if config not in configs:
        raise SavgError(f"Configuration must be one of {', '.join(configs)}, got {config!r}.")
    return configs[config]


def override(config: C, changes: Iterable[str]) -> C:
    """`config` with changes such as "optim.lr=1e-4" or, where the name is unambiguous, "lr=1e-4".

    "world=furnished" draws all synthetic clips, as many as before, from that world; names of worlds and
    of mixes ("mixed") may be joined by commas.

    Raises:
        SavgError: no setting or several have that name, or the value has another type or is invalid.

    Example:
        >>> override(get_recipe("seld", "tiny"), ["lr=0.01"]).optim.lr
        0.01
    """
    pending: list[_Change] = []
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise SavgError(f"A setting must be KEY=VALUE, got {change!r}.")
        if path.strip() == "world":
            config = _with_world(_with(config, pending), text.strip())
            pending = []
            continue
        wanted = path.strip().split(".")
        places = list(_find(config, wanted))
        if tuple(wanted) in places:  # a whole name, which may be the end of others too
            places = [tuple(wanted)]
        if len(places) != 1:
            problem = "no setting" if not places else "more than one setting"
            raise SavgError(f"The recipe has {problem} {path!r}; settings: {_settings(config)}.")
        place = places[0]
        try:
            value = _like(reduce(getattr, place, config), _parse(text.strip()))
        except ValueError as error:
            raise SavgError(_about(".".join(place), change, str(error))) from error
        pending.append((place, value, change))
    return _with(config, pending)


_Change = tuple[tuple[str, ...], Any, str]
"""Where a setting is, its new value, and the change as it was written."""


def _with(config: C, changes: Sequence[_Change]) -> C:
    """`config` with all changes; those of one object at once, as some are valid only together."""
    groups: dict[tuple[str, ...], list[_Change]] = {}
    for change in changes:
        groups.setdefault(change[0][:-1], []).append(change)
    for group in groups.values():
        try:
            config = _replace(config, [(place, value) for place, value, _ in group])
        except (TypeError, ValueError) as error:
            named = [one for one in group if re.search(rf"\b{one[0][-1]}\b", str(error))]
            place, _, text = (named or group)[0]
            raise SavgError(_about(".".join(place), text, str(error))) from error
    return config


def _with_world(config: Any, names: str) -> Any:
    """The configuration with other worlds wherever synthetic clips are drawn."""
    drawn = [f for f in _fields(config) if hasattr(getattr(config, f), "with_world")]
    try:
        changes = {field: getattr(config, field).with_world(names) for field in drawn}
    except ValueError as error:
        raise SavgError(str(error)) from error
    if not changes:
        raise SavgError("The recipe has no synthetic clips, so that it takes no world.")
    return dataclasses.replace(config, **changes)


def plain(value: Any) -> Any:
    """Nested dataclass values as they are read back from JSON, so that both compare equal."""
    return json.loads(json.dumps(value, default=str))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted names whose values differ, each with its old and new value."""
    differing = []
    for key in [*old, *(k for k in new if k not in old)]:
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            differing += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            differing.append(f"{prefix}{key} ({a!r} → {b!r})")
    return differing


def _fields(config: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(config)]


def _find(config: Any, path: list[str], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """Full paths of settings that end in `path`."""
    for name in _fields(config):
        value = getattr(config, name)
        here = (*prefix, name)
        if dataclasses.is_dataclass(value):
            yield from _find(value, path, here)
        elif list(here[-len(path) :]) == path:
            yield here


def _settings(config: Any, prefix: str = "") -> str:
    names = []
    for name in _fields(config):
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            names.append(_settings(value, f"{prefix}{name}."))
        else:
            names.append(prefix + name)
    return ", ".join(names)


def _replace(config: Any, changes: Iterable[tuple[tuple[str, ...], Any]]) -> Any:
    """`config` with these values at these places, checked when all are there."""
    values: dict[str, Any] = {}
    inner: dict[str, list[tuple[tuple[str, ...], Any]]] = {}
    for (name, *rest), value in changes:
        if rest:
            inner.setdefault(name, []).append((tuple(rest), value))
        else:
            values[name] = value
    values |= {name: _replace(getattr(config, name), these) for name, these in inner.items()}
    return dataclasses.replace(config, **values)


def _about(setting: str, change: str, problem: str) -> str:
    """The problem with the setting's full name once; it may begin with the name or with "must"."""
    name = setting.rpartition(".")[2]
    if problem.startswith("must "):
        return f"{setting} {problem}"
    if problem.startswith(f"{name} "):
        return setting.removesuffix(name) + problem
    return f"{change}: {problem}"


def _parse(text: str) -> Any:
    """A value as it is written in Python, else the text itself, which `1_000` is too."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.search("[0-9]_[0-9]", text):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _like(old: Any, new: Any) -> Any:
    """`new` as the type of `old`, or ValueError."""
    if isinstance(old, float) and type(new) in (int, float):
        return float(new)
    if isinstance(old, tuple) and isinstance(new, list | tuple):
        return tuple(new)
    if isinstance(old, tuple) and isinstance(new, str) and all(isinstance(x, str) for x in old):
        return tuple(part.strip() for part in new.split(","))
    if isinstance(old, tuple) and len(old) and type(new) is type(old[0]):
        return (new,)
    if old is not None and new is not None and type(new) is not type(old):
        raise ValueError(f"must be of type {type(old).__name__}, got {new!r}.")
    return new
