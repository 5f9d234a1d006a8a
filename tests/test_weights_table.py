"""The table of bundled weights in docs/demo-weights.md says what their model cards say."""

from __future__ import annotations

import re
from pathlib import Path

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
