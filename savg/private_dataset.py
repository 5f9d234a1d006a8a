"""A private dataset on the Hugging Face Hub as a folder of files with a history.

`HF_ENDPOINT` and `HF_TOKEN` are the Hub client's own variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_session
from huggingface_hub.errors import HfHubHTTPError

from savg.errors import SavgError

NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)

SECONDS = 30.0
"""Time limit for the Hub's answer to a request."""


class DatasetMoved(Exception):
    """The dataset is no longer at the commit that was to be the parent of a new one."""


class DatasetRefused(SavgError):
    """The dataset cannot be used, now or later."""


class PrivateDataset:
    """A dataset `USER/NAME`, created if missing; every method may raise the client's errors too."""

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise SavgError(f"Dataset must be named USER/NAME, got {name[:100]!r}.")
        self.name = name
        self.api = HfApi()

    def head(self) -> str:
        """The latest commit. DatasetRefused for a dataset that is not private or may not be written."""
        get_session().timeout = SECONDS
        try:
            self.api.create_repo(self.name, repo_type="dataset", private=True, exist_ok=True)
            facts = self.api.repo_info(self.name, repo_type="dataset", timeout=SECONDS)
        except HfHubHTTPError as error:
            if error.response is not None and error.response.status_code in (401, 403):
                raise DatasetRefused(
                    f"The Hub does not let this server use the dataset {self.name}: HF_TOKEN must be "
                    "a token that may write it."
                ) from error
            raise
        if not facts.private:
            raise DatasetRefused(
                f"Dataset {self.name} must be private for data of listeners; it is public."
            )
        if not facts.sha:
            raise SavgError(f"The dataset {self.name} has no commit yet.")
        return facts.sha

    def files(self, commit: str) -> list[str]:
        """The names of all files at a commit."""
        get_session().timeout = SECONDS
        return list(self.api.list_repo_files(self.name, repo_type="dataset", revision=commit))

    def fetch(self, commit: str, names: Iterable[str], cache: Path) -> Path:
        """A folder with files of a commit; OSError unless all of them arrived."""
        names = list(names)
        if not names:
            return cache
        get_session().timeout = SECONDS
        folder = Path(
            self.api.snapshot_download(
                self.name,
                repo_type="dataset",
                revision=commit,
                allow_patterns=names,
                cache_dir=cache,
                max_workers=8,
            )
        )
        for name in names:
            if not (folder / name).is_file():
                raise OSError(f"{name} of the dataset {self.name} did not arrive")
        return folder

    def add(self, files: Mapping[str, bytes | Path], parent: str) -> str:
        """Commit new or changed files on top of `parent`; DatasetMoved unless it is the latest."""
        get_session().timeout = SECONDS
        operations = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in files.items()
        ]
        try:
            commit = self.api.create_commit(
                self.name,
                operations,
                commit_message="Listening tests",
                repo_type="dataset",
                parent_commit=parent,
            )
        except HfHubHTTPError as error:
            if error.response is not None and error.response.status_code in (409, 412):
                raise DatasetMoved from error
            raise
        return commit.oid
