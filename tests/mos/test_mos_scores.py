"""Spatial AV-Align of clips: from `evaluate --json` to the correlation in a report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from mos_clips import write_folder
from scipy import stats

from benchmarks.mos_kills import leaping_clock, pass_screening
from savg.annotation import Boxes, SoundEvents
from savg.cli import main
from savg.errors import SavgError
from savg.evaluation.clip_scores import read_scores
from savg.mos import session
from savg.mos.study.folder import open_folder
from savg.mos.study.scores import find_scores, stored_scores

SMALL = [
    *("--trials", "12", "--anchor-trials", "1", "--practice", "2", "--repeats", "0"),
    *("--catch", "1", "--size", "64"),
]


def write_tables(folder: Path, name: str, right: int, wrong: int) -> None:
    """`right` sound events at a person in the middle and `wrong` ones far from it."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.arange(right + wrong)
    x = np.where(frames < right, 128.0, 10.0)
    SoundEvents(frames, np.zeros(len(frames), int), x).write_csv(folder / f"{name}.events.csv")
    box = np.tile([[120.0, 60.0, 136.0, 190.0]], (20, 1))
    Boxes(np.arange(20), np.zeros(20, int), box).write_csv(folder / f"{name}.boxes.csv")


def test_from_evaluate_to_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores of one condition by --scores, of another beside its clips as tables, of the third as
    evaluate.json; listeners rate a clip higher the better it scores."""
    truth: dict[tuple[str, str], float] = {}
    folders = {}
    for number, (name, clips) in enumerate((("joint", 6), ("two_stage", 5), ("ground_truth", 12))):
        folders[name] = write_folder(tmp_path / name, clips, 10 * number)
        place = folders[name] if name == "two_stage" else tmp_path / f"{name}_tables"
        for i in range(clips):
            write_tables(place, f"clip_{i:02d}", right=i, wrong=clips - i)
            truth[name, f"clip_{i:02d}"] = i / clips
        if name != "two_stage":
            assert main(["evaluate", str(place), "--json"]) == 0
            output = capsys.readouterr().out
            assert [row["clip"] for row in json.loads(output)["each"]] == [
                f"clip_{i:02d}" for i in range(clips)
            ]
            target = tmp_path / "joint.json"
            if name == "ground_truth":
                target = folders[name] / "evaluate.json"
            target.write_text(output)
    study = tmp_path / "study"
    conditions = [f"{name}={folder}" for name, folder in folders.items()]
    scores = ["--scores", f"joint={tmp_path / 'joint.json'}"]
    assert main(["mos", "create", str(study), "--conditions", *conditions, *scores, *SMALL]) == 0

    opened = open_folder(study, clock=leaping_clock())
    row = opened.store.study("study")
    assert stored_scores(row.levels) == pytest.approx(truth)
    clips_by_media = {s.media: s for s in row.stimuli}
    ratings: dict[tuple[str, str], list[int]] = {}
    for link in opened.store.invite("study", 4):
        now = pass_screening(opened.store, link.token, row)
        while now.trial is not None:
            clip = clips_by_media[now.trial.media]
            key = clip.condition, Path(clip.clip).stem
            score = clip.expected or 1 + round(3 * truth.get(key, 0.5)) + now.trial.position % 2
            if key in truth:
                ratings.setdefault(key, []).append(score)
            session.serve(opened.store, link.token, now.trial.position)
            now = session.rate(
                opened.store, link.token, now.trial.position, score,
                plays=1, seconds_played=5.0, response_seconds=1.0,
            )  # fmt: skip
    opened.store.close()
    capsys.readouterr()
    assert main(["mos", "report", str(study), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    for name in (*folders, "all"):
        keys = [key for key in ratings if name in (key[0], "all")]
        means = [np.mean(ratings[key]) for key in keys]
        expected = stats.spearmanr(means, [truth[key] for key in keys]).statistic
        assert output["spatial"][name]["clips"] == len(keys)
        assert output["spatial"][name]["spearman"] == pytest.approx(expected)
    assert output["spatial"]["all"]["spearman"] > 0.7
    assert "spatial" not in output["levels"]
    assert "clip by clip" in (study / "report" / "report.html").read_text()
    with (study / "report" / "clips.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {(r["condition"], r["clip"]): float(r["mean_rating"]) for r in rows} == pytest.approx(
        {key: float(np.mean(found)) for key, found in ratings.items()}
    )
    other = ["--tables", f"joint={tmp_path / 'joint.json'}", "--out", str(tmp_path / "r")]
    assert main(["mos", "report", str(study), "--json", *other]) == 0
    assert set(json.loads(capsys.readouterr().out)["spatial"]) == {"joint", "all"}


def test_a_study_without_scores_has_no_correlation(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "joint", 3)
    assert find_scores({"joint": folder}, {}) == {}
    assert stored_scores({}) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2]", "must hold a JSON object"),
        ('{"score": 0.5}', "must be the output"),
        ('{"each": [{"clip": "a"}]}', "must be the output"),
        ('{"each": [{"clip": "a", "score": 1.5}]}', "must be in 0..1"),
        ('{"each": [{"clip": "a", "score": NaN}]}', "numbers must be finite"),
        ('{"each": [{"clip": "a", "score": null}]}', "no score of any clip"),
        ('{"each": [{"clip": "a", "error": "no video"}]}', "no score of any clip"),
        ('{"each": [{"clip": "other", "score": 0.5}]}', "no clip of"),
        ("{", "is not valid JSON"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    folder = write_folder(tmp_path / "joint", 2)
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(SavgError, match=sentence):
        find_scores({"joint": folder}, {"joint": path})
    with pytest.raises(SavgError, match="one of joint, got mono"):
        find_scores({"joint": folder}, {"mono": path})
    with pytest.raises(SavgError, match="could not be read: no such file"):
        read_scores(tmp_path / "none.json")
