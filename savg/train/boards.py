"""Where a run's scalars are shown besides its tables: TensorBoard, Weights & Biases."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from savg.errors import SavgError, first_line
from savg.extras import import_extra
from savg.json_files import read_object
from savg.paths import atomic_file

ID_FILE = "wandb_id"
"""In the run's folder: the id under which Weights & Biases goes on with a resumed run."""


class Board(Protocol):
    """Shows scalars by name and step."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars at `step`, by their whole names, such as "train/loss"."""

    def close(self) -> None:
        """Nothing is added any more."""


class TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(self, run: Path, step: int) -> None:
        """ImportError where TensorBoard is not installed; events after `step` are no longer shown."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(
            str(run / "tensorboard"), purge_step=step + 1 if step else None
        )

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run of a project of wandb.ai, or of whatever WANDB_* variables say; RUN/wandb is its cache.

    A resumed run goes on under the same id; steps that it computes again are shown once.
    """

    def __init__(self, run: Path, project: str, config: Mapping[str, Any]) -> None:
        """SavgError where wandb is not installed or does not begin."""
        wandb = import_extra("wandb", "--wandb")
        path = run / ID_FILE
        known = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        name = known or uuid.uuid4().hex[:12]
        try:
            self.run = wandb.init(
                project=project,
                id=name,
                name=run.resolve().name,
                dir=str(run),
                config=dict(config),
                resume="allow",
            )
        except Exception as error:  # of many kinds: no key, no network, a project of another's
            raise SavgError(f"--wandb {project}: {first_line(error)}") from error
        if not known:
            with atomic_file(path) as part:
                part.write_text(name + "\n", encoding="utf-8")

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


def boards_of(run: Path, step: int, project: str | None) -> list[Board]:
    """TensorBoard, if installed, and Weights & Biases, if `project` names one of its projects.

    RUN/run.json is the configuration that is shown there. SavgError as `WeightsAndBiases` raises it.
    """
    boards: list[Board] = []
    if project is not None:
        description = run / "run.json"
        config = read_object(description) if description.is_file() else {}
        boards.append(WeightsAndBiases(run, project, config))
    with suppress(ImportError):  # without it the tables are enough
        boards.append(TensorBoard(run, step))
    return boards
