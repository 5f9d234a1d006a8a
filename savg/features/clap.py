"""LAION-CLAP's audio embeddings, by the transformers library, which fetches and keeps the weights.

Source: "Large-scale contrastive language-audio pretraining" (arXiv 2211.06687); [S3] measures its
Fréchet audio distance with CLAP.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.audio.resample import resample
from savg.clip import Clip
from savg.device import choose
from savg.errors import CheckpointError, SavgError, clause, first_line
from savg.extras import import_extra
from savg.features.base import Backbone, BackboneError
from savg.features.signals import describe, views_at, windows
from savg.paths import file_sha256

__all__ = ["REPO", "ClapBackbone"]

REPO = "laion/clap-htsat-unfused"
"""The weights that are used unless others are named; 0.6 GB."""

FOLDER = "clap"
"""Name of a folder of such weights in a folder of networks."""

CONFIGS = ("config.json", "preprocessor_config.json")
TOKENIZERS = ("tokenizer.json", "vocab.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")

SIGNALS_AT_ONCE = 16
"""Of a batch."""


class ClapBackbone(Backbone):
    """Clips → embeddings of length 1 [4, W, 512], a row for a clip of up to 10 s.

    Each view is a mono signal at 48 kHz. A shorter window is repeated as often as it fits into 10 s,
    then followed by silence, as the network was trained; longer clips are cut into windows of 10 s
    instead of the library's random crop, so that equal clips have equal features.
    """

    name = "clap"
    label = "LAION-CLAP"
    modality = "audio"
    fetched = True

    def __init__(self, network: Any, extractor: Any, repo: str, sha256: str) -> None:
        self.network = network.eval()
        self.extractor = extractor
        self.repo = repo
        self.sha256 = sha256

    @classmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        """As `Backbone.load`; weights that are not on this machine are fetched from the Hub.

        source: a folder as transformers writes it, one that holds such a folder named "clap", or a
        Hub id of other CLAP weights (None, and folders without CLAP: `REPO`).
        """
        transformers = import_extra("transformers", "CLAP")
        place = _named(source)
        local = _local(place)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                origin, offline = str(local or place), local is not None
                network = transformers.ClapModel.from_pretrained(origin, local_files_only=offline)
                extractor = transformers.ClapFeatureExtractor.from_pretrained(
                    origin, local_files_only=offline
                )
        except Exception as error:  # the library raises whatever its parts raise
            if local is None:
                raise BackboneError(
                    f"CLAP's weights {place} are not on this machine and could not be fetched from "
                    f"the Hub ({first_line(error).removesuffix('.')})."
                ) from error
            raise CheckpointError(
                f"{local} does not hold CLAP as transformers writes it: {clause(error)}."
            ) from error
        folder = local or _local(place)
        if folder is None:
            raise BackboneError(f"CLAP's weights {place} were not kept in the Hub's cache.")
        sha256 = file_sha256(_weights(folder))
        where = choose(device, "float32").device
        return cls(network.float().to(where), extractor, str(place), sha256)

    @classmethod
    def missing(cls, source: str | None = None) -> str:
        if importlib.util.find_spec("transformers") is None:
            try:
                import_extra("transformers", "CLAP")
            except SavgError as error:
                return str(error)
        place = _named(source)
        if _local(place) is not None:
            return ""
        return (
            f"CLAP's weights {place} are not in the Hub's cache on this machine: ask for a metric of "
            f"CLAP by name, which fetches them, or run `hf download {place}` once."
        )

    @classmethod
    def missing_words(cls, source: str | None = None) -> str:
        """As `missing`, for embeddings of texts, which take the tokenizer's files too."""
        return cls.missing(source) or _no_tokenizer(_local(_named(source)), str(_named(source)))

    @property
    def provenance(self) -> Mapping[str, Any]:
        extractor = self.extractor
        return {
            "backbone": f"LAION-CLAP audio embeddings, {Path(self.repo).name}",
            "sha256": self.sha256,
            "input": {
                "sample_rate": extractor.sampling_rate,
                "resample": "polyphase filter",
                "views": "each a mono signal",
                "short": f"{extractor.padding} to {extractor.max_length_s} s",
                "long": f"windows of {extractor.max_length_s} s",
            },
            "precision": "float32",
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        rate, most = self.extractor.sampling_rate, self.extractor.nb_max_samples
        heard = [windows(views_at(clip, rate), most) for clip in clips]
        longest = max(window.shape[1] for several in heard for window in several)
        device = next(self.network.parameters()).device
        return describe(heard, self._embeddings, device, SIGNALS_AT_ONCE * longest)

    @property
    def width(self) -> int:
        """Values of an embedding."""
        return int(self.network.config.projection_dim)

    def of_mono(self, audio: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """Embeddings [W, D] of mono audio [T] at `rate` Hz, as of the views of a clip."""
        heard = resample(audio[None], rate, self.extractor.sampling_rate)
        parts = windows(heard, self.extractor.nb_max_samples)
        device = next(self.network.parameters()).device
        longest = max(part.shape[1] for part in parts)
        (rows,) = describe([parts], self._embeddings, device, SIGNALS_AT_ONCE * longest)
        return rows[0]

    @torch.inference_mode()
    def of_words(self, words: str) -> NDArray[np.float32]:
        """The embedding [D] of a text, of length 1, near those of what it describes.

        BackboneError where the tokenizer's files are not beside the weights.
        """
        transformers = import_extra("transformers", "CLAP")
        place = _local(_named(self.repo))
        problem = _no_tokenizer(place, self.repo)
        if place is None or problem:
            raise BackboneError(problem)
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, local_files_only=True)
        except Exception as error:  # the library raises whatever its parts raise
            raise CheckpointError(
                f"{place} does not hold CLAP's tokenizer as transformers writes it: {clause(error)}."
            ) from error
        most = int(self.network.config.text_config.max_position_embeddings) - 2
        device = next(self.network.parameters()).device
        tokens = tokenizer(words, return_tensors="pt", truncation=True, max_length=most).to(device)
        output = self.network.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        embedding = output if isinstance(output, Tensor) else output.pooler_output
        unit = torch.nn.functional.normalize(embedding[0], dim=-1)
        return np.asarray(unit.cpu(), np.float32)

    def _embeddings(self, signals: Tensor) -> Tensor:
        inputs = self.extractor(
            list(signals.cpu().numpy()),
            sampling_rate=self.extractor.sampling_rate,
            return_tensors="pt",
        )
        # No window is longer than the network hears; the library would draw one that is taken as such.
        longer = torch.zeros(len(signals), 1, dtype=torch.bool, device=signals.device)
        output = self.network.get_audio_features(
            inputs["input_features"].to(signals), is_longer=longer
        )
        embedding = output if isinstance(output, Tensor) else output.pooler_output
        return torch.nn.functional.normalize(embedding, dim=-1)


def _named(source: str | None) -> Path | str:
    """The folder or Hub id of the weights that a source means."""
    if source is None:
        return REPO
    folder = Path(source)
    if folder.is_dir():
        for place in (folder / FOLDER, folder):
            if (place / CONFIGS[1]).is_file():
                return place
        return REPO
    return source


def _local(place: Path | str) -> Path | None:
    """The folder of the weights on this machine, None where they would have to be fetched."""
    if isinstance(place, Path):
        return place
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    def cached(name: str) -> Path | None:
        try:
            found = huggingface_hub.try_to_load_from_cache(place, name)
        except HFValidationError:
            return None
        return Path(found) if isinstance(found, str) else None

    configs, weights = [cached(name) for name in CONFIGS], [cached(name) for name in WEIGHTS]
    whole = all(configs) and any(weights)
    return configs[0].parent if whole and configs[0] is not None else None


def _no_tokenizer(folder: Path | None, name: str) -> str:
    """A sentence that says that the tokenizer is not beside weights of that name; "" where it is."""
    if folder is not None and any((folder / file).is_file() for file in TOKENIZERS):
        return ""
    return f"CLAP's tokenizer is not beside its weights {name}: run `hf download {name}` once."


def _weights(folder: Path) -> Path:
    """The file of weights in a folder; CheckpointError if there is none."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder} must hold {' or '.join(WEIGHTS)}.")
