"""From stored ratings to a report: what enters, what is flagged, and that nothing in it can run."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.mos_kills import leaping_clock, pass_screening, sample_study
from savg.annotation import Boxes, SoundEvents
from savg.errors import SavgError
from savg.mos import session
from savg.mos.results.analysis import analyse, clip_scores, correlations
from savg.mos.results.flags import flags_of, repeated
from savg.mos.results.report import write_report
from savg.mos.storage.rows import RatingRow
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import FlagRules

MEANS = {"joint": 3.2, "two_stage": 2.7, "ground_truth": 4.2, "swapped": 1.6, "mono": 2.4}


def listener(store: Store, seed: int, *, habit: str = "", stop: int = 1000) -> str:
    """A simulated listener's whole session; returns the code."""
    rng = np.random.default_rng(seed)
    row = store.study("s")
    clips = {s.media: s for s in row.stimuli}
    link = store.invite("s", simulated=habit == "simulated")[0]
    now = pass_screening(store, link.token, row)
    bias = rng.normal(0, 0.4)
    while now.trial is not None and now.trial.position < stop:
        clip = clips[now.trial.media]
        score = round(MEANS.get(clip.condition, 3.0) + bias + rng.normal(0, 0.3))
        score = clip.expected or min(max(score, 1), 5)
        if habit == "flat":
            score = 3
        if habit == "careless" and clip.kind == "catch":
            score = 5
        session.serve(store, link.token, now.trial.position)
        now = session.rate(
            store,
            link.token,
            now.trial.position,
            score,
            plays=1,
            seconds_played=5.0,
            response_seconds=0.1 if habit == "hasty" else 1.5,
        )
    if now.step == "questions":
        for key, text in (("hearing", "no"), ("remarks", REMARK)):
            session.answer_question(store, link.token, key, text)
    return link.code


REMARK = '=HYPERLINK("http://evil.example","x")<script>alert(1)</script>'


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, str]]:
    path = tmp_path_factory.mktemp("study") / "s.sqlite"
    store = Store(sqlite_url(path), leaping_clock())
    sample_study(store, "s")
    codes = {f"good{i}": listener(store, i) for i in range(6)}
    for i, habit in enumerate(("flat", "careless", "hasty")):
        codes[habit] = listener(store, 50 + i, habit=habit)
    codes["left"] = listener(store, 60, stop=20)
    codes["out"] = listener(store, 61)
    store.exclude("s", codes["out"], True, "phoned <b>all</b> the time", "ann")
    listener(store, 62, habit="simulated")
    return store, codes


def test_who_is_analysed_and_who_is_flagged(full: tuple[Store, dict[str, str]]) -> None:
    store, codes = full
    result = analyse(store, "s")
    assert not result.simulated
    assert set(result.listeners) == set(codes.values()) - {codes["left"], codes["out"]}
    flagged = {code: {f.rule for f in flags} for code, flags in result.flags.items() if flags}
    assert flagged[codes["careless"]] == {"catch"}
    assert flagged[codes["hasty"]] == {"time"}
    assert flagged[codes["flat"]] >= {"straight-lining"}
    assert not any(codes[f"good{i}"] in flagged for i in range(6))
    assert result.flow == {
        "invited": 11,
        "agreed": 11,
        "failed the screening": 0,
        "began the trials": 11,
        "rated everything": 10,
        "excluded": 1,
        "analysed": 9,
        "of these flagged": 3,
    }
    assert len(result.without_flagged) == 5
    assert any("Only 9 listeners" in w for w in result.warnings)


def test_numbers_are_those_of_the_tests_alone(full: tuple[Store, dict[str, str]]) -> None:
    store, _ = full
    result = analyse(store, "s")
    rows = [r for r in store.ratings("s") if r.role == "test" and r.participant in result.listeners]
    for condition in result.conditions:
        mine = [r for r in rows if r.condition == condition.name]
        people = sorted({r.participant for r in mine})
        means = [np.mean([r.score for r in mine if r.participant == p]) for p in people]
        assert (
            condition.ratings == len(mine) == (27 if condition.name in ("swapped", "mono") else 135)
        )
        assert condition.mos.estimate == pytest.approx(np.mean(means))
        low, high = stats.t.interval(0.95, 8, np.mean(means), stats.sem(means))
        assert (condition.mos.low, condition.mos.high) == (pytest.approx(low), pytest.approx(high))
        assert sum(condition.scores) == condition.ratings
    estimates = {c.name: c.mos.estimate for c in result.conditions}
    for difference in result.differences:
        expected = estimates[difference.first] - estimates[difference.second]
        assert difference.main.estimate == pytest.approx(expected)
        assert difference.mixed is not None
        assert difference.mixed.estimate == pytest.approx(expected, abs=0.15)
    assert {(d.first, d.second) for d in result.differences} == {
        ("joint", "two_stage"),
        ("joint", "ground_truth"),
        ("two_stage", "ground_truth"),
        ("ground_truth", "swapped"),
        ("ground_truth", "mono"),
    }
    assert result.repeats.pairs == 27 and result.plan is not None and result.alpha is not None


def test_a_report_is_written_and_recorded(
    full: tuple[Store, dict[str, str]], tmp_path: Path
) -> None:
    store, codes = full
    result = write_report(store, "s", tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert (
        stored["conditions"][0]["name"] == "joint" and stored["data_sha256"] == result.data_sha256
    )
    text = (tmp_path / "report.md").read_text()
    assert "## Mean opinion scores" in text and "| joint | " in text and codes["flat"] in text
    with (tmp_path / "ratings.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(store.ratings("s"))
    assert {r["condition"] for r in rows} >= {"joint", "practice", "catch"}
    with store.reading() as connection:
        from sqlalchemy import text as sql

        assert connection.execute(sql("SELECT count(*) FROM analysis")).scalar() == 1
    again = write_report(store, "s", tmp_path)
    assert again.to_dict() == result.to_dict(), "the same data and seed give the same report"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_runs_and_loads_nothing(
    full: tuple[Store, dict[str, str]], tmp_path: Path
) -> None:
    write_report(full[0], "s", tmp_path)
    page = (tmp_path / "report.html").read_text()
    seen = Tags()
    seen.feed(page)
    allowed = """html meta title style h1 h2 p table tr th td figure figcaption strong em
    svg line text circle"""
    assert {tag for tag, _ in seen.tags} <= set(allowed.split())
    for _, attributes in seen.tags:
        assert not {a for a in attributes if a.startswith("on") or a in ("src", "href")}
    assert sum(tag == "svg" for tag, _ in seen.tags) == 2
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg|http-equiv", "", page)


def test_texts_of_listeners_are_no_formulas(
    full: tuple[Store, dict[str, str]], tmp_path: Path
) -> None:
    write_report(full[0], "s", tmp_path)
    for name in ("participants", "exclusions", "ratings", "stimuli"):
        with (tmp_path / f"{name}.csv").open() as stream:
            for row in csv.reader(stream):
                for cell in row:
                    number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
                    assert number or not cell.lstrip().startswith(("=", "+", "-", "@")), cell
    assert "alert(1)" in (tmp_path / "participants.csv").read_text()


def test_a_rehearsal_says_so(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "s.sqlite"), leaping_clock())
    sample_study(store, "s")
    with pytest.raises(SavgError, match="Nobody has finished"):
        analyse(store, "s")
    for i in range(2):
        listener(store, i, habit="simulated")
    result = write_report(store, "s", tmp_path / "report")
    assert result.simulated and result.warnings[0].startswith("SIMULATED")
    assert "SIMULATED" in (tmp_path / "report" / "simulated-report.html").read_text()


def test_one_listener_has_means_but_no_intervals(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "s.sqlite"), leaping_clock())
    sample_study(store, "s")
    listener(store, 1)
    result = write_report(store, "s", tmp_path / "report")
    assert all(c.mos.low is None and c.mos.estimate > 0 for c in result.conditions)
    assert result.mixed is None and result.plan is None and result.alpha is None


def rating(position: int, score: int, role: str = "test", **values: object) -> RatingRow:
    known = {
        "participant": "P",
        "condition": "a",
        "clip": f"{position}.mp4",
        "stimulus": f"{position}",
        "kind": "system",
        "expected": None,
        "repeat_of": None,
        "seconds": 5.0,
        "plays": 1,
        "seconds_played": 5.0,
        "response_seconds": 1.0,
        "served_at": 0.0,
        "rated_at": 6.0,
    }
    return RatingRow(position=position, score=score, role=role, **{**known, **values})  # type: ignore[arg-type]


def test_flags_follow_their_rules() -> None:
    rules = FlagRules()
    steady = [rating(i, 1 + i % 5) for i in range(20)]
    assert flags_of(rules, steady, {"huggins": [(6, 6)]}) == ()
    again = {"huggins": [(4, 6), (6, 6)], "channels": [(4, 4)]}
    (flag,) = flags_of(rules, steady, again)
    assert flag.rule == "screening" and "huggins" in flag.found
    off = [*steady, rating(20, 5, "repeat", repeat_of=0), rating(21, 1, "repeat", repeat_of=4)]
    assert [(a.score, b.score) for a, b in repeated(off)] == [(1, 5), (5, 1)]
    assert [f.rule for f in flags_of(rules, off, {})] == ["repeats"]
    near = [*steady, rating(20, 2, "repeat", repeat_of=0)]
    assert flags_of(rules, near, {}) == ()
    caught = [*steady, rating(20, 2, "catch", expected=4)]
    assert [f.rule for f in flags_of(rules, caught, {})] == ["catch"]
    assert flags_of(FlagRules(catch_wrong=2), caught, {}) == ()
    same = [rating(i, 4 if i < 16 else 2) for i in range(20)]
    assert [f.rule for f in flags_of(rules, same, {})] == ["straight-lining"]
    many = [rating(i, 1 + i % 5, plays=7, response_seconds=0.2) for i in range(20)]
    assert [f.rule for f in flags_of(rules, many, {})] == ["time", "plays"]


def test_ratings_against_spatial_av_align(tmp_path: Path) -> None:
    for i in range(6):
        frames = np.arange(6)
        events = SoundEvents(frames, np.zeros(6, int), np.where(frames < i, 100.0, 250.0))
        events.write_csv(tmp_path / f"clip{i}.events.csv")
        xyxy = np.tile([90.0, 60.0, 110.0, 120.0], (5, 1))
        Boxes(np.arange(5), np.zeros(5, int), xyxy).write_csv(tmp_path / f"clip{i}.boxes.csv")
    scores = clip_scores("a", tmp_path)
    assert [scores["a", f"clip{i}"] for i in range(6)] == pytest.approx([i / 6 for i in range(6)])
    rows = [rating(i, min(1 + i, 5), clip=f"clip{i}.mp4") for i in range(6)]
    rows += [rating(9, 1, "catch", clip="clip5.mp4"), rating(10, 1, clip="unknown.mp4")]
    condition = correlations(rows, scores)
    assert set(condition) == {"a", "all"} and condition["all"].clips == 6
    expected = stats.spearmanr([1, 2, 3, 4, 5, 5], range(6)).statistic
    assert condition["all"].spearman == pytest.approx(expected)
    with pytest.raises(SavgError, match="could not be read"):
        clip_scores("a", tmp_path / "none")
    (tmp_path / "clip0.boxes.csv").unlink()
    with pytest.raises(SavgError, match=r"no clip0\.boxes\.csv"):
        clip_scores("a", tmp_path)
