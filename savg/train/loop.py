"""The one training loop: state, data, steps, checkpoints.

Everything random is a pure function of (seed, step, process), so a run that was stopped and resumed
has the same weights as one that was not, bit for bit on a CPU. SIGINT and SIGTERM write a checkpoint
and end the run after the current step.
"""

from __future__ import annotations

import copy
import math
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from savg.device import Compute, preferring
from savg.errors import CheckpointError, SavgError, clause
from savg.models.regions import compile_regions
from savg.train import checkpoint as checkpoints
from savg.train.arithmetic import Pace
from savg.train.averaging import Average
from savg.train.optim import draws, seed_of
from savg.train.placement import Together, start
from savg.train.recipe import Batch, Recipe, differences
from savg.train.records import Records
from savg.train.start import start_from
from savg.train.stepping import Guard, Means, Scalar

if TYPE_CHECKING:
    from accelerate import Accelerator


STOP_FILE = "stop"
"""A file in the run's folder that ends it after the current step, with a checkpoint and exit code 0;
`torchrun` exits with 1 when it is stopped by a signal, and leaves its processes half a minute."""

AHEAD = 2
"""Batches that are prepared while one is computed."""


@dataclass(frozen=True)
class Session:
    """One call of the loop. run: its folder; data: "synthetic" or a folder; precision: "bfloat16",
    "float32" or None to choose for the machine; max_minutes, stop_at: end with a checkpoint after
    that time or step; quiet: no progress bar; init: see `start_from`, for new runs; compile: the
    network's blocks (see `savg.models.regions`); wandb: project of Weights & Biases that shows it."""

    run: Path
    data: str = "synthetic"
    precision: str | None = None
    device: str | None = None
    max_minutes: float | None = None
    stop_at: int | None = None
    quiet: bool = False
    init: str | None = None
    compile: bool = False
    wandb: str | None = None


@dataclass
class State:
    """All that changes while training, and into how many parts all processes divide a batch."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    parts: int
    step: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds of training, earlier sessions included."""
        return self.seconds + time.monotonic() - self.started


def train(recipe: Recipe, session: Session) -> int:
    """Train until the recipe's last step or the session's end; returns the step reached.

    Args:
        recipe: what is trained; a run with checkpoints is resumed, if they were of the same recipe.
        session: run folder, data, device and when to end.

    Raises:
        CheckpointError: the run's checkpoints are all damaged, or of other settings. A damaged one is
            set aside for the one before it, with a sentence on standard error.
        SavgError: the data cannot be used, or gradients are not finite for many steps in a row.

    Example:
        >>> step = train(get_recipe("seld", "tiny"), Session(Path("run"), stop_at=2))
    """
    compute, accelerator = start(session.device, session.precision, recipe)
    with preferring(compute):
        return _train(recipe, session, compute, accelerator)


def _train(recipe: Recipe, session: Session, compute: Compute, accelerator: Accelerator) -> int:
    main, together = accelerator.is_main_process, Together()
    data = together.in_turn(accelerator, lambda: recipe.open(session.data, session.run))
    state = _state(recipe, session, compute, accelerator, data)
    if main and not session.quiet:
        _announce(recipe, compute, accelerator, state, len(data))
    model = accelerator.prepare_model(state.model)
    guard, means = Guard(state.optimizer, state.average), Means()
    pace, first = Pace(compute.device), state.step + 1
    records = Records(session.run, state.step, main, session.wandb)
    end = min(recipe.optim.steps, session.stop_at or recipe.optim.steps)
    with _signals() as signals, _progress(state.step, end, main and not session.quiet) as bar:
        batches = _batches(recipe, data, state.step, end, compute.device, accelerator)
        for batch in batches:
            with _enough_memory(recipe, accelerator), pace.step():
                values = _step(recipe, state, guard, model, batch, accelerator)
            means.add(values)
            if session.compile and state.step == first:
                compile_regions(state.model)  # once operations are counted
            bar.update()
            stop = together.any(bool(signals) or _over(session, state) or _told_to_stop(session))
            last = stop or state.step == end
            if compute.device.type == "cpu":  # elsewhere a number is worth a wait only in the log
                guard.check(state.step, float(values["loss"]))
                bar.set_postfix_str(f"loss {float(values['loss']):.4f}", refresh=False)
            if state.step % recipe.optim.log_every == 0 or last:
                logged = _log(recipe, state, guard, means, pace, records, together)
                bar.set_postfix_str(f"loss {logged['loss']:.4f}", refresh=False)
            _report(recipe, session, state, data, records, together)
            if stop:
                break
        batches.close()
    if together.tell(not _saved(session.run, state.step)):
        _save(recipe, session, state, together)
    if main:
        (session.run / STOP_FILE).unlink(missing_ok=True)
    records.close()
    accelerator.wait_for_everyone()
    return state.step


def _state(
    recipe: Recipe, session: Session, compute: Compute, accelerator: Accelerator, data: Any
) -> State:
    """A fresh state, or the one of the newest checkpoint of the run."""
    torch.manual_seed(seed_of(recipe.optim.seed, 3))
    model = recipe.build()
    main = accelerator.is_main_process
    saved = checkpoints.newest(session.run, _tell if main else _ignore, set_aside=main)
    if saved is None and session.init:
        start_from(model, recipe, session.init)
    elif saved is None:
        recipe.fit(model, data)
    model = model.to(compute.device).train()
    optimizer = recipe.optimizer(model)
    parts = accelerator.num_processes * recipe.optim.accumulation
    state = State(model, optimizer, Average(model, recipe.optim), parts)
    if saved is None:
        return state
    before = {key: value for key, value in saved.recipe.items() if key not in recipe.free}
    changed = differences(before, recipe.identity())
    if changed:
        raise CheckpointError(
            f"{session.run} was trained with other settings ({'; '.join(changed[:4])}): resume "
            "it with those, or restart with --fresh or another --out."
        )
    try:
        model.load_state_dict(saved.model)
        state.average.load(saved.average)
        checkpoints.load_optimizer(optimizer, saved.optimizer)
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"{session.run}: the checkpoint of step {saved.step} does not fit the recipe's network: "
            f"{clause(error)}."
        ) from error
    state.step, state.seconds = saved.step, saved.seconds
    if main and saved.parts not in (0, state.parts):
        _tell(
            f"{session.run} was trained with batches in {saved.parts} parts (processes × accumulation) "
            f"and goes on with {state.parts}: on the same samples, with other noise."
        )
    return state


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _ignore(sentence: str) -> None:
    """Another process says it."""


def _batches(
    recipe: Recipe,
    data: Any,
    first: int,
    end: int,
    device: torch.device,
    accelerator: Accelerator,
) -> Generator[list[Batch], None, None]:
    """The parts of each step's batch, prepared ahead in threads, for a GPU in pinned memory."""
    optim = recipe.optim
    processes = accelerator.num_processes
    parts = processes * optim.accumulation
    if optim.batch % parts:
        raise SavgError(
            f"batch must be a multiple of {processes} processes × {optim.accumulation} parts, got "
            f"{optim.batch}."
        )
    size = optim.batch // parts
    on_gpu = device.type == "cuda"

    def make(step: int) -> list[Batch]:
        batch_draws = draws(
            len(data), optim.batch, step, optim.seed, accelerator.process_index, processes
        )
        made = [
            recipe.batch(data, batch_draws[i : i + size]) for i in range(0, len(batch_draws), size)
        ]
        return [tuple(tensor.pin_memory() for tensor in part) for part in made] if on_gpu else made

    # Memory is pinned by way of the thread's own GPU, which is the first one unless it is set.
    settle = partial(torch.cuda.set_device, device) if on_gpu else None
    with ThreadPoolExecutor(1, "batches", settle) as pool:
        ahead = deque(pool.submit(make, step) for step in range(first, min(first + AHEAD, end)))
        for step in range(first, end):
            batch_parts = ahead.popleft().result()
            if step + AHEAD < end:
                ahead.append(pool.submit(make, step + AHEAD))
            yield [
                tuple(tensor.to(device, non_blocking=on_gpu) for tensor in part)
                for part in batch_parts
            ]


def _step(
    recipe: Recipe,
    state: State,
    guard: Guard,
    model: torch.nn.Module,
    parts: list[Batch],
    accelerator: Accelerator,
) -> dict[str, Scalar]:
    """One optimiser step; a step whose gradient is not finite changes nothing but the count.

    The noise of a part depends on its place in the whole batch, so that processes that share the parts
    draw what one process would.
    """
    optim, step = recipe.optim, state.step
    lr = optim.lr_at(step)
    for group in state.optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
    state.optimizer.zero_grad(set_to_none=True)
    values: dict[str, Scalar] = {}
    for number, part in enumerate(parts):
        place = accelerator.process_index * len(parts) + number
        seed = seed_of(optim.seed, 4, step, 0, place)
        torch.manual_seed(seed)
        last = number == len(parts) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            loss, scalars = recipe.loss(model, part, step, seed)
            accelerator.backward(loss / len(parts))
        for key, value in {"loss": loss, **scalars}.items():
            share = torch.as_tensor(value).detach() / len(parts)
            values[key] = values.get(key, 0.0) + share
    state.step += 1
    norm, skipped = guard.step(state.model, optim.clip_norm or math.inf, state.step)
    return {**values, "grad_norm": norm, "lr": lr, "skipped": skipped}


def _log(
    recipe: Recipe,
    state: State,
    guard: Guard,
    means: Means,
    pace: Pace,
    records: Records,
    together: Together,
) -> dict[str, float]:
    """A line of the log: means over the steps since the last one and over all processes."""
    own = means.read()
    logged = dict(zip(own, together.mean(list(own.values())), strict=True))
    guard.check(state.step, logged["loss"])
    facts = {"samples": state.step * recipe.optim.batch, "seconds": round(state.elapsed(), 1)}
    records.training(state.step, {**facts, **logged, **pace.read()})
    return logged


def _report(
    recipe: Recipe, session: Session, state: State, data: Any, records: Records, together: Together
) -> None:
    """Checkpoints that are due after this step, and samples of the first process."""
    optim, step = recipe.optim, state.step
    if optim.save_every and step % optim.save_every == 0:
        _save(recipe, session, state, together)
    if together.index == 0 and optim.sample_every and step % optim.sample_every == 0:
        records.samples(step, sample(recipe, state, data, session.run))


@contextmanager
def _enough_memory(recipe: Recipe, accelerator: Accelerator) -> Iterator[None]:
    """SavgError that says what to change where a GPU's memory is too small for a part of the batch."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        optim = recipe.optim
        own = optim.batch // accelerator.num_processes
        part = own // optim.accumulation
        finer = next((n for n in range(optim.accumulation + 1, own + 1) if own % n == 0), None)
        advice = (
            f"--set accumulation={finer} computes {own // finer} at a time and trains the same"
            if finer
            else "it takes a GPU with more memory or a smaller network"
        )
        if finer and hasattr(recipe, "checkpoint_attention"):
            advice += "; --set checkpoint_attention=true takes less too"
        raise SavgError(
            f"The device's memory is too small for {part} samples at a time: {advice}."
        ) from error


def sample(recipe: Recipe, state: State, data: Any, run: Path) -> dict[str, float]:
    """Scores of samples drawn with the averaged weights; their sheet goes to RUN/samples."""
    model = copy.deepcopy(state.model).eval()
    model.load_state_dict(state.average.state)
    folder = run / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        return recipe.evaluate(model, data, folder / f"{state.step:08d}.png")


def _save(recipe: Recipe, session: Session, state: State, together: Together) -> None:
    checkpoints.save(
        session.run,
        checkpoints.Checkpoint(
            state.step,
            state.elapsed(),
            recipe.identity(),
            state.model.state_dict(),
            state.average.state,
            checkpoints.optimizer_tensors(state.optimizer),
            state.parts,
        ),
        together=together,
    )


def _saved(run: Path, step: int) -> bool:
    folders = checkpoints.folders(run)
    return bool(folders) and int(folders[-1].name) == step


def _over(session: Session, state: State) -> bool:
    minutes = session.max_minutes
    return minutes is not None and time.monotonic() - state.started > 60 * minutes


def _told_to_stop(session: Session) -> bool:
    return (session.run / STOP_FILE).exists()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The SIGINT and SIGTERM received; a second one has its usual effect."""
    signals: list[int] = []
    handlers: dict[int, Any] = {}

    def handle(number: int, frame: object) -> None:
        signals.append(number)
        print("\nStopping after this step.", file=sys.stderr)
        signal.signal(number, handlers[number])

    try:
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            handlers[signal_number] = signal.signal(signal_number, handle)
    except ValueError:  # not the main thread, which alone receives signals
        handlers.clear()
    try:
        yield signals
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _progress(first: int, end: int, visible: bool) -> Iterator[Any]:
    from tqdm import tqdm

    redirected = not sys.stderr.isatty()
    with tqdm(
        total=end,
        initial=first,
        disable=not visible,
        unit="step",
        dynamic_ncols=True,
        mininterval=30.0 if redirected else 0.5,
    ) as bar:
        yield bar


def _announce(
    recipe: Recipe, compute: Compute, accelerator: Accelerator, state: State, items: int
) -> None:
    size = sum(p.numel() for p in state.model.parameters()) / 1e6
    print(
        f"{recipe.kind}: {size:.2f} M parameters, {items} training items, "
        f"{accelerator.num_processes} process(es) on {compute.reason}, "
        f"{torch.get_num_threads()} thread(s), "
        + (f"resuming after step {state.step}" if state.step else "from the start"),
        file=sys.stderr,
    )
