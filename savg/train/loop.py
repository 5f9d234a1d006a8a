"""The one training loop: state, data, steps, checkpoints.

Everything random is a pure function of (seed, step, process), so a run that was stopped and resumed
has the same weights as one that was not, bit for bit on a CPU. SIGINT and SIGTERM write a checkpoint
and end the run after the current step.
"""

from __future__ import annotations

import copy
import math
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from savg.device import choose
from savg.errors import CheckpointError, SavgError, clause
from savg.train import checkpoint as checkpoints
from savg.train.averaging import Average
from savg.train.optim import draws, seed_of
from savg.train.recipe import Batch, Recipe, differences
from savg.train.records import Records
from savg.train.start import start_from

if TYPE_CHECKING:
    from accelerate import Accelerator

MAX_NONFINITE_STEPS = 10
"""Steps in a row without a finite gradient after which a run gives up."""


@dataclass(frozen=True)
class Session:
    """One call of the loop. run: its folder; data: "synthetic" or a folder; precision: "bfloat16",
    "float32" or None to choose for the machine; max_minutes, stop_at: end with a checkpoint after
    that time or step; quiet: no progress bar; init: see `start_from`, for new runs."""

    run: Path
    data: str = "synthetic"
    precision: str | None = None
    device: str | None = None
    max_minutes: float | None = None
    stop_at: int | None = None
    quiet: bool = False
    init: str | None = None


@dataclass
class State:
    """All that changes while training; nonfinite_steps: in a row, without a finite gradient."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    step: int = 0
    seconds: float = 0.0
    nonfinite_steps: int = 0
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
    accelerator = _accelerator(session)
    main = accelerator.is_main_process
    with accelerator.main_process_first():
        data = recipe.open(session.data, session.run)
    state = _state(recipe, session, accelerator, data)
    if main and not session.quiet:
        _announce(recipe, accelerator, state, len(data))
    model = accelerator.prepare_model(state.model)
    records = Records(session.run, state.step, main)
    end = min(recipe.optim.steps, session.stop_at or recipe.optim.steps)
    with _signals() as signals, _progress(state.step, end, main and not session.quiet) as bar:
        batches = _batches(recipe, data, state.step, end, accelerator)
        totals: dict[str, list[float]] = {}
        for batch in batches:
            values = _step(recipe, state, model, batch, accelerator)
            for key, value in values.items():
                totals.setdefault(key, []).append(value)
            bar.set_postfix_str(f"loss {values['loss']:.4f}", refresh=False)
            bar.update()
            stop = _agree(accelerator, bool(signals) or _over(session, state))
            last = stop or state.step == end
            _report(recipe, session, state, data, records, totals, accelerator, last)
            if stop:
                break
        batches.close()
    if main and not _saved(session.run, state.step):
        _save(recipe, session, state)
    records.close()
    accelerator.wait_for_everyone()
    return state.step


def _accelerator(session: Session) -> Accelerator:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        # It remembers the precision of an earlier run in this process, and refuses another.
        AcceleratorState._reset_state(reset_partial_state=True)
    compute = choose(session.device, session.precision)
    mixed = {"bfloat16": "bf16", "float16": "fp16"}.get(str(compute.dtype).split(".")[-1], "no")
    return Accelerator(mixed_precision=mixed, cpu=compute.device.type == "cpu")


def _state(recipe: Recipe, session: Session, accelerator: Accelerator, data: Any) -> State:
    """A fresh state, or the one of the newest checkpoint of the run."""
    torch.manual_seed(seed_of(recipe.optim.seed, 3))
    model = recipe.build()
    main = accelerator.is_main_process
    saved = checkpoints.newest(session.run, _tell if main else _ignore, set_aside=main)
    if saved is None and session.init:
        start_from(model, recipe, session.init)
    elif saved is None:
        recipe.fit(model, data)
    model = model.to(accelerator.device).train()
    optimizer = recipe.optimizer(model)
    state = State(model, optimizer, Average(model, recipe.optim))
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
    return state


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _ignore(sentence: str) -> None:
    """Another process says it."""


def _batches(
    recipe: Recipe, data: Any, first: int, end: int, accelerator: Accelerator
) -> Generator[list[Batch], None, None]:
    """The parts of each step's batch, prepared one step ahead in a thread."""
    optim = recipe.optim
    processes = accelerator.num_processes
    parts = processes * optim.accumulation
    if optim.batch % parts:
        raise SavgError(
            f"batch must be a multiple of {processes} processes × {optim.accumulation} parts, got "
            f"{optim.batch}."
        )
    size = optim.batch // parts

    def make(step: int) -> list[Batch]:
        batch_draws = draws(
            len(data), optim.batch, step, optim.seed, accelerator.process_index, processes
        )
        return [
            recipe.batch(data, batch_draws[i : i + size]) for i in range(0, len(batch_draws), size)
        ]

    with ThreadPoolExecutor(1, "batches") as pool:
        ahead = pool.submit(make, first) if first < end else None
        for step in range(first, end):
            assert ahead is not None
            batch_parts = ahead.result()
            ahead = pool.submit(make, step + 1) if step + 1 < end else None
            yield [tuple(tensor.to(accelerator.device) for tensor in part) for part in batch_parts]


def _step(
    recipe: Recipe,
    state: State,
    model: torch.nn.Module,
    parts: list[Batch],
    accelerator: Accelerator,
) -> dict[str, float]:
    """One optimiser step; a step whose gradient is not finite changes nothing but the count."""
    optim, step = recipe.optim, state.step
    lr = optim.lr_at(step)
    for group in state.optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
    state.optimizer.zero_grad(set_to_none=True)
    values: dict[str, float] = {}
    for number, part in enumerate(parts):
        seed = seed_of(optim.seed, 4, step, accelerator.process_index, number)
        torch.manual_seed(seed)
        last = number == len(parts) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            loss, scalars = recipe.loss(model, part, step, seed)
            accelerator.backward(loss / len(parts))
        for key, value in {"loss": loss, **scalars}.items():
            values[key] = values.get(key, 0.0) + float(torch.as_tensor(value).detach()) / len(parts)
    max_norm = optim.clip_norm or math.inf
    norm = float(torch.nn.utils.clip_grad_norm_(state.model.parameters(), max_norm))
    state.step += 1
    if math.isfinite(norm):
        state.optimizer.step()
        state.average.update(state.model, state.step)
        state.nonfinite_steps = 0
    else:
        state.nonfinite_steps += 1
        if state.nonfinite_steps >= MAX_NONFINITE_STEPS:
            raise SavgError(
                f"The gradient has not been finite for {MAX_NONFINITE_STEPS} steps in a row (at step "
                f"{state.step}, loss {values['loss']}): the run stops; resume it from its last "
                "checkpoint with a lower lr."
            )
    return {**values, "grad_norm": norm, "lr": lr, "skipped": float(not math.isfinite(norm))}


def _report(
    recipe: Recipe,
    session: Session,
    state: State,
    data: Any,
    records: Records,
    totals: dict[str, list[float]],
    accelerator: Accelerator,
    last: bool,
) -> None:
    """Logs, samples and checkpoints that are due after this step."""
    optim, step = recipe.optim, state.step
    if not accelerator.is_main_process:
        return
    if step % optim.log_every == 0 or last:
        means = {key: sum(value) / len(value) for key, value in totals.items() if value}
        totals.clear()
        records.training(
            step, {"samples": step * optim.batch, "seconds": round(state.elapsed(), 1), **means}
        )
    if optim.save_every and step % optim.save_every == 0:
        _save(recipe, session, state)
    if optim.sample_every and step % optim.sample_every == 0:
        records.samples(step, sample(recipe, state, data, session.run))


def sample(recipe: Recipe, state: State, data: Any, run: Path) -> dict[str, float]:
    """Scores of samples drawn with the averaged weights; their sheet goes to RUN/samples."""
    model = copy.deepcopy(state.model).eval()
    model.load_state_dict(state.average.state)
    folder = run / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        return recipe.evaluate(model, data, folder / f"{state.step:08d}.png")


def _save(recipe: Recipe, session: Session, state: State) -> None:
    checkpoints.save(
        session.run,
        checkpoints.Checkpoint(
            state.step,
            state.elapsed(),
            recipe.identity(),
            state.model.state_dict(),
            state.average.state,
            checkpoints.optimizer_tensors(state.optimizer),
        ),
    )


def _saved(run: Path, step: int) -> bool:
    folders = checkpoints.folders(run)
    return bool(folders) and int(folders[-1].name) == step


def _over(session: Session, state: State) -> bool:
    minutes = session.max_minutes
    return minutes is not None and time.monotonic() - state.started > 60 * minutes


def _agree(accelerator: Accelerator, stop: bool) -> bool:
    """Whether any process wants to stop."""
    if accelerator.num_processes == 1:
        return stop
    flag = torch.tensor(float(stop), device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum") > 0)


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


def _announce(recipe: Recipe, accelerator: Accelerator, state: State, items: int) -> None:
    size = sum(p.numel() for p in state.model.parameters()) / 1e6
    print(
        f"{recipe.kind}: {size:.2f} M parameters, {items} training items, "
        f"{accelerator.num_processes} process(es) on {accelerator.device.type}, "
        f"{accelerator.mixed_precision if accelerator.mixed_precision != 'no' else 'float32'}, "
        f"{torch.get_num_threads()} thread(s), "
        + (f"resuming after step {state.step}" if state.step else "from the start"),
        file=sys.stderr,
    )
