"""ZeroGPU, where a Space has no GPU of its own: single calls borrow one, in a forked process.

There the package `spaces` stands in for CUDA: networks are moved to "cuda" in the main thread before
the studio is served, and a function that it decorates runs on a GPU for as many seconds as it was asked
for. Arguments and what it yields cross the border between both processes: pipelines are named by keys
and progress comes as messages. Nothing is compiled. Elsewhere nothing of this happens.
"""

from __future__ import annotations

import importlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any, Protocol, cast

from savg.device import choose, preferring
from savg.errors import Cancelled, SavgError
from savg.pipelines.progress import NO_FRAMES, looks, without_preview

VARIABLE = "SPACES_ZERO_GPU"
"""Environment variable that such Spaces set."""

START_SECONDS, STEP_SECONDS, MOST_SECONDS = 10.0, 0.25, 120
"""Reckoned seconds of a call: to move the networks to the GPU, for each step of one clip, at most."""

CLIP_SECONDS = 5

DONE, STEP, ERROR = "done", "step", "error"

Message = tuple[Any, ...]
"""(STEP, done, total, frames), (DONE, result) or (ERROR, sentence)."""

_KEPT: dict[str, Any] = {}
"""Pipelines and detectors by key, as the forked process has them too."""


class Decorator(Protocol):
    """What `spaces.GPU` is."""

    def __call__(
        self, *, duration: Callable[..., int]
    ) -> Callable[[Callable[..., Iterator[Message]]], Callable[..., Iterator[Message]]]: ...


def is_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is such a Space."""
    return environment.get(VARIABLE, "").lower() in ("1", "t", "true")


def seconds_for(steps: int, clips: int = 1) -> int:
    """For how many seconds a call of so many steps and clips borrows a GPU, rounded up."""
    seconds = START_SECONDS + STEP_SECONDS * steps * clips
    return min(math.ceil(seconds), MOST_SECONDS)


def _duration(work: int, *_: Any) -> int:
    return seconds_for(work)


def _messages(
    work: int, key: str, persons: str, args: tuple[Any, ...], options: dict[str, Any], seen: bool
) -> Iterator[Message]:
    """Call a pipeline, and yield its progress, then its result or what went wrong.

    work: steps of all clips; persons: key of a detector, "" for its own; seen: whether anybody looks at
    previews.
    """
    messages: SimpleQueue[Message] = SimpleQueue()
    ended = threading.Event()

    def on_step(done: int, total: int, preview: Any) -> bool:
        middle = preview[len(preview) // 2 :][:1] if seen else NO_FRAMES
        messages.put((STEP, done, total, middle))
        return not ended.is_set()

    def run() -> None:
        try:
            pipeline = _KEPT[key]
            if persons:
                pipeline = pipeline.with_persons(_KEPT[persons])
            listener = on_step if seen else without_preview(on_step)
            messages.put((DONE, pipeline(*args, on_step=listener, **options)))
        except SavgError as error:
            messages.put((ERROR, str(error)))
        except Cancelled:
            messages.put((ERROR, "Stopped."))
        except BaseException as error:
            messages.put((ERROR, f"The GPU's process failed: {type(error).__name__}."))

    thread = threading.Thread(target=run, name="savg-gpu", daemon=True)
    thread.start()
    try:
        while True:
            message = messages.get()
            yield message
            if message[0] != STEP:
                return
    finally:
        ended.set()
        thread.join()


class OnZeroGpu:
    """A pipeline whose calls borrow a GPU; all else is the pipeline's own."""

    def __init__(self, key: str, pipeline: Any, borrow: Callable[..., Iterator[Message]]) -> None:
        self._key, self._pipeline, self._borrow = key, pipeline, borrow
        self._persons = ""
        _KEPT[key] = pipeline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    @property
    def audio_stage(self) -> OnZeroGpu | None:
        """The stage that makes audio, borrowing a GPU too."""
        stage = self._pipeline.audio_stage
        return None if stage is None else OnZeroGpu(f"{self._key} audio", stage, self._borrow)

    def with_persons(self, persons: Any) -> OnZeroGpu:
        """The same with another detector of persons, which must have been kept by `keep`."""
        key = next((key for key, one in _KEPT.items() if one is persons), "")
        if not key:
            raise SavgError("This person detector was not loaded when the studio started.")
        other = OnZeroGpu(self._key, self._pipeline, self._borrow)
        other._persons = key
        return other

    def __call__(self, *args: Any, on_step: Any = None, **options: Any) -> Any:
        """As of the pipeline; SavgError for what failed there, Cancelled where `on_step` stops it."""
        steps = sum(count for _, count in self._pipeline.stages(options.get("steps")))
        clips = _clips(args[0]) if args else 1
        borrowed = self._borrow(
            steps * clips, self._key, self._persons, args, options, looks(on_step)
        )
        for kind, *values in borrowed:
            if kind == DONE:
                return values[0]
            if kind == ERROR:
                raise SavgError(values[0])
            if on_step is not None and on_step(*values) is False:
                close = getattr(borrowed, "close", None)
                if close is not None:
                    close()
                raise Cancelled
        raise SavgError("The borrowed GPU ended the work before it was done: try again.")


def _clips(first: Any) -> int:
    """How many clips of 5 s a call is about, by its first argument: their number, or a video."""
    if isinstance(first, int):
        return first
    return math.ceil(getattr(first, "duration", 1) / CLIP_SECONDS)


def keep(key: str, detector: Any) -> Any:
    """A detector that calls may name by its key."""
    _KEPT[key] = detector
    return detector


def on_cpu(load: Callable[[], Any]) -> Any:
    """What is loaded, on the CPU."""
    with preferring(choose("cpu")):
        return load()


def _decorated() -> Callable[..., Iterator[Message]]:
    """The call that borrows a GPU; itself where the package `spaces` is not installed."""
    try:
        spaces = importlib.import_module("spaces")
    except ImportError:
        return _messages
    return cast(Decorator, spaces.GPU)(duration=_duration)(_messages)


BORROW = _decorated() if is_here() else _messages
"""Decorated when this module is imported: before a network exists, as the package asks for."""


def borrowing(key: str, pipeline: Any) -> Any:
    """A loaded pipeline as this machine calls it: itself, or on ZeroGPU one that borrows a GPU."""
    return OnZeroGpu(key, pipeline, BORROW) if is_here() else pipeline
