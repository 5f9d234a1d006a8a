"""`space deploy` against a Hub on this machine: files, secrets, hardware, listening tests, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, hub_here

from benchmarks.mos_kills import sample_study
from savg.cli import main
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import describe_folder

NAME = "lab/studio"

PASSWORD = "a very secret password"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr("savg.mos.hub.push.FIRST_TRIES", (0.0,))
    with hub_here(monkeypatch, tmp_path / "cache") as hub:
        yield hub


@pytest.fixture(autouse=True)
def small_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bundle of two small files: what is in the real one is tested with the folder."""
    assets = tmp_path / "assets"
    for name in ("demo/pipeline.json", "examples/README.md"):
        (assets / name).parent.mkdir(parents=True)
        (assets / name).write_text("{}")
    monkeypatch.setattr("savg.space.folder.assets_dir", lambda: assets)


def test_a_space_is_created_and_brought_up_to_date(
    hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space", "deploy", NAME, "--hardware", "zero-gpu"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"{hub.url}/spaces/{NAME}"
    files = hub.files(NAME, "spaces")
    assert {"README.md", "app.py", "requirements.txt", "packages.txt"} <= set(files)
    assert b"from savg.studio import main" in files["app.py"] and "savg/studio/__init__.py" in files
    assert hub.settings[NAME] == {
        "sdk": "gradio", "hardware": "zero-a10g", "secrets": {}, "variables": {}
    }  # fmt: skip
    assert NAME in hub.public
    hub.commit(NAME, {"savg/old.py": b"gone by now"}, "spaces")
    assert main(["space", "deploy", NAME, "--hardware", "t4-small"]) == 0
    assert "savg/old.py" not in hub.files(NAME, "spaces")
    assert hub.settings[NAME]["hardware"] == "t4-small"


def test_cost_and_what_is_public_are_told_before_anything_is_sent(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "written"
    command = ["space", "deploy", NAME, "--hardware", "t4-small", "--out", str(out), "--dry-run"]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "$0.40 for each hour" in told and "$288 a month" in told
    assert "can be read by everybody" in told and "nothing was sent" in told
    assert (out / "app.py").is_file() and hub.seen == []
    assert main(["space", "deploy", NAME, "--dry-run", "--private"]) == 0
    assert "the members of its owner" in capsys.readouterr().out and hub.seen == []


def make_study(folder: Path) -> Path:
    """A listening test with its media."""
    (folder / "media").mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"))
    sample_study(store, folder.name, clips=22)
    row = store.study(folder.name)
    for item in (*row.stimuli, *row.sounds):
        (folder / "media" / item.media).write_bytes(item.id.encode())
    describe_folder(folder, folder.name)
    store.close()
    return folder


def test_a_listening_test_goes_to_a_private_dataset_and_secrets_to_nobody(
    hub: FakeHub,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    study = make_study(tmp_path / "trial")
    command = ["space", "deploy", NAME, "--study", str(study), "--secret", "EXTRA"]
    assert main(command) == 1
    problem = capfd.readouterr().err
    assert "SAVG_ADMIN_PASSWORD, EXTRA" in problem and hub.seen == []
    monkeypatch.setenv("SAVG_ADMIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("EXTRA", "another secret")
    assert main(command) == 0
    settings = hub.settings[NAME]
    assert settings["variables"] == {"SAVG_MOS_DATASET": f"{NAME}-listening"}
    assert settings["secrets"]["SAVG_ADMIN_PASSWORD"] == PASSWORD
    assert set(settings["secrets"]) == {"SAVG_ADMIN_PASSWORD", "HF_TOKEN", "EXTRA"}
    assert "trial/study.sqlite" in hub.files(f"{NAME}-listening")
    assert f"{NAME}-listening" not in hub.public
    assert not any("trial/" in name or ".sqlite" in name for name in hub.files(NAME, "spaces"))
    told = "".join(capfd.readouterr())
    for secret in settings["secrets"].values():
        assert secret not in told
        assert all(secret.encode() not in data for data in hub.files(NAME, "spaces").values())


def test_a_public_space_does_not_become_private_by_itself(
    hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space", "deploy", NAME]) == 0
    commits = hub.commits(NAME, "spaces")
    assert main(["space", "deploy", NAME, "--private"]) == 1
    assert "is public" in capsys.readouterr().err
    assert hub.commits(NAME, "spaces") == commits
    assert main(["space", "deploy", "lab/hidden", "--private"]) == 0
    assert "lab/hidden" not in hub.public


@pytest.mark.parametrize(
    ("status", "words"), [(401, "hf auth login"), (402, "paid plan"), (403, "may not write")]
)
def test_what_the_hub_refuses_is_one_sentence(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], status: int, words: str
) -> None:
    with hub.failing(status, only="/api/repos/create"):
        assert main(["space", "deploy", NAME]) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert words in line and NAME in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["studio"], "USER/NAME"),
        (["lab/studio/x"], "USER/NAME"),
        ([NAME, "--weights", "nowhere at all"], "expected a folder"),
        ([NAME, "--study", "nowhere"], "no listening test"),
        ([NAME, "--weights", "lab/one", "--weights", "lab/one"], "names of their own"),
    ],
)
def test_wrong_arguments_are_told_at_once(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["space", "deploy", *arguments, "--dry-run"]) == 1
    assert words in capsys.readouterr().err and hub.seen == []
