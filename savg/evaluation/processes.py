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

from savg.errors import SavgError, first_line
from savg.evaluation.read_ahead import batched

T = TypeVar("T")

_FAILED, _DONE = "savg/failed", "savg/done"
_EVERY = 0.1
"""Seconds between looks into the store."""


class OtherProcessFailed(SavgError):
    """Another process failed; its sentence."""


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
        """As torchrun tells; a single process without it."""
        if int(environment.get("WORLD_SIZE", "1")) == 1 or "RANK" not in environment:
            return cls()
        from torch.distributed import rendezvous

        store, rank, count = next(rendezvous("env://"))
        return cls(rank, count, int(environment.get("LOCAL_RANK", "0")), store)

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
