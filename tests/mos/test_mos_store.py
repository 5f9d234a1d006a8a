"""The store: what it keeps, whom it knows, its migrations, many writers at once, and kills."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from benchmarks.mos_kills import (
    kill_often,
    leaping_clock,
    pass_screening,
    rate_next,
    sample_study,
)
from savg.errors import SavgError
from savg.mos import session
from savg.mos.storage import engine, schema
from savg.mos.storage.engine import make_engine
from savg.mos.storage.migrations import STEPS, migrate, version
from savg.mos.storage.rows import UnknownStudy
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import DesignError


def test_a_study_comes_back_as_it_was(url: str) -> None:
    store = Store(url)
    study = sample_study(store, "s1")
    sample_study(store, "s2")
    again = Store(url)
    row = again.study("s1")
    assert row.study == study and row.status == "open"
    assert len(row.stimuli) == 5 * 40 + 5 and len(row.sounds) == 25
    assert sorted(again.studies()) == ["s1", "s2"]
    with pytest.raises(SavgError, match="exists already"):
        sample_study(store, "s1")
    with pytest.raises(UnknownStudy, match="s1, s2"):
        store.study("s3")
    with pytest.raises(DesignError, match="clips"):
        store.create_study(study, row.stimuli[:3], row.sounds)
    with pytest.raises(SavgError, match="no screening sound of stage channels"):
        store.create_study(study, row.stimuli, row.sounds[:0])
    again.set_status("s1", "paused")
    assert store.study("s1").status == "paused"
    with pytest.raises(SavgError, match="open, paused or closed"):
        store.set_status("s1", "gone")  # type: ignore[arg-type]


def test_tokens_are_long_and_only_their_hash_is_stored(url: str, tmp_path: Path) -> None:
    store = Store(url)
    sample_study(store, "s")
    links = store.invite("s", 50)
    assert len({link.token for link in links}) == len({link.code for link in links}) == 50
    assert all(len(link.token) == 32 for link in links), "192 bits in base 64"
    with store.reading() as connection:
        stored = str(connection.execute(text("SELECT * FROM participant")).all())
    assert not any(link.token in stored for link in links)
    assert all(link.code in stored for link in links)
    store.close()
    if url.startswith("sqlite"):
        files = b"".join(p.read_bytes() for p in tmp_path.glob("study.sqlite*"))
        assert not any(link.token.encode() in files for link in links)


def test_sqlite_commits_reach_the_disk(
    tmp_path: Path, quick_commits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_set_up_sqlite", quick_commits)
    store = Store(sqlite_url(tmp_path / "s.sqlite"))
    with store.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 60_000
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


@pytest.mark.parametrize("table", [t.name for t in schema.APPEND_ONLY])
def test_rows_cannot_be_changed_or_removed(url: str, table: str) -> None:
    store = Store(url, leaping_clock())
    sample_study(store, "s")
    link = store.invite("s")[0]
    now = pass_screening(store, link.token, store.study("s"))
    now = rate_next(store, link.token, now, 3)
    store.exclude("s", link.code, True, "left early", "ann")
    with store.writing() as connection:
        connection.execute(text("INSERT INTO answer VALUES (1, 'remarks', 'fine', 0)"))
    changed = "reason" if table == "exclusion" else "participant_id"
    value = "'x'" if table == "exclusion" else "participant_id + 1"
    for statement in (f"UPDATE {table} SET {changed} = {value}", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match="append-only"), store.writing() as connection:
            connection.execute(text(statement))


def test_exclusions_are_an_audit_trail(url: str) -> None:
    store = Store(url)
    sample_study(store, "s")
    a, b = store.invite("s", 2)
    store.exclude("s", a.code, True, "two catch trials wrong", "ann")
    store.exclude("s", b.code, True, "phoned during the test", "ann")
    store.exclude("s", a.code, False, "the sound card was at fault", "bob")
    assert [(e.participant, e.excluded, e.who) for e in store.exclusions("s")] == [
        (a.code, True, "ann"),
        (b.code, True, "ann"),
        (a.code, False, "bob"),
    ]
    now = {p.code: (p.excluded, p.reason) for p in store.participants("s")}
    assert now[a.code] == (False, "the sound card was at fault")
    assert now[b.code] == (True, "phoned during the test")
    for reason, who in (("", "ann"), ("x" * 2001, "ann"), ("x", " ")):
        with pytest.raises(SavgError, match="reason"):
            store.exclude("s", a.code, True, reason, who)
    with pytest.raises(SavgError, match="no participant"):
        store.exclude("s", "NOBODY", True, "x", "ann")


def test_analyses_are_recorded(url: str) -> None:
    store = Store(url)
    sample_study(store, "s")
    store.record_analysis("s", {"confidence": 0.95}, {"mos": 3.1}, "0" * 64)
    with store.reading() as connection:
        row = connection.execute(text("SELECT * FROM analysis")).one()
    assert json.loads(row.result) == {"mos": 3.1} and row.data_sha256 == "0" * 64


def shape(url: str) -> dict[str, object]:
    """Everything about the tables that matters."""
    engine = make_engine(url)
    seen = inspect(engine)
    statements: dict[str, object] = {}
    for table in sorted(seen.get_table_names()):
        statements[table] = {
            "columns": [
                (c["name"], str(c["type"]).replace("DOUBLE", "REAL"), c["nullable"])
                for c in seen.get_columns(table)
            ],
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (f["constrained_columns"], f["referred_table"])
                for f in seen.get_foreign_keys(table)
            ),
            "unique": sorted(u["column_names"] for u in seen.get_unique_constraints(table)),
            "indexes": sorted(str(i["column_names"]) for i in seen.get_indexes(table)),
        }
    engine.dispose()
    return statements


def test_migrations_lead_to_the_tables_of_the_schema(url: str, tmp_path: Path) -> None:
    Store(url).close()
    migrated = shape(url)
    if url.startswith("sqlite"):
        direct = sqlite_url(tmp_path / "direct.sqlite")
        schema.metadata.create_all(make_engine(direct))
        assert migrated == shape(direct)
    engine = make_engine(url)
    assert set(migrated) == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        columns = inspect(engine).get_columns(name)
        assert [c["name"] for c in columns] == [c.name for c in table.columns]
        assert [c["nullable"] for c in columns] == [c.nullable for c in table.columns]


def test_a_database_of_version_1_is_brought_up_to_date(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        assert migrate(connection, target=1) == 0
        assert version(connection) == 1
        connection.execute(
            text("INSERT INTO study VALUES ('old', 'closed', :design, '{}', '0.1', 5.0)"),
            {"design": json.dumps({"name": "old", "conditions": [{"name": "a"}, {"name": "b"}]})},
        )
        connection.execute(
            text(
                "INSERT INTO participant (study_id, token_sha256, code, seed, status, simulated, "
                "device, completion, created_at) VALUES ('old', 'h', 'ABC', 1, 'done', false, '{}', "
                "'C', 6.0)"
            )
        )
        connection.execute(
            text("INSERT INTO stimulus VALUES ('x', 'old', 'a', 'c', 's', 'system', 5, '', NULL)")
        )
        connection.execute(text("INSERT INTO assignment VALUES (1, 0, 'test', 'x', NULL, 7.0)"))
        connection.execute(text("INSERT INTO rating VALUES (1, 0, 4, 1, 5.0, 1.5, 13.0)"))
    engine.dispose()
    store = Store(url)
    with store.reading() as connection:
        assert version(connection) == len(STEPS) >= 2
    (rating,) = store.ratings("old")
    assert (rating.participant, rating.score, rating.condition) == ("ABC", 4, "a")
    with pytest.raises(DBAPIError, match="append-only"), store.writing() as connection:
        connection.execute(text("DELETE FROM rating"))
    Store(url).close()


def test_a_newer_or_foreign_database_is_refused(url: str, tmp_path: Path) -> None:
    store = Store(url)
    with store.writing() as connection:
        connection.execute(text("INSERT INTO schema_version VALUES (99, 0)"))
    with pytest.raises(SavgError, match="newer release"):
        Store(url)
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(SavgError, match="cannot be opened"):
        Store(sqlite_url(tmp_path / "text"))
    with pytest.raises(SavgError, match="cannot be opened"):
        Store(sqlite_url(tmp_path / "no" / "folder"))
    for wrong in ("mysql://x/y", "sqlite://", "nonsense", "postgresql+unheard://x/y"):
        with pytest.raises(SavgError):
            Store(wrong)
    with pytest.raises(SavgError) as refused:
        Store(f"postgresql://savg:secret@/x?host={tmp_path}&connect_timeout=2")
    assert "secret" not in str(refused.value)


def test_many_threads_lose_and_double_nothing(url: str) -> None:
    store = Store(url, leaping_clock())
    sample_study(store, "s")
    row = store.study("s")
    links = store.invite("s", 8)

    def listener(token: str) -> list[int]:
        rng = random.Random(token)
        now = pass_screening(store, token, row)
        scores = []
        while now.trial is not None:
            trial, score = now.trial, rng.randint(1, 5)
            now = rate_next(store, token, now, score)
            scores.append(score)
            session.rate(
                store, token, trial.position, score, plays=1, seconds_played=5, response_seconds=0
            )
        return scores

    tokens = [link.token for link in links]
    with ThreadPoolExecutor(8) as pool:
        once = [pool.submit(listener, token) for token in tokens]
        results = {link.code: f.result() for link, f in zip(links, once, strict=True)}
    rows = store.ratings("s")
    assert len(rows) == 8 * row.study.positions
    for code, scores in results.items():
        assert [r.score for r in rows if r.participant == code] == scores
    used: dict[str, list[int]] = {}
    for stimulus in row.stimuli:
        number = sum(r.stimulus == stimulus.id and r.role == "test" for r in rows)
        used.setdefault(stimulus.condition, []).append(number)
    for group in row.study.conditions:
        assert max(used[group.name]) - min(used[group.name]) <= 2


def test_two_tabs_racing_store_one_score(url: str) -> None:
    store = Store(url, leaping_clock())
    sample_study(store, "s")
    token = store.invite("s")[0].token
    now = pass_screening(store, token, store.study("s"))
    assert now.trial is not None
    session.serve(store, token, 0)

    def tab(score: int) -> bool:
        try:
            session.rate(store, token, 0, score, plays=1, seconds_played=5, response_seconds=0)
            return True
        except session.RequestRejected as refused:
            assert refused.reason == "conflict"
            return False

    with ThreadPoolExecutor(10) as pool:
        saved = list(pool.map(tab, [1, 2, 3, 4, 5] * 4))
    (row,) = store.ratings("s")
    assert saved == [score == row.score for score in [1, 2, 3, 4, 5] * 4]


PROCESS = """
import sys
from benchmarks.mos_kills import *
store = Store(sys.argv[1], leaping_clock())
row = store.study("s")
for token in sys.argv[2:]:
    now = pass_screening(store, token, row)
    while now.trial is not None:
        now = rate_next(store, token, now, 1 + now.trial.position % 5)
"""


def test_several_processes_share_a_database(url: str) -> None:
    store = Store(url)
    positions = sample_study(store, "s").positions
    links = store.invite("s", 3)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, url, *(link.token for link in links[i::3])],
            stderr=subprocess.PIPE,
        )
        for i in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
    rows = store.ratings("s")
    assert [r.position for r in rows] == list(range(positions)) * 3
    assert all(r.score == 1 + r.position % 5 for r in rows)


def test_kills_lose_no_acknowledged_rating(url: str) -> None:
    outcome = kill_often(url, kills=20, longest=0.15)
    assert outcome.kills == 20 and outcome.acknowledged >= 20
    assert outcome.lost == 0 and outcome.doubled == 0
    assert 0 <= outcome.between <= outcome.kills
    engine = create_engine(url)
    if url.startswith("sqlite"):
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
