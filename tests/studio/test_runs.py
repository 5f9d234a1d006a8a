"""Runs in the Results tab behind the page: which files are read, what is compared, whose clips open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import evaluation_runs
import numpy as np
import pytest
import studio_fakes
from evaluation_runs import EVIL, WARNING

import savg.studio.results.runs as runs_module
from savg.errors import SavgError
from savg.evaluation.results_file import read_run
from savg.metrics.base import MetricResult
from savg.studio.results.leaderboards import Leaderboards
from savg.studio.results.run_comparison import RunComparison
from savg.studio.results.run_tables import board_of
from savg.studio.results.runs import RESULTS, VARIABLE, Runs
from savg.studio.shared.library import Library

NAMES = [f"joint_seed0_{i:04}" for i in range(12)]
OTHERS = [name.replace("joint", "two_stage") for name in NAMES]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with a clip each, one of another mode, a broken one, and a clip outside."""
    root = tmp_path_factory.mktemp("all") / "work"
    for name, clips, seed, mode in (
        ("joint", NAMES, 0, "standard"),
        ("two-stage", OTHERS, 1, "standard"),
        (EVIL, NAMES, 2, "official"),
    ):
        one = evaluation_runs.run(name, clips, mode, seed, 0.5 + seed / 10, f"clips{seed}")
        evaluation_runs.write(root / f"results{seed}", one)
        (root / f"clips{seed}").mkdir()
        studio_fakes.scene(seed).write(root / f"clips{seed}" / f"{clips[3]}.mp4")
    (root / "broken").mkdir()
    (root / "broken" / "results.json").write_text("{")
    (root.parent / "secret").mkdir()
    studio_fakes.scene(5).write(root.parent / "secret" / f"{NAMES[3]}.mp4")
    return root


@pytest.fixture
def compared(root: Path, tmp_path: Path) -> Iterator[RunComparison]:
    yield RunComparison(Runs([root]), Library(tmp_path / "library"))


def keys(compared: RunComparison, *words: str) -> list[str]:
    titles = compared.choices()[0]
    return [next(key for title, key in titles if title.startswith(word)) for word in words]


def test_runs_are_found_and_broken_ones_named(compared: RunComparison) -> None:
    choices, first = compared.choices()
    assert [title for title, _ in choices] == [
        f"{EVIL} (results2, 12 clips, official)",
        "joint (results0, 12 clips, standard)",
        "two-stage (results1, 12 clips, standard)",
    ]
    assert first == keys(compared, "joint", "two-stage"), "two of one mode"
    (problem,) = compared.head()["notes"]
    assert problem.startswith("broken/results.json is not valid JSON")


def test_many_runs_are_read_once_each(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = evaluation_runs.run("one", NAMES, "standard", 0, 0.5, "clips")
    for number in range(runs_module.MAX_OPEN + 2):
        evaluation_runs.write(tmp_path / "many" / f"{number}", one)
    seen: list[Path] = []
    read = runs_module.read_run
    monkeypatch.setattr(runs_module, "read_run", lambda path: (seen.append(path), read(path))[1])
    compared = RunComparison(Runs([tmp_path / "many"]), Library(tmp_path / "library"))
    choices, _ = compared.choices()
    assert len(seen) == len(set(seen)) == len(choices) == runs_module.MAX_OPEN + 2
    compared.runs.open(choices[0][1])
    assert len(seen) <= len(choices) + 1


def test_the_environment_names_folders(root: Path) -> None:
    runs = Runs.of_environment({VARIABLE: str(root), "SAVG_CLIPS": "/somewhere"})
    assert runs.folders == (RESULTS, root) and len(runs.allowed) == 3
    assert len([path for path in runs.files() if root.resolve() in path.parents]) == 4


def test_tables_have_the_runs_numbers(compared: RunComparison) -> None:
    chosen = keys(compared, "joint", "two-stage")
    board, metric, figure, column, dots = compared.show(chosen, None, None, False)
    scores, paired, origins = board["tables"]
    rows = {row[0]: row[1:] for row in scores["rows"]}
    assert rows["Spatial AV-Align ↑"] == ["0.500 (0.440 … 0.550)", "0.600 (0.540 … 0.650)"]
    assert rows["chance: centre"] == ["0.600", "0.600"]
    assert any(WARNING in note for note in scores["notes"]) and "[2]" in " ".join(
        map(str, scores["rows"])
    )
    assert metric["value"] == "spatial_av_align" and column["value"] == "score"
    assert figure["value"].data[-1].x == (0.5, 0.6)
    runs = [compared.runs.open(key) for key in chosen]
    both = [
        (a["score"], b["score"]) for a, b in zip(runs[0].each, runs[1].each, strict=True)
        if a["score"] is not None and b["score"] is not None
    ]  # fmt: skip
    assert [tuple(p[1:]) for p in dots["points"]] == both and len(both) == 11
    line = next(row for row in paired["rows"] if row[0] == "Spatial AV-Align")
    assert line[3].startswith(f"{-np.diff(both).mean():.3f}".replace("-", "−") + " (")
    assert line[5] == "11"
    assert ["seed", "0", "0"] in origins["rows"] and origins["head"][1:] == ["joint", "two-stage"]
    *_, other = compared.show(chosen, "fvd", "ild_db", True)
    assert other["title"] == "ild (dB), clip by clip" and len(other["points"]) == 12


def test_nothing_is_compared_across_modes(compared: RunComparison) -> None:
    chosen = keys(compared, "joint", EVIL)
    board, metric, figure, column, dots = compared.show(chosen, None, None, False)
    assert board["tables"] == [] and dots is None
    assert "Nothing is compared across modes" in board["notes"][0]
    assert [part["visible"] for part in (metric, figure, column)] == [False] * 3


def test_what_keeps_numbers_from_being_compared_is_said(tmp_path: Path) -> None:
    for i, sha in enumerate(("a", "b")):
        one = evaluation_runs.run(f"run{i}", NAMES)
        data: Any = json.loads(json.dumps(one.to_json()))
        data["run"]["reading"] = {"fps": 4 + i}
        data["run"]["reference"] = f"reference {i}"
        networks = {"i3d": {"sha256": sha}}
        data["sets"]["generated"]["metrics"]["fvd"]["notes"]["networks"] = networks
        (tmp_path / f"r{i}").mkdir()
        (tmp_path / f"r{i}" / "results.json").write_text(json.dumps(data))
    compared = RunComparison(Runs([tmp_path]), Library(tmp_path / "library"))
    notes = compared.show(keys(compared, "run0", "run1"), None, None, False)[0]["notes"]
    text = " ".join(notes)
    assert "run0 and run1 cannot be compared: clips were read with fps 4 and 5" in text
    assert "other reference sets" in text and "other rates" in text and "other networks" in text


@pytest.mark.parametrize(
    "wrong", [None, 3, ["x"], [None], [["a"]], "joint", [{"a": 1}], ["../x"] * 9]
)
def test_strange_choices_are_sentences(compared: RunComparison, wrong: object) -> None:
    board, *_, dots = compared.show(wrong, wrong, wrong, False)
    assert dots is None and (board is None or board["notes"])
    with pytest.raises(SavgError):
        compared.inspect(wrong, NAMES[3])


def test_one_run_alone_has_a_table(compared: RunComparison) -> None:
    board, metric, _, column, dots = compared.show(keys(compared, "joint"), None, None, False)
    assert (
        len(board["tables"]) == 2 and metric["visible"] and not column["visible"] and dots is None
    )


def test_a_dot_opens_both_clips(compared: RunComparison) -> None:
    chosen = keys(compared, "joint", "two-stage")
    first, second = compared.inspect(chosen, NAMES[3], "me")
    assert compared.library[first].title == NAMES[3] and compared.library[first].owner == "me"
    assert compared.library[second].title == OTHERS[3]
    (only,) = compared.inspect(keys(compared, "joint"), NAMES[3])
    assert compared.library[only].origin == "Run joint"
    for name in ("", None, "../secret/x", NAMES[3] + ".mp4", "x" * 5000):
        with pytest.raises(SavgError, match="not in the run"):
            compared.inspect(chosen, name)
    with pytest.raises(SavgError, match="not beside its results"):
        compared.inspect(chosen, NAMES[4])


@pytest.mark.parametrize(
    "told",
    [
        "../secret",
        "../../secret",
        "clips/../../secret",
        "/",
        "",
        ".",
        None,
        3,
        "a\0b",
        "x" * 9000,
        "link",
    ],
)
def test_clips_outside_the_folders_stay_closed(root: Path, tmp_path: Path, told: object) -> None:
    place = tmp_path / "work" / "results"
    one = evaluation_runs.run("joint", NAMES)
    evaluation_runs.write(place, replace(one, about=dict(one.about) | {"generated": told}))
    (tmp_path / "secret").mkdir()
    clip = root / "clips0" / f"{NAMES[3]}.mp4"
    (tmp_path / "secret" / clip.name).write_bytes(clip.read_bytes())
    (place / "link").symlink_to(tmp_path / "secret")
    run = read_run(place)
    with pytest.raises(SavgError, match="not beside its results"):
        Runs([tmp_path / "work"]).clip(run, NAMES[3])
    absolute = replace(run, about=dict(run.about) | {"generated": str(root / "clips0")})
    assert Runs([tmp_path / "work"], [root]).clip(absolute, NAMES[3]).name == clip.name


def test_leaderboards_stand_by_mode(tmp_path: Path) -> None:
    evaluation_runs.write_leaderboard(tmp_path / "leaderboard.json")
    (tmp_path / "bad.json").write_text('[{"name": 3}]')
    board = Leaderboards([tmp_path / "bad.json"], Runs([tmp_path])).board()
    assert board is not None
    captions = [table["caption"] for table in board["tables"]]
    assert captions == [
        "Mode standard", "Origins, mode standard", "Mode official", "Origins, mode official",
    ]  # fmt: skip
    row = board["tables"][0]["rows"][0]
    assert row == ["joint", "96", "200", "0.620 (0.600 … 0.640)\nbest by chance: centre 0.610"]
    networks, warnings = board["tables"][1]["rows"][0][-2:]
    assert networks["what"] == "networks" and warnings["items"] == [evaluation_runs.WARNING]
    assert [line.partition(":")[0] for line in networks["items"]] == [*evaluation_runs.NETWORKS]
    assert evaluation_runs.SHA in networks["items"][0]
    (problem,) = board["notes"]
    assert problem.startswith("bad.json")
    assert Leaderboards([], Runs([tmp_path / "none"])).board() is None


def test_a_distance_stands_in_degrees_too() -> None:
    one = evaluation_runs.run("one", NAMES, "standard", 0, 0.5, "clips0")
    far = MetricResult("pixel_error", 40.0, 30.0, 50.0, 12, {}, {"distance_degrees": 17.25})
    runs = []
    for result in (far, replace(far, notes={})):
        metrics = dict(one.generated.metrics) | {"pixel_error": result}
        runs.append(
            replace(
                one, sets=dict(one.sets) | {"generated": replace(one.generated, metrics=metrics)}
            )
        )
    rows = {row[0]: row[1:] for row in board_of(runs)["tables"][0]["rows"]}
    assert rows["in degrees"] == ["17.2°", "20.4° in the middle of the frame"]
