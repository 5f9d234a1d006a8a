"""What says what sounds: CLAP of audio and of words, its width, and what happens without it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import transformers

from savg.cli.v2a_steering import options
from savg.errors import CheckpointError, SavgError
from savg.features.base import BackboneError
from savg.features.clap import ClapBackbone
from savg.media.audio_file import write_audio
from savg.models.mmaudio_lengths import SequenceLengths
from savg.pipelines.sound_embedding import ClapSound
from savg.pipelines.stereosync import tiny
from savg.pipelines.words import Words
from savg.video import Soundtrack
from tests.features.test_clap_features import WIDTH, write_clap
from tests.pipelines.test_stereosync_pipeline import RATE, steered, tone, video

LETTERS = "adeghiklmnoprstuw"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLAP with a tokenizer of single letters, as transformers writes both."""
    folder = write_clap(tmp_path_factory.mktemp("clap"))
    names = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS][:20]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.RobertaTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def test_audio_is_embedded_as_the_backbone_does(weights: Path) -> None:
    sound = ClapSound(str(weights), WIDTH, "cpu")
    embedding = sound(tone(0.1), RATE)
    assert embedding is not None and embedding.shape == (WIDTH,)
    backbone = ClapBackbone.load(str(weights), "cpu")
    rows = backbone.of_mono(tone(0.1), RATE)
    assert rows.shape == (2, WIDTH), "2 s for a network that hears 1 s"
    np.testing.assert_allclose(embedding, rows.mean(axis=0), atol=1e-6)
    assert np.abs(embedding - sound(tone(0.1)[::-1] ** 3, RATE)).max() > 1e-6
    assert sound(np.zeros(100, np.float32), RATE) is None


def test_words_are_embedded_where_there_is_a_tokenizer(weights: Path, tmp_path: Path) -> None:
    sound = ClapSound(str(weights), WIDTH, "cpu")
    one, other = sound.words("a woman speaks"), sound.words("a guitar")
    assert one.shape == (WIDTH,) and np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert np.abs(one - other).max() > 1e-6
    with pytest.raises(BackboneError, match="CLAP's tokenizer is not beside its weights"):
        ClapSound(str(write_clap(tmp_path)), WIDTH, "cpu").words("a guitar")


def test_another_width_and_missing_weights_are_told(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=f"must have 512 values, .* got {WIDTH}"):
        ClapSound(str(weights), device="cpu")(tone(0.1), RATE)
    with pytest.raises(BackboneError, match="CLAP's weights nobody/nothing are not in the Hub's"):
        ClapSound("nobody/nothing", WIDTH, "cpu").words("a guitar")


def test_a_pipeline_follows_words(weights: Path) -> None:
    plain = tiny()
    assert plain.codec.lengths(2.0)[0] == SequenceLengths(2, RATE).latent
    with pytest.raises(SavgError, match="semantic must be a recording: words need a network"):
        steered(plain, video(), semantic=Words("a guitar"))
    tokens = replace(plain.network.config.tokens, audio_width=WIDTH)
    network = type(plain.network)(replace(plain.network.config, tokens=tokens))
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1)
    with pytest.raises(CheckpointError, match=f"sounds: the embedding must have {WIDTH} values"):
        replace(plain, network=network)
    clap = ClapSound(str(weights), WIDTH, "cpu")
    pipeline = replace(plain, network=network.eval(), sound=clap)
    results = [
        steered(pipeline, video(), semantic=semantic)
        for semantic in (
            None,
            Words("a guitar"),
            Words("a woman"),
            Soundtrack(tone(0.1)[None], RATE),
        )
    ]
    for i, one in enumerate(results):
        assert all(np.abs(one - other).max() > 1e-7 for other in results[:i])


def test_the_command_takes_a_file_or_words(tmp_path: Path) -> None:
    write_audio(tmp_path / "tone.wav", tone(0.1)[None].repeat(2, axis=0), RATE)

    def semantic(text: str) -> object:
        names = ("audio", "person", "envelope", "envelope_from", "strength", "depth")
        given = argparse.Namespace(**dict.fromkeys(names), sounds_like=text)
        return options(given, "stereosync")["semantic"]

    assert semantic("a woman speaks.") == Words("a woman speaks.")
    assert semantic("guitar") == Words("guitar")
    assert isinstance(semantic(str(tmp_path / "tone.wav")), Soundtrack)
    assert semantic("own") == "own" and semantic("none") is None
    with pytest.raises(SavgError, match=r"tune\.wav"):
        semantic("tune.wav")
    with pytest.raises(SavgError, match="must not be empty"):
        semantic(" ")
