"""The push of a Space to the Hub, and of its listening tests to their private dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from huggingface_hub import HfApi, SpaceHardware

from savg.errors import SavgError
from savg.hub.remote import hub_errors
from savg.mos.hub.push import Pushes
from savg.mos.study.folder import open_folder
from savg.mos.web.studies import Studies
from savg.space.plan import SpacePlan

KIND = "space"

DELETED = ["*", "**/*"]
"""Files of an older state of the Space that the new one lacks."""


def deploy(
    plan: SpacePlan,
    folder: Path,
    secrets: Mapping[str, str],
    say: Callable[[str], object] = lambda sentence: None,
) -> str:
    """Create the Space or bring it up to date; returns its address.

    Secrets and variables are set before the files arrive, so that it never starts without them. An
    existing Space keeps its visibility, unless it is public and was to be private: that is refused.

    Args:
        plan: what it is to be.
        folder: of `write_space`.
        secrets: by name; values are sent to the Hub and told to nobody else.
        say: called with a sentence before each step.

    Raises:
        SavgError: the Hub refuses, or cannot be reached.
    """
    missing = [name for name in plan.secrets if not secrets.get(name)]
    if missing:
        raise SavgError(f"The Space needs the secrets {', '.join(missing)}.")
    api, hardware = HfApi(), SpaceHardware(plan.hardware.hub)
    with hub_errors(f"Space {plan.name} could not be created"):
        exists = api.repo_exists(plan.name, repo_type=KIND)
        if exists:
            say(f"Space {plan.name} exists and is brought up to date.")
            if plan.private and not api.repo_info(plan.name, repo_type=KIND).private:
                raise SavgError(
                    f"Space {plan.name} is public and --private was given: make it private in its "
                    "settings first."
                )
        else:
            say(f"Space {plan.name} is created on {plan.hardware.name}.")
            api.create_repo(
                plan.name,
                repo_type=KIND,
                space_sdk="gradio",
                space_hardware=hardware,
                private=plan.private,
            )
    with hub_errors(f"Variables and secrets of {plan.name} could not be set"):
        for name, value in plan.variables.items():
            api.add_space_variable(plan.name, name, value)
        for name, value in secrets.items():
            say(f"Secret {name} is set.")
            api.add_space_secret(plan.name, name, value)
    with hub_errors(f"The files of {plan.name} could not be uploaded"):
        say("Files are uploaded …")
        api.upload_folder(
            repo_id=plan.name,
            repo_type=KIND,
            folder_path=folder,
            delete_patterns=DELETED,
            commit_message="SAVG Studio",
        )
    if exists:
        with hub_errors(f"{plan.hardware.name} could not be requested for {plan.name}"):
            api.request_space_hardware(plan.name, hardware)
    return f"{api.endpoint}/spaces/{plan.name}"


def push_study(study: Path, dataset: str) -> None:
    """Bring a listening test into its private dataset, from which the Space restores it.

    SavgError for a folder that is no study, a dataset that cannot be used, or a push that failed.
    """
    open_folder(study).store.close()
    studies = Studies([study])
    pushes = Pushes(studies, dataset)
    try:
        pushes.start()
        complete = pushes.close()
        state = pushes.state
        if not complete or state.pushed_at is None:
            why = state.failure or " ".join(state.faults) or "it took too long"
            raise SavgError(f"{study} could not be pushed to {dataset}: {why.removesuffix('.')}.")
    finally:
        studies.close()
