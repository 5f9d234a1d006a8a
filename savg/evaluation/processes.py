"""Several processes that share an evaluation, as torchrun starts them: one, or one for each GPU.

    torchrun --nproc-per-node 2 -m savg evaluate …

Batches of clips are dealt to processes in turns and put into the cache, which all of them see; then the
first process scores what the cache holds. Batches are the same whatever the number of processes, and so
are the numbers. Processes talk through torchrun's own store, so that nothing waits in a collective
operation: a process that fails leaves its sentence there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from savg.errors import SavgError, clause, first_line, whole_number
from savg.evaluation.read_ahead import batched
from savg.numerals import integer

T = TypeVar("T")


_FAILED, _DONE = "savg/failed", "savg/done"
_EVERY = 0.1
"""Seconds between looks into the store."""


class MeetingError(SavgError):
    """Variables that all processes share are broken, or they could not meet: one sentence of all."""


class OtherProcessFailed(SavgError):
    """Another process failed; its sentence."""


@dataclass(frozen=True)
class Place:
    """Which process this is: `rank` among `count`, `local_rank` on its machine."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As torchrun tells by variables; a single process without WORLD_SIZE, or with 1 there.

        SavgError for values that torchrun does not set.
        """
        count = _shared_number(environment, "WORLD_SIZE", 1, default=1)
        if count == 1:
            return cls()
        rank = _number(environment, "RANK", 0, count - 1)
        return cls(rank, count, _number(environment, "LOCAL_RANK", 0, count - 1, default=0))


def _number(
    environment: Mapping[str, str],
    name: str,
    least: int,
    most: int | None = None,
    default: int | None = None,
) -> int:
    """The whole number that a variable holds; without a default the variable must be set."""
    text = environment.get(name)
    if text is None:
        if default is None:
            raise SavgError(f"{name} must be set where WORLD_SIZE is: torchrun sets both.")
        return default
    try:
        value: object = integer(text)
    except ValueError:
        value = text
    return whole_number(f"The variable {name}", value, least, most)


def _shared_number(environment: Mapping[str, str], name: str, *limits: int, **rest: int) -> int:
    """As `_number`, of a variable that is the same in all processes: MeetingError."""
    try:
        return _number(environment, name, *limits, **rest)
    except SavgError as error:
        raise MeetingError(str(error)) from error


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process says what is wrong with all of them, as far as its rank can be read."""
    try:
        return integer(environment.get("RANK", "0")) <= 0
    except ValueError:
        return True


@dataclass(frozen=True)
class Processes:
    """This process among those of an evaluation; a context that tells the others of its failure.

    rank: of this one; count: of all; local_rank: on this machine; store: of torch.distributed.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    store: Any = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As torchrun tells; a single process without it.

        SavgError for variables that torchrun does not set so, or no meeting of the processes.
        """
        place = Place.of_environment(environment)
        if place.count == 1:
            return cls()
        if not environment.get("MASTER_ADDR"):
            raise MeetingError("MASTER_ADDR must be set where WORLD_SIZE is: torchrun sets both.")
        _shared_number(environment, "MASTER_PORT", 1, 65535)
        from torch.distributed import rendezvous

        try:
            store, rank, count = next(rendezvous("env://"))
        except (OSError, RuntimeError, ValueError) as error:
            raise MeetingError(f"The processes could not meet: {clause(error)}.") from error
        return cls(rank, count, place.local_rank, store)

    @property
    def main(self) -> bool:
        """Whether this process scores and writes."""
        return self.rank == 0

    def device(self, device: str | None) -> str | None:
        """The device of this process: each its own GPU, where several processes may choose."""
        import torch

        if device is not None or self.count == 1 or not torch.cuda.is_available():
            return device
        return f"cuda:{self.local_rank % torch.cuda.device_count()}"

    def share(self, items: Iterable[T], group: int) -> list[T]:
        """The items of this process: every `count`-th batch of `group`."""
        batches = enumerate(batched(items, group))
        return [one for i, batch in batches if i % self.count == self.rank for one in batch]

    def tell(self, name: str, text: str = "") -> str:
        """The main process's text of this name, which it gives and others get."""
        if self.store is None:
            return text
        key = f"savg/{name}"
        if self.main:
            self.store.set(key, text)
            return text
        self._wait(key)
        return str(self.store.get(key).decode())

    def watch(self, items: Iterable[T]) -> Iterator[T]:
        """The items, until another process fails; OtherProcessFailed then."""
        for item in items:
            self._check()
            yield item

    def finish(self) -> None:
        """Wait until all processes are here; OtherProcessFailed where one fails."""
        if self.store is None:
            return
        self.store.set(f"{_DONE}{self.rank}", "")
        self._wait(*(f"{_DONE}{rank}" for rank in range(self.count)))

    def _wait(self, *keys: str) -> None:
        while not self.store.check(list(keys)):
            self._check()
            time.sleep(_EVERY)

    def _check(self) -> None:
        if self.store is not None and self.store.check([_FAILED]):
            raise OtherProcessFailed(self.store.get(_FAILED).decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or self.store is None or isinstance(error, OtherProcessFailed):
            return
        sentence = str(error) if isinstance(error, SavgError) else first_line(error)
        self.store.set(_FAILED, sentence)
