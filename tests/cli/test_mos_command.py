"""`python -m savg mos`: a study made from folders of clips, listened to, and reported."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from mos_clips import write_folder

from benchmarks.mos_kills import leaping_clock, pass_screening, rate_next
from savg.cli import main
from savg.errors import SavgError
from savg.media.audio_file import read_audio
from savg.mos.study.design import Study
from savg.mos.study.folder import DATABASE_VARIABLE, open_folder

SMALL = [
    *("--trials", "6", "--anchor-trials", "1", "--practice", "2", "--repeats", "0"),
    *("--catch", "1", "--size", "64"),
]


@pytest.fixture(scope="module")
def conditions(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("clips")
    write_folder(root / "a", 3, 10)
    write_folder(root / "b", 3, 20)
    write_folder(root / "gt", 8, 30)
    return [f"joint={root / 'a'}", f"two_stage={root / 'b'}", f"ground_truth={root / 'gt'}"]


def test_from_folders_to_a_report(
    conditions: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pilot"
    create = ["mos", "create", str(folder), "--conditions", *conditions, *SMALL]
    assert main(create) == 0
    assert "11 trials a listener" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"media", "study.json", "study.sqlite"}
    study = open_folder(folder, clock=leaping_clock())
    row = study.store.study("pilot")
    assert {p.name for p in study.media.iterdir()} == {s.media for s in row.stimuli} | {
        s.media for s in row.sounds
    }
    audio, rate = read_audio(study.media / row.sounds[0].media)
    assert audio.shape[0] == 2 and rate == 48_000
    assert row.levels["level_difference_change_max_db"] <= 0.2
    for link in study.store.invite("pilot", 3):
        state = pass_screening(study.store, link.token, row)
        while state.trial is not None:
            state = rate_next(
                study.store, link.token, state, 1 + (state.trial.position + ord(link.code[0])) % 5
            )
    study.store.close()

    assert main(["mos", "report", str(folder)]) == 0
    assert "ground_truth" in capsys.readouterr().out
    assert (folder / "report" / "report.html").is_file()
    assert main(["mos", "report", str(folder), "--json", "--out", str(tmp_path / "r")]) == 0
    assert json.loads(capsys.readouterr().out)["flow"]["analysed"] == 3
    assert (tmp_path / "r" / "ratings.csv").is_file()

    assert main(create) == 1
    assert "exists already" in capsys.readouterr().err


def test_default_trials_of_two_conditions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    studies: list[Study] = []

    def record(study: Study, *_: object, **__: object) -> None:
        studies.append(study)
        raise SavgError("Enough.")

    monkeypatch.setattr("savg.mos.study.folder.create_folder", record)
    for name in "xy":  # which are counted, and not read before the study is planned
        (tmp_path / name).mkdir()
        for clip in range(60):
            (tmp_path / name / f"{clip}.mp4").touch()
    folders = [f"a={tmp_path / 'x'}", f"b={tmp_path / 'y'}"]
    assert main(["mos", "create", str(tmp_path / "two"), "--conditions", *folders]) == 1
    said = capsys.readouterr()
    assert "Trials: 44, the largest number up to 45 that 2 conditions share evenly." in said.err
    assert [c.trials for c in studies[0].conditions] == [22, 22]


def test_mistakes_are_one_sentence(
    conditions: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    new = str(tmp_path / "s")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "study.json").write_text('{"study": "s", "database": null}')
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "study.json").write_text('{"study": "s", "database": "study.sqlite"}')
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "study.json").write_text("[]")
    for arguments, expected in (
        (["create", new, "--conditions", "joint"], "must be NAME=DIR"),
        (["create", new, "--conditions", "a=x", "a=y"], "names a twice"),
        (["create", new, "--conditions", "a=/nowhere", "--trials", "15"], "no such folder"),
        (
            ["create", new, "--conditions", "a=/nowhere", "b=/nowhere", "--trials", "30"],
            "no such folder",
        ),
        (["create", str(tmp_path / "A B"), "--conditions", *conditions], "Name of a study"),
        (["create", new, "--conditions", *conditions, "--trials", "42"], "needs more clips"),
        (
            ["create", new, "--conditions", *conditions, *SMALL, "--database", "x://y"],
            "must be sqlite",
        ),
        (["report", str(tmp_path)], "no study.json"),
        (["report", str(tmp_path / "elsewhere")], "--database"),
        (["report", str(tmp_path / "lost")], "was not moved"),
        (["report", str(tmp_path / "odd")], "does not describe"),
    ):
        assert main(["mos", *arguments]) == 1
        error = capsys.readouterr().err
        assert expected in error and "Traceback" not in error, error
        assert not Path(new).exists()
    with pytest.raises(SystemExit) as bad:
        main(["mos", "listen"])
    assert bad.value.code == 2


def test_all_mistakes_of_a_study_are_told_at_once(
    conditions: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["A=/nowhere", "b=/neither", "--trials", "0", "--repeats", "-1", "--catch", "99"]
    assert main(["mos", "create", str(tmp_path / "A B"), "--conditions", *conditions, *wrong]) == 1
    told = capsys.readouterr().err
    for expected in (
        "Name of a study must have 1 to 40 of a-z, 0-9, - and _, got 'A B'.",
        "Name of a condition must have 1 to 40 of a-z, 0-9, - and _, got 'A'.",
        "/nowhere: no such folder of clips.",
        "/neither: no such folder of clips.",
        "Trials must be a whole number in 1..500, got 0.",
        "Repeats must be a whole number in 0..50, got -1.",
        "Catch trials must be a whole number in 0..20, got 99.",
    ):
        assert expected in told
    assert not (tmp_path / "A B").exists()


def test_serve_refuses_a_port_that_does_not_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mos", "serve", "--root", str(tmp_path), "--no-admin", "--port", "99999"]) == 1
    assert capsys.readouterr().err == "error: Port must be in 0..65535, got 99999.\n"


def test_a_demo_study_is_made_of_the_example_clips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mos", "demo", str(tmp_path / "try")]) == 0
    words = capsys.readouterr().out
    assert f"python -m savg mos serve {tmp_path / 'try'}" in words
    with closing(open_folder(tmp_path / "try").store) as store:
        study = store.study("try").study
    assert {group.name for group in study.groups} >= {"joint", "two_stage"}
    assert study.positions >= 3
    assert main(["mos", "demo", str(tmp_path / "try")]) == 1
    assert "exists already" in capsys.readouterr().err
