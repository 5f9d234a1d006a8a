"""The table of bundled weights in docs/demo-weights.md says what their model cards say."""

from __future__ import annotations

import re
from pathlib import Path

from savg.hub.published_files import PUBLISHED_FILES

ROOT = Path(__file__).resolve().parents[1]


def test_the_table_lists_every_folder_with_its_size_and_licence() -> None:
    text = (ROOT / "docs" / "demo-weights.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+ \| ([\d.–]+) \| .+ \| ([\w.-]+) \|$", text, re.MULTILINE)
    cards = {path.parent.name: path for path in (ROOT / "assets" / "demo").glob("*/README.md")}
    assert sorted(name for name, _, _ in rows) == sorted(cards)
    for name, size, licence in rows:
        card = cards[name].read_text(encoding="utf-8")
        values = re.search(r"([\d.]+) M values", card)
        assert size == (values[1] if values else "–"), name
        assert f"\nlicense: {licence.lower()}\n" in card, name


def test_every_file_that_can_be_imported_has_its_row() -> None:
    text = (ROOT / "docs" / "published-weights.md").read_text(encoding="utf-8")
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    rows = [row for row in rows if row[0].startswith("`")]
    assert {row[0].strip("`"): row[1] for row in rows} == PUBLISHED_FILES
    for file, _, size, licence, place, digest in rows:
        assert re.fullmatch(r"–|[\d.]+ [MG]B", size) and licence and place, file
        assert re.fullmatch(r"–|[0-9a-f]{64}|[0-9a-f]{8}… \(its name\)", digest), file
        assert "its name" not in digest or digest[:8] in file
