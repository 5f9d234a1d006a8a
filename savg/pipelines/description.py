"""What a folder of weights says of its pipelines, without loading a network.

pipeline.json describes one pipeline, and further JSON files beside it, such as two_stage.json, further
ones of the same components:

    {"pipeline": NAME, ROLE: FOLDER, …, "sampler": {"steps": …, …}, STAGE: {…}, …}

A role names the folder of a component; a stage holds the description of a pipeline that is a part of
this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savg.errors import CheckpointError
from savg.hub import CONFIG_FILE, PIPELINE_FILE, WEIGHTS_FILE, read_json

KEY = "pipeline"

STAGES = {"video": "video", "sound": "video_to_audio"}
"""Stage of a description → the pipeline that it describes, unless it names another one."""

NO_FOLDERS = (KEY, "clip")
"""Texts of a description that are no components: its name, and a network that open_clip knows."""


@dataclass(frozen=True)
class Description:
    """One pipeline that a folder describes; values: as in the JSON file, or of a stage there."""

    folder: Path
    values: Mapping[str, Any]
    name: str = ""

    @property
    def stages(self) -> dict[str, Description]:
        """The pipelines that are parts of this one, by stage."""
        parts = {key: self.values.get(key) for key in STAGES}
        return {
            key: Description(self.folder, part, str(part.get(KEY, STAGES[key])))
            for key, part in parts.items()
            if isinstance(part, Mapping)
        }

    @property
    def components(self) -> dict[str, Path]:
        """The folders of its components by role, those of its stages among them."""
        found = {
            role: self.folder / name
            for role, name in self.values.items()
            if role not in NO_FOLDERS and isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name)
        }
        for stage in self.stages.values():
            found |= stage.components
        return found

    @property
    def is_complete(self) -> bool:
        """Whether the configuration and weights of every component are there."""
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
    def takes_boxes(self) -> bool:
        """Whether one of its networks was trained with persons' boxes."""
        configs = [folder / CONFIG_FILE for folder in self.components.values()]
        return any(
            bool(read_json(file).get("config", {}).get("boxes", 0))
            for file in configs
            if file.is_file()
        )


def descriptions(folder: Path) -> list[Description]:
    """What a folder describes: that of pipeline.json first, then those of other files by name.

    CheckpointError for a pipeline.json that is not a JSON object; a folder without one may still
    hold others.
    """
    first = folder / PIPELINE_FILE
    found = [_described(first, read_json(first))] if first.is_file() else []
    for file in sorted(folder.glob("*.json")):
        if file.name != PIPELINE_FILE:
            with suppress(CheckpointError):
                found += [one for one in [_described(file, read_json(file))] if one.name]
    return found


def pipelines_in(folder: Path) -> list[Description]:
    """All pipelines of a folder with a pipeline.json, whole ones before those that are parts."""
    read_json(folder / PIPELINE_FILE)
    found = descriptions(folder)
    return [*found, *(stage for one in found for stage in one.stages.values())]


def refuse(folder: Path, wanted: str) -> CheckpointError:
    """The error that says which pipelines a folder describes instead of a wanted one."""
    names = " and ".join(repr(one.values.get(KEY)) for one in descriptions(folder))
    return CheckpointError(f"{folder / PIPELINE_FILE}: expected {wanted}, found {names}.")


def _described(file: Path, values: Mapping[str, Any]) -> Description:
    return Description(file.parent, values, str(values.get(KEY, "")))
