"""The pipelines that a folder of weights describes, without loading a network.

pipeline.json describes one pipeline, and further JSON files beside it, such as two_stage.json, further
ones of the same components:

    {"pipeline": NAME, ROLE: FOLDER, …, "sampler": {"steps": …, …}, STAGE: {…}, …}

A role names the folder of a component; a stage holds the description of a pipeline that is a part of
this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from savg.errors import CheckpointError, brief, is_whole
from savg.fields import from_json
from savg.hub import CONFIG_FILE, FOLDER_NAME, PIPELINE_FILE, WEIGHTS_FILE, read_config

KEY = "pipeline"

STAGES = {"video": "video", "sound": "video_to_audio"}
"""Stage of a description → the pipeline that it describes, unless it names another one."""

NO_FOLDERS = (KEY, "clip")
"""Keys of a description whose text is no component: its name, and a network of open_clip's."""

MOST_LEARNT_STEPS = 64
"""Of distilled weights."""

T = TypeVar("T")


class DescriptionError(CheckpointError):
    """A description of no pipeline. problem: what is wrong, beginning with the setting."""

    def __init__(self, problem: str, file: str | Path = PIPELINE_FILE) -> None:
        super().__init__(f"{file}: {problem}")
        self.problem = problem

    def within(self, stage: str) -> DescriptionError:
        """The same of a description that holds this one under `stage`."""
        return DescriptionError(f"{stage}: {self.problem}")

    def of(self, description: Description) -> DescriptionError:
        """The same with the file, and the stage there, that were read."""
        stage = f"{description.stage}: " if description.stage else ""
        return DescriptionError(stage + self.problem, description.folder / description.file)


@dataclass(frozen=True)
class Description:
    """One pipeline of a folder. values: of its JSON `file`, or of a `stage` there."""

    folder: Path
    values: Mapping[str, Any]
    name: str = ""
    file: str = PIPELINE_FILE
    stage: str = ""

    @property
    def stages(self) -> dict[str, Description]:
        """The pipelines that are parts of this one, by stage."""
        parts = {key: self.values.get(key) for key in STAGES}
        return {
            key: Description(self.folder, part, _name(part.get(KEY, STAGES[key])), self.file, key)
            for key, part in parts.items()
            if isinstance(part, Mapping)
        }

    @property
    def components(self) -> dict[str, Path]:
        """The folders of its components by role, those of its stages among them."""
        folders = {
            role: self.folder / name
            for role, name in self.values.items()
            if role not in NO_FOLDERS and isinstance(name, str) and FOLDER_NAME.fullmatch(name)
        }
        for stage in self.stages.values():
            folders |= stage.components
        return folders

    @property
    def is_complete(self) -> bool:
        """Whether the configuration and weights of every component exist."""
        return all(
            (folder / file).is_file()
            for folder in self.components.values()
            for file in (CONFIG_FILE, WEIGHTS_FILE)
        )

    @property
    def sampler(self) -> Mapping[str, Any]:
        """Settings of its sampler, or of its first stage's; may be empty."""
        own = self.values.get("sampler")
        if isinstance(own, Mapping):
            return own
        return next((stage.sampler for stage in self.stages.values()), {})

    @property
    def learnt_steps(self) -> int | None:
        """The only number of steps that the network that makes the frames was distilled for, if any."""
        for stage in self.stages.values():
            return stage.learnt_steps
        folder = self._network
        return learnt_steps(_card_facts(folder), str(folder / CONFIG_FILE))

    @property
    def takes_boxes(self) -> bool:
        """Whether one of its networks was trained with persons' boxes."""
        files = [folder / CONFIG_FILE for folder in self.components.values()]
        configs = [read_config(file).get("config") for file in files if file.is_file()]
        return any(isinstance(config, Mapping) and bool(config.get("boxes")) for config in configs)

    @property
    def takes_directions(self) -> bool:
        """Whether the network that makes the frames was trained with directions."""
        for stage in self.stages.values():
            return stage.takes_directions
        return _directed(self._network)

    @property
    def _network(self) -> Path:
        """The folder of the network that makes the frames, or of the first one."""
        folders = self.components
        return folders.get(self.name) or next(iter(folders.values()), self.folder)

    @property
    def directs_frames_only(self) -> bool:
        """Whether its frames take a direction and the network that makes their audio does not."""
        second = self.stages.get("sound")
        if second is None or not self.takes_directions:
            return False
        return not any(map(_directed, second.components.values()))


def descriptions(folder: Path) -> list[Description]:
    """The pipelines that a folder describes: of pipeline.json, then of other files by name.

    CheckpointError for a pipeline.json that is not a JSON object; a folder without one may still
    hold others.
    """
    first = folder / PIPELINE_FILE
    result = [_described(first, read_config(first))] if first.is_file() else []
    for file in sorted(folder.glob("*.json")):
        if file.name != PIPELINE_FILE:
            with suppress(CheckpointError):
                other = _described(file, read_config(file))
                result += [other] if other.name else []
    return result


def pipelines_in(folder: Path) -> list[Description]:
    """All pipelines of a folder with a pipeline.json: those of its files, then their stages."""
    if (folder / CONFIG_FILE).is_file() and not (folder / PIPELINE_FILE).is_file():
        raise CheckpointError(
            f"{folder} holds one network, no pipeline: `python -m savg.train export RUN --out DIR "
            "--pipeline` writes a run as a whole one."
        )
    read_config(folder / PIPELINE_FILE)
    whole = descriptions(folder)
    return [*whole, *(stage for description in whole for stage in description.stages.values())]


def refuse(folder: Path, expected: str) -> CheckpointError:
    """The error that names the pipelines a folder describes in place of the expected one."""
    names = " and ".join(brief(other.values.get(KEY)) for other in descriptions(folder)[:4])
    return CheckpointError(f"{folder / PIPELINE_FILE}: expected {expected}, found {names}.")


def setting(description: Mapping[str, Any], name: str, cls: type[T], what: str = "") -> T:
    """The settings of one name as the dataclass that holds them; an absent name is its defaults.

    what: the error's word for them. DescriptionError for settings that do not fit.
    """
    values = description.get(name, {})
    return from_json(cls, values, f"{name}: not {what}" if what else name, DescriptionError)


def flag(description: Mapping[str, Any], name: str, default: bool) -> bool:
    """A setting that is true or false; DescriptionError for another one."""
    value = description.get(name, default)
    if not isinstance(value, bool):
        raise DescriptionError(f"{name} must be true or false, got {brief(value)}.")
    return value


def learnt_steps(facts: Mapping[str, Any], where: str = "card of the weights") -> int | None:
    """The number of steps that weights were distilled for, by their card's facts; None for others.

    where: the facts are, for the error.

    Raises:
        CheckpointError: a sampler of distilled weights without a number of steps.
    """
    sampler = facts.get("sampler")
    if sampler is None:
        return None
    steps: Any = sampler.get("steps") if isinstance(sampler, Mapping) else None
    if not is_whole(steps) or not 0 < steps <= MOST_LEARNT_STEPS:
        raise CheckpointError(
            f"{where}: sampler must have a whole number of steps in 1..{MOST_LEARNT_STEPS}, got "
            f"{brief(sampler)}."
        )
    return int(steps)


def _card_facts(folder: Path) -> Mapping[str, Any]:
    """What the card of a component tells of it; empty where there is none."""
    file = folder / CONFIG_FILE
    card = read_config(file).get("card") if file.is_file() else None
    facts = card.get("facts") if isinstance(card, Mapping) else None
    return facts if isinstance(facts, Mapping) else {}


def _directed(folder: Path) -> bool:
    """Whether the network of a component was trained with directions."""
    file = folder / CONFIG_FILE
    config = read_config(file).get("config") if file.is_file() else None
    points = config.get("direction") if isinstance(config, Mapping) else None
    return points is not None and is_whole(points) and points > 0


def _described(file: Path, values: Mapping[str, Any]) -> Description:
    return Description(file.parent, values, _name(values.get(KEY)), file.name)


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""
