"""Whose works the bundle holds is said in the studio and on model cards, as their folders say it."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from torch import nn

from savg import __version__
from savg.data.credits import FURNISHED, VOICES, of_worlds
from savg.hub import Card
from savg.studio.shared import about
from savg.train import bundle, checkpoint

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def libraries() -> list[tuple[str, str, str]]:
    """Name, authors and licence of each library in the furnished world's README."""
    text = (ASSETS / "furnished" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| (.+?) \| \[(CC[^\]]*)\]", text, re.MULTILINE)
    assert len(rows) == 5
    return rows


@pytest.mark.parametrize("name, by, licence", libraries(), ids=lambda text: text[:12])
def test_every_library_is_credited_as_its_readme_says(name: str, by: str, licence: str) -> None:
    own = [c for c in FURNISHED if name in c.work and c.licence == licence]
    assert len(own) == 1
    if "BlendSwap" in name:  # nicknames, in brackets what they made
        authors = re.sub(r" \([^)]*\)", "", by).split(", ")
        assert authors and all(author in own[0].by for author in authors)
    else:
        words = re.findall(r"[A-Z][a-z]{4,}", by)
        assert {w.lower() for w in words} - {"copyright", "copyrights"} <= set(
            re.findall(r"[a-z]+", own[0].by.lower())
        )


def test_the_voices_are_credited_as_their_readme_says() -> None:
    text = (ASSETS / "voices" / "README.md").read_text(encoding="utf-8")
    for credit in VOICES:
        assert credit.by in text
    assert len(re.findall("CC-BY-3.0 \\|", text)) == sum(c.licence == "CC BY 3.0" for c in VOICES)


def test_the_page_names_version_papers_and_every_work() -> None:
    page = unescape(about.html())
    assert f"SAVG Studio {__version__}" in page
    cited = (ASSETS.parent / "CITATION.cff").read_text(encoding="utf-8")
    for address in re.findall(r"^ +url: (\S+)", cited, re.MULTILINE):
        assert f'href="{address}"' in page
    for credit in (*FURNISHED, *VOICES):
        assert credit.work in page and credit.by in page and credit.url in page
    assert "RangiLyu" in page and "Vladimir Mandic" in page


def test_a_drawn_world_owes_its_voices_alone() -> None:
    assert of_worlds(["demo", "varied"]) == VOICES
    assert of_worlds(["demo", "furnished1"]) == of_worlds(["lounge"]) == FURNISHED + VOICES


@pytest.mark.parametrize(
    "recipe, data, worlds, credited",
    [
        ("joint", "synthetic", ["varied", "furnished"], FURNISHED + VOICES),
        ("yolox", "synthetic", ["furnished", "demo"], FURNISHED),
        ("seld", "synthetic", ["furnished"], VOICES),
        ("joint", "synthetic", ["demo"], VOICES),
        ("superres", "synthetic", ["demo"], ()),
        ("joint", "starss", ["furnished"], ()),
    ],
)
def test_model_cards_credit_what_was_trained_on(recipe, data, worlds, credited) -> None:
    optim = {"batch": 2, "lr": 0.1, "schedule": "cosine", "average": "ema"}
    settings = {"optim": optim, "model": {}, "synthetic": {"worlds": worlds, "clips": [1]}}
    facts = {"kind": recipe, "recipe": recipe, "config": "demo", "data": data, "torch": "2"}
    weights = dict(nn.Linear(2, 2).state_dict())
    saved = checkpoint.Checkpoint(1, 60.0, {}, weights, weights, {})
    card = bundle.model_card(
        facts | {"settings": settings}, saved, Card(origin="trained", licence="MIT"), "float16", {}
    )
    lines = [
        line for line in card.splitlines() if line.startswith("- Trained on works of others: ")
    ]
    assert [line.partition(": ")[2] for line in lines] == [credit.line() for credit in credited]


@pytest.mark.parametrize("name, credited", [("seld", VOICES), ("yolox", FURNISHED)])
def test_bundled_cards_credit_what_was_trained_on(name: str, credited) -> None:
    card = (ASSETS / "demo" / name / "README.md").read_text(encoding="utf-8").splitlines()
    for credit in credited:
        assert f"- Trained on works of others: {credit.line()}" in card
