"""The table of coloured cells: well formed, every cell at its place, texts escaped."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from savg.viz.heat_table import COLUMN, HeatCell, heat_table

SVG = "{http://www.w3.org/2000/svg}"


def cell(mark: str, strength: float = 0.5) -> HeatCell:
    return HeatCell(mark, strength, "#56B4E9", f"title of {mark}")


def test_every_cell_stands_in_its_row_and_column() -> None:
    groups = {"pan": ["5°", "60°"], "blur <&>": ["1 px"]}
    cells = [[cell("a"), cell("b"), cell("c")], [cell("d"), cell("e"), cell("f")]]
    text = heat_table(["FVD", "FAD & co"], groups, cells, "What <sees> what", [(cell("a"), "seen")])
    root = ElementTree.fromstring(text)
    marks = {}
    for group in root.iter(f"{SVG}g"):
        title, rect, mark = group
        assert title.text == f"title of {mark.text}"
        marks.setdefault(mark.text, (float(rect.get("x")), float(rect.get("y"))))
    assert set(marks) == set("abcdef")
    (ax, ay), (bx, by), (cx, _), (dx, dy) = (marks[m] for m in "abcd")
    assert ay == by and dy > ay and dx == ax
    assert bx - ax == COLUMN and cx - bx > COLUMN  # groups stand apart
    words = [node.text for node in root.iter(f"{SVG}text")]
    assert {"FVD", "FAD & co", "blur <&>", "5°", "seen", "What <sees> what"} <= set(words)
    width = float(root.get("width"))
    assert all(float(rect.get("x")) + float(rect.get("width")) <= width
               for rect in root.iter(f"{SVG}rect") if rect.get("x"))  # fmt: skip
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_group_of_one_column_without_a_label_is_named_above_it() -> None:
    groups = {"pan error": ["5°", "60°"], "swapped channels": [""], "mono": [""]}
    text = heat_table(["x"], groups, [[cell(m) for m in "abcd"]], "t")
    nodes = {n.text: n for n in ElementTree.fromstring(text).iter(f"{SVG}text")}
    assert "rotate" in nodes["mono"].get("transform", "")
    assert "transform" not in nodes["pan error"].attrib
    apart = float(nodes["mono"].get("x")) - float(nodes["swapped channels"].get("x"))
    assert apart > COLUMN  # side by side, at an angle: neither covers the other


def test_strength_is_opacity_and_rows_must_fit() -> None:
    text = heat_table(["x"], {"": ["1", "2"]}, [[cell("weak", 0), cell("strong", 7)]], "t")
    opacity = [r.get("fill-opacity") for r in ElementTree.fromstring(text).iter(f"{SVG}rect")]
    assert opacity[1:] == ["0.12", "1.00"]
    with pytest.raises(ValueError, match="must have 2 cells, got 1"):
        heat_table(["x"], {"": ["1", "2"]}, [[cell("a")]], "t")
