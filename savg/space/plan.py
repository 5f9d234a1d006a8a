"""What a Space is to be: its name, hardware, weights and listening tests, checked before anything is
written or sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from savg.errors import CheckpointError, SavgError
from savg.hub import REPO, component_card, resolve
from savg.mos.hub import DATASET_VARIABLE
from savg.pipelines.description import descriptions
from savg.space.hardware import Hardware

PLAIN = re.compile(r"[^A-Za-z0-9_-]+")

PASSWORD, TOKEN = "SAVG_ADMIN_PASSWORD", "HF_TOKEN"
"""Secrets of a Space with listening tests: of the organiser's page, and the key of their dataset."""


@dataclass(frozen=True)
class Weights:
    """Weights beside the bundled ones: a folder that is copied, or a repository of the Hub.

    licences: of its components, in words.
    """

    name: str
    folder: Path | None = None
    repo: str = ""
    licences: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: str) -> Weights:
        """Those that a folder or a repo id names; SavgError unless a folder holds a whole pipeline."""
        folder = Path(source)
        if not folder.is_dir():
            if REPO.fullmatch(source):
                return cls(source, repo=source)
            raise SavgError(f"{source}: expected a folder of a pipeline or a Hugging Face repo id.")
        whole = [one for one in descriptions(resolve(folder)) if one.name]
        if not whole:
            raise CheckpointError(f"{folder} holds no pipeline.json that names a pipeline.")
        cards = [component_card(part) for one in whole for part in one.components.values()]
        licences = tuple(dict.fromkeys(card.licence for card in cards))
        plain = PLAIN.sub("-", folder.resolve().name).strip("-") or "weights"
        return cls(plain, folder=folder, licences=licences)


@dataclass(frozen=True)
class SpacePlan:
    """A Space to be. dataset: the private dataset that keeps its listening tests, "" without any."""

    name: str
    hardware: Hardware
    weights: tuple[Weights, ...] = ()
    dataset: str = ""
    private: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        hardware: Hardware,
        weights: Sequence[str] = (),
        dataset: str = "",
        private: bool = False,
    ) -> SpacePlan:
        """A plan of names and folders; SavgError for one that is not usable."""
        if not REPO.fullmatch(name):
            raise SavgError(f"A Space must be named USER/NAME, got {name[:100]!r}.")
        if dataset and not REPO.fullmatch(dataset):
            raise SavgError(f"Dataset must be named USER/NAME, got {dataset[:100]!r}.")
        chosen = tuple(Weights.of(source) for source in weights)
        names = [one.name for one in chosen]
        for twice in {one for one in names if names.count(one) > 1}:
            raise SavgError(f"Weights must have names of their own, got two named {twice}.")
        return cls(name, hardware, chosen, dataset, private)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of the Space, which everybody can read."""
        return {DATASET_VARIABLE: self.dataset} if self.dataset else {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that it needs."""
        return (PASSWORD, TOKEN) if self.dataset else ()

    @property
    def public_words(self) -> list[str]:
        """What others will see, and what not, in sentences."""
        who = "the members of its owner" if self.private else "everybody"
        sentences = [
            f"Code, bundled weights and examples, and every file of the Space, can be read by {who}; "
            f"whoever can open the Space can use it{'' if self.private else ' without an account'}."
        ]
        for one in self.weights:
            if one.folder is not None:
                licence = "; ".join(one.licences) or "none named"
                sentences.append(
                    f"So can the weights of {one.folder}, by their licence: {licence}."
                )
            else:
                sentences.append(f"The weights of {one.repo} are fetched from there by the Space.")
        sentences.append(
            "Clips that visitors make and videos that they upload lie on the Space's disk, under "
            "addresses that nobody can guess, and go with the visit."
        )
        if self.dataset:
            sentences.append(
                f"Listening tests and answers are in the private dataset {self.dataset} and in no file "
                f"of the Space; its page shows the names of secrets ({', '.join(self.secrets)}), "
                "never their values."
            )
        return sentences
