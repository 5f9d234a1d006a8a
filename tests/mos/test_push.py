"""Pushes to a private dataset and back, against a small Hub on this machine that can fail."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_hub import TOKEN, FakeHub
from huggingface_hub import HfApi

from benchmarks.mos_kills import leaping_clock, pass_screening, rate_next, sample_study
from savg.errors import SavgError
from savg.mos import session
from savg.mos.hub.push import Pushes, pushes_of
from savg.mos.storage.rows import Link
from savg.mos.storage.snapshot import content_digest, merge, write_snapshot
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.folder import StudyFolder, describe_folder, open_folder
from savg.mos.web.studies import Studies
from savg.private_dataset import DatasetRefused

DATASET = "lab/tests"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    fake = FakeHub()
    monkeypatch.setattr("savg.private_dataset.HfApi", lambda: HfApi(endpoint=fake.url))
    monkeypatch.setattr("savg.mos.hub.push.FIRST_TRIES", (0.0,))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield fake
    fake.close()


@pytest.fixture
def clock() -> Callable[[], float]:
    return leaping_clock()


def make_study(folder: Path, name: str, clock: Callable[[], float]) -> None:
    """A study folder with its media."""
    (folder / "media").mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"), clock)
    sample_study(store, name, clips=22)
    row = store.study(name)
    for item in (*row.stimuli, *row.sounds):
        (folder / "media" / item.media).write_bytes(item.id.encode())
    describe_folder(folder, name)
    store.close()


@pytest.fixture
def first(tmp_path: Path, clock: Callable[[], float]) -> Iterator[Studies]:
    """A server's studies: one, with its media."""
    make_study(tmp_path / "first" / "s", "s", clock)
    studies = Studies(root=tmp_path / "first", clock=clock)
    yield studies
    studies.close()


Start = Callable[..., Pushes]


@pytest.fixture
def begin(tmp_path: Path, clock: Callable[[], float]) -> Iterator[Start]:
    """Start a server's pushes: of `studies`, or those of an empty disk."""
    running: list[Pushes] = []

    def started(studies: Studies | None = None, disk: str = "new", wait: bool = True) -> Pushes:
        (tmp_path / disk).mkdir(exist_ok=True)
        pushes = Pushes(studies or Studies(root=tmp_path / disk, clock=clock), DATASET, 600)
        running.append(pushes)
        pushes.start()
        deadline = time.monotonic() + 30
        while wait and pushes.state.pushed_at is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return pushes

    yield started
    for pushes in running:
        if not pushes._closed.is_set():
            pushes.close()


def crash(pushes: Pushes) -> None:
    """A server that is gone without a last push."""
    pushes._closed.set()


def take_trials(
    study: StudyFolder, link: Link, trials: int, score: int = 3
) -> session.SessionState:
    """Some more trials of a listener, from wherever they are."""
    now = pass_screening(study.store, link.token, study.store.study(study.name))
    for _ in range(trials):
        if now.trial is not None:
            now = rate_next(study.store, link.token, now, score)
    return now


def contents(study: StudyFolder) -> dict[str, object]:
    """All that is stored, but for the numbers of rows."""
    store = study.store
    with store.reading() as connection:
        runs = connection.exec_driver_sql("SELECT software, result, run_at FROM analysis").all()
        people = connection.exec_driver_sql(
            "SELECT token_sha256, code, seed, status, simulated, device, completion, created_at, "
            "consented_at, assigned_at, finished_at FROM participant ORDER BY id"
        ).all()
        assigned = connection.exec_driver_sql(
            "SELECT code, position, role, stimulus_id, repeat_of, served_at FROM assignment "
            "JOIN participant ON participant.id = participant_id ORDER BY code, position"
        ).all()
        screenings = connection.exec_driver_sql(
            "SELECT code, stage, attempt, trial, sound_id, answer, correct, answered_at FROM "
            "screening JOIN participant ON participant.id = participant_id ORDER BY answered_at"
        ).all()
    return {
        "study": store.study(study.name),
        "people": people,
        "participants": store.participants(study.name),
        "ratings": store.ratings(study.name),
        "exclusions": store.exclusions(study.name),
        "assignment": assigned,
        "screening": screenings,
        "runs": runs,
    }


def fill(study: StudyFolder) -> list[Link]:
    """A study with all that can happen: done, half-way, screened out, invited, excluded, paused."""
    links = study.store.invite("s", 5)
    links += study.store.invite("s", simulated=True)
    now = take_trials(study, links[0], 100, 4)
    answers = {"hearing": "no", "remarks": "ü\n\u2028=1+1<script>"}
    for question in now.unanswered:
        session.answer_question(study.store, links[0].token, question, answers[question])
    take_trials(study, links[1], 7, 2)
    session.serve(study.store, links[1].token, 7)
    now = session.consent(study.store, links[2].token, {"browser": "Ä"})
    while now.step == "screening" and now.screening:
        at = now.screening
        now = session.answer_screening(
            study.store, links[2].token, at.stage, at.attempt, at.trial, at.choices[0]
        )
    assert now.step == "screened_out"
    take_trials(study, links[5], 3)
    study.store.exclude("s", links[0].code, True, "phoned", "ann")
    study.store.exclude("s", links[1].code, True, "late", "bob")
    study.store.exclude("s", links[0].code, False, "it was the doorbell", "ann")
    study.store.record_analysis("s", {"seed": 0}, {"mos": 3.5}, "0" * 64)
    study.store.set_status("s", "paused")
    return links


def test_a_restart_with_an_empty_disk_brings_everything_back(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    study = first.get("s")
    links = fill(study)
    crash(begin(first))
    back = begin(disk="second").studies.get("s")
    assert contents(back) == contents(study)
    assert back.path != study.path
    names = sorted(p.name for p in study.media.iterdir())
    assert names == sorted(p.name for p in back.media.iterdir())
    assert all((back.media / n).read_bytes() == (study.media / n).read_bytes() for n in names)
    back.store.set_status("s", "open")
    assert session.session_state(back.store, links[1].token).trial.position == 7  # type: ignore[union-attr]
    assert take_trials(back, links[1], 1).trial.position == 8  # type: ignore[union-attr]


def test_two_restarts_lose_only_what_was_not_pushed(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    link = first.get("s").store.invite("s")[0]
    take_trials(first.get("s"), link, 4)
    pushes = begin(first)
    take_trials(first.get("s"), link, 3)
    crash(pushes)
    again = begin(disk="second")
    study = again.studies.get("s")
    assert [r.position for r in study.store.ratings("s")] == [0, 1, 2, 3], "lost: not pushed yet"
    take_trials(study, link, 5, 5)
    assert again.close()
    third = begin(disk="third").studies.get("s")
    assert [r.score for r in third.store.ratings("s")] == [3] * 4 + [5] * 5


def test_snapshots_hold_no_token_and_media_are_uploaded_once(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    study = first.get("s")
    links = study.store.invite("s", 2)
    pushes = begin(first)
    for _ in range(3):
        for link in links:
            take_trials(study, link, 2)
        pushes.push()
    assert hub.commits(DATASET) == 4 and pushes.push() is None and hub.commits(DATASET) == 4
    media = {path for path in hub.files(DATASET) if "/media/" in path}
    assert len(media) == len(list(study.media.iterdir()))
    changed = [
        {path for path, data in new.items() if old.get(path) is not data}
        for (_, old), (_, new) in zip(
            hub.datasets[DATASET], hub.datasets[DATASET][1:], strict=False
        )
    ]
    assert changed[0] == {*media, "s/study.json", "s/study.sqlite"}
    assert changed[1:] == [{"s/study.json", "s/study.sqlite"}] * 3
    for _, files in hub.datasets[DATASET]:
        everything = b"".join(files.values())
        assert not any(link.token.encode() in everything for link in links)
    assert DATASET not in hub.public


def test_a_study_of_the_dataset_is_a_study_folder(
    hub: FakeHub, first: Studies, begin: Start, tmp_path: Path
) -> None:
    study = first.get("s")
    fill(study)
    crash(begin(first))
    for path, data in hub.files(DATASET).items():
        (tmp_path / "download" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "download" / path).write_bytes(data)
    assert contents(open_folder(tmp_path / "download" / "s")) == contents(study)


def test_a_study_whose_database_is_elsewhere_comes_back(
    hub: FakeHub, first: Studies, begin: Start, tmp_path: Path, clock: Callable[[], float], url: str
) -> None:
    """In PostgreSQL, or in a file that holds other studies too."""
    source = first.get("s")
    fill(source)
    store = Store(url, clock)
    sample_study(store, "other", clips=22)
    merge(source.store, store, "s")
    store.close()
    folder = tmp_path / "elsewhere" / "s"
    folder.parent.mkdir()
    shutil.copytree(source.media, folder / "media")
    describe_folder(folder, "s", elsewhere=True)
    studies = Studies(root=tmp_path / "elsewhere", url=url, clock=clock)
    crash(begin(studies))
    assert sorted(p for p in hub.files(DATASET) if p.endswith("study.sqlite")) == ["s/study.sqlite"]
    back = begin(disk="second").studies.get("s")
    assert contents(back) == contents(source)
    assert back.store.studies() == ["s"]
    studies.close()


@pytest.mark.parametrize("only", ["/api/", "/preupload/", "/commit/"])
def test_errors_of_the_hub_cost_nothing(
    hub: FakeHub, first: Studies, begin: Start, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr("huggingface_hub.utils._http.time", hasty)
    study = first.get("s")
    pushes = begin(first)
    link = study.store.invite("s")[0]
    take_trials(study, link, 3)
    with hub.failing(500, only=only):
        assert pushes.push() is None
        assert pushes.state.failures == 1 and any("tried again" in s for s in pushes.messages())
        take_trials(study, link, 2)
    assert pushes.push() is not None
    assert pushes.state.failures == 0 and len(pushes.messages()) == 1
    crash(pushes)
    assert contents(begin(disk="second").studies.get("s")) == contents(study)


def test_a_silent_hub_times_out(
    hub: FakeHub, first: Studies, begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes = begin(first)
    take_trials(first.get("s"), first.get("s").store.invite("s")[0], 2)
    monkeypatch.setattr("savg.private_dataset.SECONDS", 0.3)
    with hub.failing(silence=3.0, only="/commit/"):
        begun = time.monotonic()
        assert pushes.push() is None and pushes.state.failures == 1
        assert time.monotonic() - begun < 2.5
        begun = time.monotonic()
        assert not pushes.close(seconds=0.5)
        assert time.monotonic() - begun < 2


def test_a_start_without_the_hub_pushes_nothing_before_it_has_read(
    hub: FakeHub, first: Studies, begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr("huggingface_hub.utils._http.time", hasty)
    study = first.get("s")
    link = study.store.invite("s")[0]
    take_trials(study, link, 6)
    crash(begin(first))
    commits = hub.commits(DATASET)
    with hub.failing(503):
        pushes = begin(disk="second", wait=False)
        assert pushes.studies.names() == [] and pushes.state.failures >= 1
    assert pushes.push() is None and hub.commits(DATASET) == commits
    assert contents(pushes.studies.get("s")) == contents(study)


def test_two_servers_keep_each_others_ratings(hub: FakeHub, first: Studies, begin: Start) -> None:
    """As when a Space is replaced while the old one still runs."""
    old = first.get("s")
    a, b = old.store.invite("s", 2)
    pushes = begin(first)
    other = begin(disk="second")
    new = other.studies.get("s")
    take_trials(old, a, 3)
    take_trials(new, b, 4)
    assert other.push() is not None
    assert pushes.push() is not None
    assert len(old.store.ratings("s")) == 7, "it read the other's before it wrote"
    third = begin(disk="third").studies.get("s")
    assert contents(third)["ratings"] == old.store.ratings("s")
    assert other.push() is None and len(new.store.ratings("s")) == 7


def test_the_later_of_two_servers_decisions_holds(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    old = first.get("s")
    link = old.store.invite("s")[0]
    pushes = begin(first)
    other = begin(disk="second")
    new = other.studies.get("s")
    take_trials(old, link, 3)
    new.store.exclude("s", link.code, True, "did not answer", "bob")
    old.store.exclude("s", link.code, False, "has answered", "ann")
    for server in (other, pushes, other):
        server.push()
    third = begin(disk="third").studies.get("s")
    for study in (old, new, third):
        assert [e.who for e in study.store.exclusions("s")] == ["bob", "ann"]
        assert not study.store.participants("s")[0].excluded
        with study.store.listener(link.token) as listener:
            assert listener is not None and sum(listener.use_of_clips(since=0.0).values()) > 0


def test_contradictions_to_the_database_are_named(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    old = first.get("s")
    link = old.store.invite("s")[0]
    take_trials(old, link, 3)
    pushes = begin(first)
    other = begin(disk="second")
    take_trials(old, link, 1, 1)
    take_trials(other.studies.get("s"), link, 2, 5)
    assert other.push() is not None
    pushes.push()
    assert [r.score for r in old.store.ratings("s")] == [3, 3, 3, 1, 5]
    assert any("rating 3 is another here" in p for p in pushes.messages())


def forge(data: bytes, change: str, *values: object) -> bytes:
    """A snapshot in which somebody has changed something by SQL, its triggers out of the way."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(data)
        triggers = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        database.execute(change, values)
        for _, sql in triggers:
            database.execute(sql)
        database.commit()
        return database.serialize()


def forge_endless_view(data: bytes) -> bytes:
    """A snapshot whose participants are a view that never ends."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(data)
        columns = [row[1] for row in database.execute("PRAGMA table_info(participant)")]
        database.execute("ALTER TABLE participant RENAME TO hidden")
        database.execute(
            "CREATE VIEW participant AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 "
            f"FROM c) SELECT {', '.join(columns)} FROM hidden, c WHERE x < 0"
        )
        database.commit()
        return database.serialize()


def forge_design(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    """Change a snapshot's design."""

    def forged(data: bytes) -> bytes:
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(data)
            design = json.loads(database.execute("SELECT design FROM study").fetchone()[0])
        change(design)
        return forge(data, "UPDATE study SET design = ?", json.dumps(design))

    return forged


def forge_sql(change: str, *values: object) -> Callable[[bytes], bytes]:
    """Change a snapshot by SQL."""
    return lambda data: forge(data, change, *values)


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "tampered": (lambda data: forge(data, "UPDATE rating SET score = 5"), "was changed after"),
    "cut": (lambda data: data[: len(data) // 2], "was changed after"),
    "bytes": (lambda data: b"\xff\xfe\x00garbage", "was changed after"),
    "empty": (lambda data: b"", "was changed after"),
}

RENAME_SOUND = "UPDATE sound SET id = '../../x' WHERE id = (SELECT min(id) FROM sound)"

FORGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "garbage": (lambda data: b"\xff\xfe\x00garbage" * 500, "holds no such listening test"),
    "cut": (lambda data: data[: len(data) // 2], "s"),
    "emptied": (lambda data: forge(data, "DELETE FROM study"), "holds no such listening test"),
    "design": (lambda data: forge(data, "UPDATE study SET design = '[[['"), "holds no such"),
    "score": (lambda data: forge(data, "UPDATE rating SET score = 99"), "score must be"),
    "type": (
        lambda data: forge(data, "UPDATE rating SET score = 'x'"),
        "rating.score must be int",
    ),
    "clip": (lambda data: forge(data, "UPDATE assignment SET stimulus_id = 'none'"), "taken over"),
    "person": (lambda data: forge(data, "UPDATE participant SET status = 'king'"), "taken over"),
    "media": (lambda data: forge(data, RENAME_SOUND), "not the name of a media"),
    "view": (forge_endless_view, "holds no such"),
    "trigger": (
        forge_sql(
            "CREATE TRIGGER t AFTER INSERT ON schema_version BEGIN DELETE FROM participant; END"
        ),
        "holds no such",
    ),
    "deep": (forge_sql("UPDATE study SET design = ?", "[" * 50_000), "holds no such"),
    "list": (forge_sql("UPDATE study SET design = '[1]'"), "holds no such"),
    "huge": (forge_design(lambda d: d.update(seed=1e999)), "holds no such"),
    "renamed": (forge_design(lambda d: d.update(name="t")), "its design is of t"),
    "levels": (forge_sql("UPDATE study SET levels = '[]'"), "must be a JSON object"),
    "state": (forge_sql("UPDATE study SET status = 'king'"), "study.status"),
    "clips": (forge_design(lambda d: d.update(practice=20)), "20 practice clips are needed"),
    "sounds": (forge_sql("DELETE FROM sound WHERE stage = 'volume'"), "no screening sound"),
    "session": (forge_sql("DELETE FROM assignment WHERE position > 6"), "is not complete"),
    "infinite": (forge_sql("UPDATE rating SET seconds_played = 9e999"), "must be finite"),
    "attempt": (forge_sql("UPDATE screening SET attempt = 2000000000"), "screening.attempt"),
    "code": (forge_sql("UPDATE participant SET code = ?", "<b>\n"), "participant.code"),
    "token": (forge_sql("UPDATE participant SET token_sha256 = 'x'"), "token_sha256"),
    "device": (forge_sql("UPDATE participant SET device = '[[['"), "taken over"),
    "long": (forge_sql("UPDATE sound SET answer = ?", "x" * 5000), "at most 12 characters"),
}


def damage(hub: FakeHub, change: Callable[[bytes], bytes], *, sealed: bool) -> None:
    """Put a changed snapshot into the dataset; sealed: with a digest that fits."""
    data = change(hub.files(DATASET)["s/study.sqlite"])
    files = {"s/study.sqlite": data}
    if sealed:
        facts = json.loads(hub.files(DATASET)["s/study.json"])
        facts |= {"sha256": hashlib.sha256(data).hexdigest(), "content": "0" * 64}
        files["s/study.json"] = json.dumps(facts).encode()
    hub.commit(DATASET, files)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_spoiled_snapshot_is_named_and_left_alone(
    hub: FakeHub, first: Studies, begin: Start, name: str
) -> None:
    change, sentence = DAMAGED[name]
    refused_and_left_alone(hub, first, begin, change, sentence, False)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_snapshot_is_named_and_left_alone(
    hub: FakeHub, first: Studies, begin: Start, name: str
) -> None:
    change, sentence = FORGED[name]
    refused_and_left_alone(hub, first, begin, change, sentence, True)


def refused_and_left_alone(
    hub: FakeHub,
    first: Studies,
    begin: Start,
    change: Callable[[bytes], bytes],
    sentence: str,
    sealed: bool,
) -> None:
    study = first.get("s")
    take_trials(study, study.store.invite("s")[0], 6)
    crash(begin(first))
    damage(hub, change, sealed=sealed)
    before = dict(hub.files(DATASET))
    hub.seen.clear()
    pushes = begin(disk="second")
    assert not [request for request in hub.seen if "/media/" in request], (
        "none is downloaded for it"
    )
    (problem,) = pushes.state.problems
    assert sentence in problem and problem.count("\n") == 0 and len(problem) < 400
    assert pushes.studies.names() == []
    assert pushes.push() is None and hub.files(DATASET) == before, "a human can look at it"


@pytest.mark.parametrize("name", [*DAMAGED, "score", "type"])
def test_a_server_that_has_the_study_replaces_a_spoiled_snapshot(
    hub: FakeHub, first: Studies, begin: Start, name: str
) -> None:
    study = first.get("s")
    take_trials(study, study.store.invite("s")[0], 3)
    pushes = begin(first)
    before = contents(study)
    change, sentence = (DAMAGED | FORGED)[name]
    damage(hub, change, sealed=name not in DAMAGED)
    assert pushes.push() is not None, "the database has it: it is written again"
    assert any(sentence in p and "is replaced in" in p for p in pushes.state.problems)
    assert contents(study) == before, "nothing of it was taken over"
    crash(pushes)
    assert contents(begin(disk="second").studies.get("s")) == before


def test_a_study_file_that_says_something_else_is_refused(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    crash(begin(first))
    good = json.loads(hub.files(DATASET)["s/study.json"])
    for number, wrong in enumerate((b"", b"[" * 50_000, b"[]", b'{"study": "s"}',
                   json.dumps(good | {"study": "t"}).encode(),
                   json.dumps(good | {"database": "../study.sqlite"}).encode())):  # fmt: skip
        hub.commit(DATASET, {"s/study.json": wrong})
        pushes = begin(disk=f"disk{number}")
        (problem,) = pushes.state.problems
        assert "describes no listening test" in problem and pushes.studies.names() == []
        crash(pushes)


def test_a_snapshot_that_cannot_be_read_stops_no_other_study(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    crash(begin(first))
    files = hub.files(DATASET)
    damage(hub, FORGED["deep"][0], sealed=True)
    broken = hub.files(DATASET)
    copies = {f"good{p[1:]}": d for p, d in files.items() if "/media/" in p}
    data = forge_design(lambda d: d.update(name="good"))(files["s/study.sqlite"])
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(data)
        for table, column in (("study", "id"), ("stimulus", "study_id"), ("sound", "study_id")):
            database.execute(f"UPDATE {table} SET {column} = 'good'")
        database.commit()
        data = database.serialize()
    facts = json.loads(broken["s/study.json"]) | {"study": "good"}
    facts |= {"sha256": hashlib.sha256(data).hexdigest()}
    copies |= {"good/study.sqlite": data, "good/study.json": json.dumps(facts).encode()}
    hub.commit(DATASET, copies)
    pushes = begin(disk="second")
    assert pushes.studies.names() == ["good"] and len(pushes.state.problems) == 1


def test_a_folder_that_does_not_open_is_not_replaced(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    crash(begin(first))
    damaged = first.root / "copy" / "s"  # type: ignore[operator]
    shutil.copytree(first.get("s").path, damaged)
    (damaged / "study.sqlite").write_bytes(b"damaged, but a human may repair it")
    pushes = begin(Studies(root=damaged.parent))
    assert any("exists already" in problem for problem in pushes.state.problems)
    assert (damaged / "study.sqlite").read_bytes().startswith(b"damaged")


def test_an_index_of_the_organisers_own_does_not_spoil_the_snapshot(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    study = first.get("s")
    fill(study)
    with study.store.writing() as connection:
        connection.exec_driver_sql("CREATE INDEX own ON rating (score)")
        connection.exec_driver_sql("ANALYZE")
    crash(begin(first))
    assert contents(begin(disk="second").studies.get("s")) == contents(study)


def test_a_rating_between_digest_and_snapshot_is_in_the_digest_of_the_dataset(
    hub: FakeHub, first: Studies, begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server with the older rows would not read it, and write over it."""
    study = first.get("s")
    link = study.store.invite("s")[0]

    def late(store: Store, name: str, path: Path) -> str:
        take_trials(study, link, 1)
        return write_snapshot(store, name, path)

    monkeypatch.setattr("savg.mos.hub.push.write_snapshot", late)
    pushes = begin(first)
    crash(pushes)
    described = json.loads(hub.files(DATASET)["s/study.json"])
    assert described["content"] == content_digest(study.store, "s")
    assert len(begin(disk="second").studies.get("s").store.ratings("s")) == 1


def test_media_that_were_changed_are_refused(hub: FakeHub, first: Studies, begin: Start) -> None:
    study = first.get("s")
    row = study.store.study("s")
    clip = row.stimuli[0]
    digest = hashlib.sha256((study.media / clip.media).read_bytes()).hexdigest()
    with study.store.writing() as connection:
        connection.exec_driver_sql("UPDATE stimulus SET sha256 = ? WHERE id = ?", (digest, clip.id))
    crash(begin(first))
    hub.commit(DATASET, {f"s/media/{clip.media}": b"another film"})
    pushes = begin(disk="second")
    assert any("is not the file it was" in p for p in pushes.state.problems)
    assert pushes.studies.names() == []


def test_a_study_without_a_media_file_is_named_and_left_alone(
    hub: FakeHub, first: Studies, begin: Start, tmp_path: Path
) -> None:
    clip = first.get("s").store.study("s").stimuli[0]
    crash(begin(first))
    files = dict(hub.files(DATASET))
    del files[f"s/media/{clip.media}"]
    hub.datasets[DATASET].append(("0" * 40, files))
    pushes = begin(disk="second", wait=False)
    assert pushes.state.failures == 0 and pushes.studies.names() == []
    assert any(f"{clip.media} is missing" in p for p in pushes.state.problems)
    assert pushes.push() is None and pushes.state.failures == 0
    assert hub.files(DATASET) == files


def test_a_dataset_of_another_study_of_that_name_is_left_alone(
    hub: FakeHub, first: Studies, begin: Start, tmp_path: Path, clock: Callable[[], float]
) -> None:
    crash(begin(first))
    before = dict(hub.files(DATASET))
    folder = tmp_path / "other" / "s"
    (folder / "media").mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"), clock)
    sample_study(store, "s", clips=25)
    store.invite("s")
    store.close()
    (folder / "study.json").write_text('{"study": "s", "database": "study.sqlite"}')
    pushes = begin(Studies(root=tmp_path / "other", clock=clock))
    assert "another study called s than the one here" in pushes.messages()[1]
    assert pushes.push() is None and hub.files(DATASET) == before


def test_studies_made_while_the_server_runs_are_pushed_with_their_media(
    hub: FakeHub, first: Studies, begin: Start
) -> None:
    pushes = begin(disk="second")
    assert pushes.studies.names() == [] and hub.commits(DATASET) == 0
    source = first.get("s")
    assert pushes.studies.root is not None
    source.path.rename(pushes.studies.root / "s")
    assert pushes.push() is not None
    assert begin(disk="third").studies.names() == ["s"]


def test_a_study_that_cannot_be_copied_stops_no_other_study(
    hub: FakeHub,
    first: Studies,
    begin: Start,
    clock: Callable[[], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert first.root is not None
    make_study(first.root / "broken", "broken", clock)

    def copy(store: Store, name: str, path: Path) -> str:
        if name == "broken":
            raise sqlite3.DatabaseError("database disk image is malformed")
        return write_snapshot(store, name, path)

    monkeypatch.setattr("savg.mos.hub.push.write_snapshot", copy)
    pushes = begin(first)
    assert {path.split("/")[0] for path in hub.files(DATASET)} - {".gitattributes"} == {"s"}
    (fault,) = pushes.state.faults
    assert fault.startswith("Study broken could not be copied") and "malformed" in fault
    assert fault in pushes.messages() and not pushes.state.failures
    monkeypatch.setattr("savg.mos.hub.push.write_snapshot", write_snapshot)
    assert pushes.push() is not None and not pushes.state.faults
    assert "broken/study.sqlite" in hub.files(DATASET)


def test_datasets_that_cannot_be_used_raise_at_once(
    hub: FakeHub, first: Studies, begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.make("lab/tests")
    hub.public.add("lab/tests")
    with pytest.raises(DatasetRefused, match="is public"):
        begin(first)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(DatasetRefused, match="HF_TOKEN"):
        begin(first)
    for wrong in ({"SAVG_MOS_DATASET": "no-slash"}, {"SAVG_MOS_DATASET": "../x/y"},
                  {"SAVG_MOS_DATASET": DATASET, "SAVG_MOS_PUSH_MINUTES": "often"},
                  {"SAVG_MOS_DATASET": DATASET, "SAVG_MOS_PUSH_MINUTES": "-1"}):  # fmt: skip
        with pytest.raises(SavgError):
            pushes_of(first, wrong)
    assert pushes_of(first, {}) is None


def test_pushes_come_by_themselves(hub: FakeHub, first: Studies) -> None:
    pushes = Pushes(first, DATASET, 0.01)
    pushes.start()
    study = first.get("s")
    code = study.store.invite("s")[0].code.encode()
    deadline = time.monotonic() + 60
    while DATASET not in hub.datasets or code not in hub.files(DATASET).get("s/study.sqlite", b""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert pushes.close()
