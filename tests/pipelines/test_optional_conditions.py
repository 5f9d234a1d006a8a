"""Whether words and depth can be had of a folder's StereoSync, told before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from savg.cli.v2a_steering import _like
from savg.pipelines.description import Description
from savg.pipelines.optional_conditions import BLIND, NO_DEPTH, NO_WORDS, no_depth, no_words
from savg.pipelines.words import Words, names_file
from savg.studio.shared.choices import AudioChoice
from savg.studio.video_to_audio.layout import depth_state, words_state


def described(folder: Path, facts: object = None, **values: str) -> Description:
    """A pipeline whose network's card has those facts."""
    (folder / "net").mkdir(exist_ok=True)
    config = {"kind": "stereosync", "config": {}, "card": {"licence": "MIT", "facts": facts}}
    (folder / "net" / "config.json").write_text(json.dumps(config))
    return Description(folder, {"pipeline": "stereosync", "network": "net", **values}, "stereosync")


def test_words_need_weights_of_clap_and_clap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert no_words(described(tmp_path, sounds="seld")) == NO_WORDS
    assert no_words(described(tmp_path, clap="x")) == NO_WORDS
    told = no_words(described(tmp_path, clap="nobody/nothing"))
    assert told.startswith("CLAP's weights nobody/nothing are not in the Hub's cache")
    assert told.count(". ") == 0 and told.endswith(".")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "clap").mkdir(parents=True)
    (tmp_path / "some" / "clap" / "preprocessor_config.json").write_text("{}")
    told = no_words(described(tmp_path, clap="some/clap"))
    assert told == (
        "CLAP's tokenizer is not beside its weights some/clap: run `hf download some/clap` once."
    )
    (tmp_path / "some" / "clap" / "tokenizer.json").write_text("{}")
    assert no_words(described(tmp_path, clap="some/clap")) == ""


@pytest.mark.parametrize(
    ("facts", "values", "told"),
    [
        (None, {}, NO_DEPTH),
        ([], {"depth": "depth"}, NO_DEPTH),
        ({"depth": ""}, {"depth": "depth"}, NO_DEPTH),
        ({"depth": "grid"}, {}, BLIND),
        ({"depth": "grid"}, {"depth": "depth"}, ""),
        ({"depth": "grid"}, {"depth_anything": "nobody/nothing"}, "nobody/nothing are not in"),
    ],
)
def test_depth_needs_weights_that_take_it_and_what_sees_it(
    tmp_path: Path, facts: Any, values: dict[str, str], told: str
) -> None:
    problem = no_depth(described(tmp_path, facts, **values))
    assert told in problem and bool(told) == bool(problem)


def test_what_embeds_depth_must_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    told = no_depth(described(tmp_path, {"depth": "hf-hub:a/b"}, depth="depth"))
    assert told == "What embeds depth needs open_clip: pip install 'savg-studio[clip]'."


def test_a_folder_without_a_network_is_told_when_it_is_loaded(tmp_path: Path) -> None:
    assert no_depth(Description(tmp_path, {"network": "none"})) == NO_DEPTH


def test_controls_say_why_they_cannot_be_used() -> None:
    def choice(**kind: Any) -> AudioChoice:
        return AudioChoice("", "", (1, 3, 60), lambda: None, steers=True, **kind)  # type: ignore[arg-type, return-value]

    bare, whole = choice(missing_words=lambda: NO_WORDS, missing_depth=lambda: NO_DEPTH), choice()
    for state, told in ((words_state(bare), NO_WORDS), (depth_state(bare), NO_DEPTH)):
        assert state["info"] == told and not state["interactive"] and state["visible"]
    assert depth_state(bare)["value"] == "none" and words_state(bare)["value"] == ""
    assert words_state(whole)["interactive"] and "value" not in words_state(whole)
    assert depth_state(whole)["interactive"] and depth_state(whole)["value"] == "own"


@pytest.mark.parametrize("text", ["a man/a woman speaks", "rain", "v. loud drums"])
def test_words_are_no_file(text: str) -> None:
    assert not names_file(text) and _like(text) == Words(text)


@pytest.mark.parametrize("text", ["my drum.wav", "takes/drum", "rain.txt", "a b.M4A"])
def test_files_are_no_words(text: str) -> None:
    assert names_file(text)
