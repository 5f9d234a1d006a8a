"""Folders of SELD tables: pairs by name, bad files, intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from savg.cli import main
from savg.data.seld_tables import STEREO, read_directions, read_labelled_x, read_stereo
from savg.errors import SavgError
from savg.evaluation.seld_rules import RULES, seld_rules
from savg.evaluation.seld_scores import jackknife, score_folders
from savg.metrics.seld_blocks import SAVGBENCH_RULES, Located, block_scores, count_blocks


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def x_files(tmp_path: Path, seed: int = 0, count: int = 12) -> tuple[Path, Path]:
    rng = np.random.default_rng(seed)
    guesses, labels = {}, {}
    for index in range(count):
        rows = [(f, int(rng.integers(0, 3)), rng.uniform(0, 256)) for f in range(50)]
        labels[f"c{index}"] = "".join(f"{f},{(0, 1, 9)[c]},{x},70\n" for f, c, x in rows)
        guesses[f"c{index}"] = "".join(
            f"{f},{c // 2},{x + rng.normal(0, 40)}\n" for f, c, x in rows if rng.random() < 0.9
        )
    return write(tmp_path / "guesses", guesses), write(tmp_path / "labels", labels)


def located(path: Path, labelled: bool) -> Located:
    rows = [line.split(",") for line in path.read_text().split()]
    classes = [{"0": 0, "1": 0, "9": 1}[r[1]] if labelled else int(r[1]) for r in rows]
    x = np.array([[float(r[2])] for r in rows])
    return Located(np.array([int(r[0]) for r in rows]), np.array(classes), x)


def test_scores_and_intervals_are_those_of_plain_loops(tmp_path: Path) -> None:
    guesses, labels = x_files(tmp_path)
    report = score_folders(guesses, labels, "savgbench", seed=5, resamples=200)
    tables = np.stack(
        [
            count_blocks(located(guesses / p.name, False), located(p, True), SAVGBENCH_RULES)
            for p in sorted(labels.iterdir())
        ]
    )

    def er(rows) -> float:
        return float(block_scores(tables[list(rows)].sum(axis=0), SAVGBENCH_RULES)["er"])

    score, n = report.scores["er"], len(tables)
    assert report.files == n == 12 and score["value"] == pytest.approx(er(range(n)))
    drawn = [er(rows) for rows in np.random.default_rng(5).integers(0, n, (200, n))]
    assert score["low"] == pytest.approx(np.quantile(drawn, 0.025))
    assert score["high"] == pytest.approx(np.quantile(drawn, 0.975))
    without = [er(i for i in range(n) if i != k) for k in range(n)]
    pseudo = n * er(range(n)) - (n - 1) * np.array(without)
    found = score["jackknife"]
    assert found["estimate"] == pytest.approx(pseudo.mean())
    assert found["error"] == pytest.approx(pseudo.std(ddof=1) / np.sqrt(n))
    half = stats.t.ppf(0.975, n - 1) * found["error"]
    assert found["high"] - found["low"] == pytest.approx(2 * half)
    assert jackknife(0.5, np.array([0.5])) is None
    assert [row["class"] for row in report.classes] == [0, 1] and report.warnings == []


@pytest.mark.parametrize("rules", ["savgbench", "dcase2022", "dcase2025"])
def test_classes_that_a_resample_lacks_do_not_count_against_it(tmp_path: Path, rules: str) -> None:
    """Perfect predictions of four files, each of one class: every resample is perfect too."""
    header = f"{STEREO}\n" if rules == "dcase2025" else ""
    row = "0,{},120,1" if header else "0,{},10"
    guesses, labels = {}, {}
    for index, (guess, label) in enumerate([(0, 0), (0, 0), (0, 0), (1, 9)]):
        rows = [(f, 10 + index) for f in range(31)]
        if rules == "savgbench":
            labels[f"c{index}"] = "".join(f"{f},{label},{x},70\n" for f, x in rows)
            guesses[f"c{index}"] = "".join(f"{f},{guess},{x}\n" for f, x in rows)
        else:
            text = "".join(f"{f},{label},{row.format(x)}\n" for f, x in rows)
            labels[f"c{index}"] = guesses[f"c{index}"] = header + text
    folders = write(tmp_path / "guesses", guesses), write(tmp_path / "labels", labels)
    for name, score in score_folders(*folders, rules).scores.items():
        value = pytest.approx(score["value"], abs=1e-9)
        assert (score["low"], score["high"]) == (value, value), name


def test_intervals_of_lacking_classes_are_those_of_plain_loops(tmp_path: Path) -> None:
    """Means over the classes whose labels a resample has, of counts where one class is rare."""
    guesses, labels = x_files(tmp_path, count=6)
    for path in sorted(labels.iterdir())[1:]:
        for folder, rare in ((labels, "9"), (guesses, "1")):
            lines = (folder / path.name).read_text().splitlines(keepends=True)
            (folder / path.name).write_text("".join(x for x in lines if x.split(",")[1] != rare))
    report = score_folders(guesses, labels, "savgbench", seed=3, resamples=300)
    tables = np.stack(
        [
            count_blocks(located(guesses / p.name, False), located(p, True), SAVGBENCH_RULES)
            for p in sorted(labels.iterdir())
        ]
    )
    drawn = []
    for rows in np.random.default_rng(3).integers(0, 6, (300, 6)):
        tp, fp, spatial, fn, localised, distance, labelled, _ = tables[rows].sum(axis=0)
        have = [c for c in (0, 1) if labelled[c]]
        f = [tp[c] / (tp[c] + spatial[c] + (fp[c] + fn[c]) / 2) for c in have]
        drawn.append((np.mean(f), np.mean([distance[c] / localised[c] for c in have])))
        assert have == [0, 1] or 0 not in rows
    for name, values in zip(("f", "le"), np.array(drawn).T, strict=True):
        assert report.scores[name]["low"] == pytest.approx(np.quantile(values, 0.025))
        assert report.scores[name]["high"] == pytest.approx(np.quantile(values, 0.975))
    assert report.scores["f"]["low"] > 0.5 * report.scores["f"]["value"]


def test_one_file_has_no_interval(tmp_path: Path) -> None:
    report = score_folders(*x_files(tmp_path, count=1), "savgbench")
    assert report.scores["f"]["value"] is not None
    assert report.scores["f"]["low"] is report.scores["f"]["high"] is None
    assert "The scores rest on only 1 file." in report.warnings


def test_bad_files_are_named_and_the_others_scored(tmp_path: Path, capsys) -> None:
    guesses, labels = x_files(tmp_path, count=4)
    whole = score_folders(guesses, labels, "savgbench")
    (guesses / "c0.csv").write_text("0,0,12\n3,1,x\n")
    (guesses / "c1.csv").unlink()
    (guesses / "stranger.csv").write_text("0,0,12\n")
    code = main(["score-seld", "--predictions", str(guesses), "--reference", str(labels), "--json"])
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert code == 1 and report["files"] == 2 and whole.files == 4
    errors = captured.err.splitlines()
    assert errors[0].startswith(f"error: {guesses}/c0.csv, line 2: cells must be numbers")
    assert errors[1] == f"error: {guesses} has no c1.csv."
    assert errors[2] == f"error: {labels} has no stranger.csv."
    assert errors[3] == "3 of 5 files could not be scored."
    assert [row["clip"] for row in report["failed"]] == ["c0", "c1", "stranger"]
    assert "only 2 files" in report["warnings"][0]


@pytest.mark.parametrize("rules", RULES)
def test_perfect_predictions_by_every_rule(tmp_path: Path, rules: str, capsys) -> None:
    header = f"{STEREO}\n" if rules.startswith("dcase2025") else ""
    frames = range(0, 50)
    if rules == "savgbench":
        labels = "".join(f"{f},{(1, 9)[f % 2]},{3 * f},70\n" for f in frames)
        guess = "".join(f"{f},{f % 2},{3 * f}\n" for f in frames)
    else:
        last = "120,1" if header else "10"
        labels = guess = header + "".join(f"{f},{f % 13},0,{f - 20},{last}\n" for f in frames)
    folders = [write(tmp_path / n, {"a": t, "b": t}) for n, t in (("p", guess), ("r", labels))]
    arguments = ["--predictions", str(folders[0]), "--reference", str(folders[1])]
    out_file = tmp_path / "scores.json"
    assert main(["score-seld", *arguments, "--rules", rules, "--out", str(out_file)]) == 0
    out = capsys.readouterr().out
    assert json.loads(out_file.read_text())["rules"] == rules
    assert RULES[rules].label in out and "(2 files)" in out and "! The scores rest" in out
    scores = score_folders(*folders, rules).scores
    assert scores["f"]["value"] == pytest.approx(1) == scores["f"]["high"]
    wrong = "le" if "le" in scores else "azimuth_error"
    assert scores[wrong]["value"] == pytest.approx(0, abs=1e-5)


def test_off_screen_alone_and_absent_classes_are_said(tmp_path: Path) -> None:
    labels = f"{STEREO}\n" + "".join(f"{f},2,0,10,120,1\n" for f in range(9))
    guess = labels.replace(",1\n", ",0\n")
    folders = [write(tmp_path / n, {"a": t, "b": t}) for n, t in (("p", guess), ("r", labels))]
    official = score_folders(*folders, "dcase2025")
    assert official.scores["f"]["value"] == pytest.approx(1 / 13)
    assert official.scores["f_onscreen"]["value"] == 0
    assert official.warnings[0].startswith("12 of 13 classes never occur")
    assert official.warnings[-1].startswith("All predictions say off-screen")
    corrected = score_folders(*folders, "dcase2025-corrected")
    assert corrected.scores["f"]["value"] == 1 and "classes never" not in corrected.warnings[0]
    assert official.classes[0]["class"] == 2 and len(official.classes) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0,1,0,10,120,1\n", f"line 1: the first line must be {STEREO}"),
        ("", f"the first line must be {STEREO}"),
        (f"{STEREO}\n0,1,0,10,120\n", "line 2: a row must have 6 columns, got 5"),
        (f"{STEREO}\n0,13,0,10,120,1\n", r"class must be in 0…12, got 13"),
        (f"{STEREO}\n0,1,0,10,120,2\n", r"onscreen must be in 0…1, got 2"),
        (f"{STEREO}\n0.5,1,0,10,120,1\n", "frame must be a whole number, got 0.5"),
        (f"{STEREO}\n0,1,0,10,-3,1\n", "distance must be in 0…1e"),
        (f"{STEREO}\n0,1,0,nan,3,1\n", "cells must be finite numbers"),
    ],
)
def test_wrong_tables_are_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SavgError, match=sentence) as caught:
        read_stereo(path, 13)
    assert str(path) in str(caught.value)


def test_tables_of_the_other_rules(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0,9,12.5,70\n0,9,12.5,70\n")
    labels = read_labelled_x(path)
    assert labels["class"].tolist() == [1, 1] and labels["x"].tolist() == [12.5, 12.5]
    path.write_text("0,5,12.5,70\n")
    with pytest.raises(SavgError, match="classes of labels must be 0, 1 or 9, got 5"):
        read_labelled_x(path)
    path.write_text("3,12,1,-170,20\n")
    assert read_directions(path, 13)["elevation"].tolist() == [20.0]
    path.write_text("")
    assert len(read_directions(path, 13)["frame"]) == 0 == len(read_labelled_x(path)["x"])


def test_tables_of_annotate_pair_with_labels(tmp_path: Path) -> None:
    guesses, labels = x_files(tmp_path, count=3)
    expected = score_folders(guesses, labels, "savgbench").scores
    for path in list(guesses.iterdir()):
        path.rename(path.with_name(f"{path.stem}.events.csv"))
        path.with_name(f"{path.stem}.boxes.csv").write_text("0,0,1,2,3,4\n")
    report = score_folders(guesses, labels, "savgbench")
    assert report.scores == expected and not report.failed


def test_folders_that_cannot_be_scored(tmp_path: Path) -> None:
    guesses, labels = x_files(tmp_path, count=2)
    with pytest.raises(SavgError, match="Rules must be one of savgbench"):
        seld_rules("dcase1999")
    with pytest.raises(SavgError, match="has no CSV file"):
        score_folders(write(tmp_path / "empty", {}), labels, "savgbench")
    with pytest.raises(SavgError, match="must be a folder of CSV files"):
        score_folders(labels / "c0.csv", labels, "savgbench")
    with pytest.raises(SavgError, match=r"No file of .* could be scored .* The first: .*c0\.csv"):
        score_folders(labels, guesses, "savgbench")
    again = write(guesses / "more", {"c0": ""})
    with pytest.raises(SavgError, match=r"has two files named c0\.csv"):
        score_folders(guesses, labels, "savgbench")
    assert again.is_dir()
