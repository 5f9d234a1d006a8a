"""On which device each process of a run trains, and how processes wait for each other.

Under `torchrun` process n of a machine takes its n-th GPU. Nothing is put on another GPU, where it
would open a context of half a gibibyte.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch

from savg.device import Compute, choose, own_device, processes
from savg.train.recipe import Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")

LONGEST_WAIT = timedelta(days=1)
"""For a process that packs data or computes features, which may take hours."""


def start(device: str | None, precision: str | None, recipe: Recipe) -> tuple[Compute, Accelerator]:
    """Where this process trains, and the object through which processes share gradients."""
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    if processes() == 1:
        # It remembers the precision of an earlier run in this process, and refuses another.
        AcceleratorState._reset_state(reset_partial_state=True)
    compute = choose(own_device(device), precision, training=True)
    if compute.device.type == "cuda":
        torch.cuda.set_device(compute.device)
    mixed = "bf16" if compute.dtype == torch.bfloat16 else "no"
    parallel = DistributedDataParallelKwargs(find_unused_parameters=recipe.unused_parameters)
    cpu = compute.device.type == "cpu"
    return compute, Accelerator(mixed_precision=mixed, cpu=cpu, kwargs_handlers=[parallel])


class Together:
    """What processes agree on by the host's network: a GPU's own would wait for the GPU.

    index: this process's among them.
    """

    def __init__(self) -> None:
        self.group, self.index = None, 0
        if processes() > 1:
            self.group = torch.distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)
            self.index = torch.distributed.get_rank()

    def any(self, value: bool) -> bool:
        """Whether it is so in any process."""
        if self.group is None:
            return value
        flag = torch.tensor(float(value))
        torch.distributed.all_reduce(flag, group=self.group)
        return bool(flag > 0)

    def mean(self, values: list[float]) -> list[float]:
        """The means over the processes."""
        if self.group is None:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(sums, group=self.group)
        return (sums / processes()).tolist()

    def tell(self, value: T | None) -> T:
        """What the first process says, in every process; None in the others."""
        values = [value]
        if self.group is not None:
            torch.distributed.broadcast_object_list(values, src=0, group=self.group)
        return cast(T, values[0])

    def gather(self, value: T) -> list[T]:
        """What each process says, in the order of processes, in every process."""
        if self.group is None:
            return [value]
        values: list[T] = [value] * processes()
        torch.distributed.all_gather_object(values, value, group=self.group)
        return values

    def in_turn(self, accelerator: Accelerator, call: Callable[[], T]) -> T:
        """The call in the first process, then in the first of each machine, then in the others.

        What the first one stores the others find, also where machines share no disk.
        """
        if self.group is None:
            return call()
        own = 0 if accelerator.is_main_process else 1 if accelerator.is_local_main_process else 2
        result: list[T] = []
        for turn in range(3):
            if turn == own:
                result.append(call())
            torch.distributed.barrier(group=self.group)
        return result[0]
