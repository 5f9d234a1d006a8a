"""Example cards: each makes or opens something on one click, so that nobody has to know a setting."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import gradio as gr

from savg.paths import assets_dir
from savg.studio.generate.requests import GenerateChoice
from savg.studio.shared.components import DOM
from savg.studio.shared.context import Context
from savg.studio.shared.images import data_url
from savg.studio.shared.library import POSTER, StoredClip, media_url, poster_of
from savg.studio.shared.web import component

AUDIO, SCENE = "audio", "scene"
"""Cards that lead to Video to audio and to Inspect; the others are named as the pipelines they run."""

SEED = 3
"""Of the cards that generate: not that of the bundled examples, so that something new is made."""

SCENE_FILE = "furnished/scene_12.mp4"
"""The scene that is inspected, below the bundled examples; a Space has no rooms to render one of."""

SCENE_TITLE = "Furnished room, scene 12"
SCENE_ORIGIN = "Rendered by the furnished world with a recorded voice: what networks learn from"


@dataclass(frozen=True)
class ExampleCard:
    """One card: what a click does, in words; poster: the address of an image."""

    id: str
    title: str
    words: str
    poster: str = ""


def cards(context: Context, choices: Mapping[str, GenerateChoice]) -> list[ExampleCard]:
    """The cards that this studio can offer."""
    posters = _posters(context)
    found = [
        ExampleCard(
            name,
            f"{choice.short} clip" if choice.short else "A clip",
            f"Generate one of seed {SEED}",
            posters.get(choice.registered, ""),
        )
        for name, choice in choices.items()
        if len(choice.names) == 1 and not choice.broken
    ][:2]
    examples = context.library.get(context.examples)
    if context.services.audio_pipelines and examples:
        poster = media_url(examples[-1].path(POSTER))
        found.append(ExampleCard(AUDIO, "A silent video", "Give it new stereo audio", poster))
    scene = _scene()
    if scene.is_file():
        words = "Inspect where its sound comes from"
        found.append(ExampleCard(SCENE, "A furnished room", words, _scene_poster()))
    return found


def example_cards(cards: list[ExampleCard]) -> gr.HTML:
    """The component; `.select` gets {"id": id of the card}."""
    value = {"cards": [asdict(card) for card in cards]}
    return component(
        "generate/examples.html", [DOM, "generate/examples.js"], "savg-examples", value
    )


def store_scene(context: Context, own: list[str], owner: str) -> StoredClip:
    """The bundled scene among a visitor's clips; one that the visitor has already is taken again."""
    for stored in context.library.get(own):
        if stored.title == SCENE_TITLE:
            return stored
    path = _scene()
    copy = partial(shutil.copyfile, path)
    return context.library.store(copy, poster_of(path), SCENE_TITLE, SCENE_ORIGIN, owner)


def _scene() -> Path:
    return assets_dir() / "examples" / SCENE_FILE


@lru_cache(maxsize=1)
def _scene_poster() -> str:
    """The address of a small image of the scene."""
    return data_url(poster_of(_scene())[::2, ::2])


def _posters(context: Context) -> dict[str, str]:
    """Addresses of posters of bundled clips, by the registered name of their pipeline."""
    posters: dict[str, str] = {}
    for stored in context.library.get(context.examples):
        name = stored.settings.pipeline if stored.settings else ""
        posters.setdefault(name, media_url(stored.path(POSTER)))
    return posters
