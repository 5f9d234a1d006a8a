"""What an organiser sees and does in /admin: progress, links, decisions, status, export, report."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mos_organiser import Clock, Organiser, listener, rate, screen, server
from starlette.testclient import TestClient

from savg.mos.storage.store import token_hash
from savg.mos.study.folder import StudyFolder

NASTY = (
    '=HYPERLINK("http://evil.example","x")<script>alert(1)</script>\'"><img src=x onerror=alert(1)>'
)


class VisibleText(HTMLParser):
    """Tags with their attributes, and the text, of a page as a browser would take it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, clock: Clock) -> StudyFolder:
    return server(tmp_path, clock)[1]


@pytest.fixture
def organiser(folder: StudyFolder, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Organiser:
    from savg.mos.web.admin import pages
    from savg.mos.web.studies import Studies

    monkeypatch.setattr(pages, "LIVE_SECONDS", 1e-6)
    studies = Studies(root=folder.path.parent)
    studies._open[folder.name] = folder
    return Organiser(studies).log_in()


def test_progress_is_that_of_the_listeners(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    assert "Nobody is invited yet" in organiser.get("studies/small").text
    done = [listener(folder, clock) for _ in range(2)]
    half = listener(folder, clock, stop=5)
    out = folder.store.invite("small")[0]
    assert screen(folder.store, out.token, right=False).step == "screened_out"
    rehearsed = listener(folder, clock, simulated=True)
    unused = folder.store.invite("small", 3)
    seen = VisibleText(organiser.get("live/small").text).text
    for tile in ("3 not begun", "0 in screening", "1 in trials", "2 done", "1 screened out"):
        assert tile in seen
    assert "1 simulated listener not counted" in seen
    assert f"{12 + 12 + 5} of 36 ratings of those who began" in seen
    assert "3 links not used yet" in seen
    for code in (*done, half, out.code, rehearsed, *(link.code for link in unused)):
        assert code in seen
    ratings = [r for r in folder.store.ratings("small") if r.role == "test"]
    mine = [r for r in ratings if r.participant != rehearsed]
    for name, each in (("joint", 2), ("ground_truth", 2), ("mono", 1)):
        of_it = [r for r in mine if r.condition == name]
        clips = 12 if name == "mono" else 6
        covered = len({r.stimulus for r in of_it})
        assert f"{name} {each} {len(of_it)} {covered} of {clips}" in seen
    folder.store.exclude("small", done[0], True, "left early", "ann")
    seen = VisibleText(organiser.get("live/small").text).text
    counted = [r for r in mine if r.participant != done[0] and r.condition == "joint"]
    assert f"joint 2 {len(counted)} " in seen and "1 excluded" in seen
    assert "1 decision about participants" in seen and "left early" in seen


def test_parts_of_a_page_lead_where_the_page_leads(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    """A part is put into its page, so its relative addresses are those of the page."""
    listener(folder, clock)
    for page, part in (("studies/small", "live/small"), ("", "works")):
        whole = organiser.get(page).text
        assert f'data-live="{"../" if "/" in page else "./"}{part}"' in whole
        assert organiser.get(part).text.strip() in whole


def test_overview_has_every_study(organiser: Organiser, folder: StudyFolder, clock: Clock) -> None:
    listener(folder, clock, stop=3)
    seen = VisibleText(organiser.get().text)
    assert "0 done · 1 on the way · 0 not begun" in seen.text
    assert ("a", {"href": "./studies/small"}) in seen.tags
    assert "--root DIR" in seen.text  # no place for new studies here


def test_flags_are_shown_with_their_findings(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    code = listener(folder, clock, scores=[3])
    seen = VisibleText(organiser.get(f"studies/small/people/{code}").text).text
    assert ("1 of 1 catch trials wrong" in seen) == (catch_asks(folder, code) != 3)
    assert "12 of 12" in seen and "3 in 100 %" in seen and "channels 4 of 4 right" in seen
    assert "Ratings (12)" in seen and "2.0 s after the clip" in seen


def catch_asks(folder: StudyFolder, code: str) -> int | None:
    catch_ratings = [
        r for r in folder.store.ratings("small") if r.participant == code and r.expected
    ]
    return catch_ratings[0].expected


def test_texts_of_participants_are_escaped(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    from savg.mos import session

    link = folder.store.invite("small")[0]
    session.consent(folder.store, link.token, {NASTY: NASTY, "list": [NASTY]})
    code = listener(folder, clock, remark=NASTY)
    folder.store.exclude("small", code, True, NASTY, NASTY[:80])
    places = ("", "studies/small", "live/small", f"studies/small/people/{code}")
    for place in (*places, f"studies/small/people/{link.code}", "studies/small/report"):
        seen = VisibleText(organiser.get(place).text)
        scripts = [a for tag, a in seen.tags if tag == "script"]
        assert all(set(a) == {"type", "src"} for a in scripts)
        assert not [a for tag, a in seen.tags if tag == "img" or any(k[:2] == "on" for k in a)]
    assert NASTY in VisibleText(organiser.get(f"studies/small/people/{code}").text).words
    reply = organiser.post(f"studies/small/people/{code}/decision", excluded="maybe", reason=NASTY)
    assert reply.status_code == 422 and "<script>a" not in reply.text


def test_excluding_and_taking_back_leave_a_trail(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    code = listener(folder, clock)
    place = f"studies/small/people/{code}"
    empty = organiser.post(f"{place}/decision", excluded="yes", reason="   ")
    assert empty.status_code == 422 and "needs a reason" in empty.text
    assert (
        "x" * 2001 in organiser.post(f"{place}/decision", excluded="yes", reason="x" * 2001).text
    )  # what was typed is not lost
    assert folder.store.exclusions("small") == []
    reply = organiser.post(f"{place}/decision", excluded="yes", reason="phoned")
    assert reply.url.path == f"/admin/{place}" and "is excluded from the analysis" in reply.text
    assert "is excluded from the analysis" not in organiser.get(place).text
    organiser.post(f"{place}/decision", excluded="no", reason="was the neighbour")
    trail = [(e.excluded, e.reason, e.who) for e in folder.store.exclusions("small")]
    assert trail == [(True, "phoned", "ann"), (False, "was the neighbour", "ann")]
    seen = VisibleText(organiser.get(place).text).text
    assert seen.index("phoned") < seen.index("was the neighbour")
    assert organiser.post("studies/small/people/ABCDEF/decision", excluded="yes", reason="x"
                          ).status_code == 404  # fmt: skip


def test_status_reaches_listeners(organiser: Organiser, folder: StudyFolder) -> None:
    for status in ("paused", "closed", "open"):
        reply = organiser.post("studies/small/status", status=status)
        assert reply.url.path == "/admin/studies/small"
        assert folder.store.study("small").status == status
        facts = TestClient(organiser.app).get("/listen/small/api/facts").json()
        assert facts["open"] == (status == "open")
    assert organiser.post("studies/small/status", status="gone").status_code == 422
    assert organiser.post("studies/other/status", status="open").status_code == 404


def make_links(organiser: Organiser, **fields: str) -> Any:
    once = organiser.hidden("studies/small/links", "once")
    return organiser.post("studies/small/links", **{"once": once, "number": "3"} | fields)


LINK = re.compile(r'href="\.\./\.\./\.\./listen/small#([\w-]{32})"')


def test_links_are_shown_once_and_work(organiser: Organiser, folder: StudyFolder) -> None:
    reply = make_links(organiser)
    tokens = LINK.findall(reply.text)
    assert len(set(tokens)) == 3
    for token in tokens:
        state = TestClient(organiser.app).get(
            "/listen/small/api/state", headers={"Authorization": f"Bearer {token}"}
        )
        assert state.json()["step"] == "invited" and state.json()["code"] in reply.text
        assert f"http://testserver/listen/small#{token}" in reply.text
    for place in ("studies/small/links", "studies/small", "live/small", ""):
        assert not any(token in organiser.get(place).text for token in tokens)
    once = re.search(r'name="once" value="([^"]+)"', reply.text)
    assert once and not any(p.simulated for p in folder.store.participants("small"))
    again = organiser.post("studies/small/links", once=once[1], number="1", simulated="yes")
    assert "for simulated listeners" in again.text and len(LINK.findall(again.text)) == 1
    reload = organiser.post("studies/small/links", once=once[1], number="1")
    assert reload.status_code == 422 and "shown only once" in reload.text
    people = folder.store.participants("small")
    assert [p.simulated for p in people] == [False] * 3 + [True]


@pytest.mark.parametrize("number", ["0", "201", "-1", "1e2", "", "٣", "999999999999", "2.0"])
def test_number_of_links_has_bounds(organiser: Organiser, folder: StudyFolder, number: str) -> None:
    reply = make_links(organiser, number=number)
    assert reply.status_code == 422 and "must be a whole number in 1..200" in reply.text
    assert folder.store.participants("small") == []


def test_a_closed_study_makes_no_links(organiser: Organiser, folder: StudyFolder) -> None:
    folder.store.set_status("small", "closed")
    assert "is closed" in make_links(organiser).text
    assert folder.store.participants("small") == []


def unzip(reply: Any) -> dict[str, str]:
    assert reply.headers["content-type"] == "application/zip"
    assert reply.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.testzip() is None
        return {n.split("/")[1]: archive.read(n).decode() for n in archive.namelist()}


def test_export_holds_everything_and_nothing_runs(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    before = unzip(organiser.post("studies/small/export"))
    assert "Nobody has finished" in before["no-report.txt"] and "report.html" not in before
    code = listener(folder, clock, remark=NASTY)
    listener(folder, clock)
    folder.store.exclude("small", code, True, "@SUM(1)", "ann")
    reply = organiser.post("studies/small/export")
    assert re.search(r'filename="small-\d{8}-\d{4}\.zip"', reply.headers["content-disposition"])
    files = unzip(reply)
    assert {"report.html", "report.json", "design.json", "ratings.csv"} <= set(files)
    assert len(list(csv.DictReader(io.StringIO(files["ratings.csv"])))) == 24
    design = json.loads(files["design.json"])
    assert design["exclusions"][0]["reason"] == "@SUM(1)"
    assert design["study"]["name"] == "small"
    for name, text in files.items():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(text)):
                assert not [cell for cell in row if cell.lstrip()[:1] in tuple("=+-@|%")], name
    everything = "".join(files.values())
    assert str(folder.path) not in everything and "token" not in everything


def test_tokens_are_in_no_page_and_no_export(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    link = folder.store.invite("small")[0]
    screen(folder.store, link.token)
    rate(folder.store, link.token, clock)
    texts = "".join(unzip(organiser.post("studies/small/export")).values())
    for place in ("studies/small", f"studies/small/people/{link.code}", "studies/small/report"):
        texts += organiser.get(place).text
    assert link.token not in texts and token_hash(link.token) not in texts


def test_report_is_that_of_the_analysis(
    organiser: Organiser, folder: StudyFolder, clock: Clock
) -> None:
    from savg.mos.results.analysis import analyse

    empty = organiser.get("studies/small/report")
    assert empty.status_code == 200 and "Nobody has finished study small yet" in empty.text
    for i in range(3):
        listener(folder, clock, scores=[1 + i, 3, 5])
    seen = VisibleText(organiser.get("studies/small/report").text)
    result = analyse(folder.store, "small")
    for condition in result.conditions:
        assert f"{condition.name} {condition.mos.estimate:.2f}" in seen.text
    assert "The study is still open" in seen.text
    assert [tag for tag, _ in seen.tags].count("svg") == 3  # the logo and two figures
    code = result.listeners[0]
    folder.store.exclude("small", code, True, "x", "ann")
    assert "2 listeners." in VisibleText(organiser.get("studies/small/report").text).text


def test_a_rehearsal_says_so(organiser: Organiser, folder: StudyFolder, clock: Clock) -> None:
    listener(folder, clock, simulated=True)
    assert "This is a rehearsal" in organiser.get("studies/small/report").text
    assert "simulated listeners only" in organiser.get("studies/small").text


@pytest.mark.parametrize(
    "place",
    ["studies/other", "studies/small/people/ABCDEF", "studies/..%2f..%2fetc", "zip", "login"],
)
def test_unknown_pages_are_not_found(organiser: Organiser, place: str) -> None:
    reply = organiser.get(place)
    assert reply.status_code in (404, 405) and "Traceback" not in reply.text


def test_a_database_in_trouble_is_one_sentence(
    organiser: Organiser, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    def broken(*_: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("/a/path"))

    monkeypatch.setattr(type(folder.store), "participants", broken)
    reply = organiser.get("studies/small")
    assert reply.status_code == 503 and "busy or unreachable" in reply.text
    assert "secret" not in reply.text and "/a/path" not in reply.text
