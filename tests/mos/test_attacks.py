"""What somebody with bad intentions may send to a listening test, and that it gets them nowhere.

Every reply is checked on the way: no traceback, no path of the server, no condition of the study.
"""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mos_organiser import Clock as OrganiserClock
from mos_organiser import Organiser, screen, server
from mos_organiser import rate as rate_on
from starlette.testclient import TestClient
from test_listen_routes import CLOCK, Listener, make

from savg.mos import session
from savg.mos.web.app import listening_app
from savg.mos.web.listen_routes import NO_LINK
from savg.mos.web.studies import Studies
from savg.tables import FORMULA

LEAKS = re.compile(
    r"Traceback|\.py\b|/tmp|/home|/usr|sqlite|psycopg|sqlalchemy|site-packages|File \"|line \d"
    r"|\"(condition|kind|expected|clip|scene|role|seed)\"",
    re.IGNORECASE,
)

SCRIPT = "<script>alert(1)</script>"


class Wary(TestClient):
    """Reads every reply for what must not be in it."""

    def request(self, *args: Any, **named: Any) -> Any:
        reply = super().request(*args, **named)
        if reply.headers.get("content-type", "").startswith(("application/json", "text/plain")):
            assert not LEAKS.search(reply.text), reply.text
        assert reply.status_code < 500 or reply.json()["reason"] == "busy", reply.text
        assert "default-src 'self'" in reply.headers["content-security-policy"]
        return reply


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    opened = Studies(root=tmp_path)
    for name in ("one", "two"):
        opened._open[name] = make(tmp_path / name, name)
    (tmp_path / "one" / "media" / "secret.txt").write_text("not for anybody")
    return opened


@pytest.fixture
def client(studies: Studies) -> TestClient:
    return Wary(listening_app(studies), raise_server_exceptions=False)


@pytest.fixture
def listener(client: TestClient, studies: Studies) -> Listener:
    found = Listener(client, studies)
    found.screened()
    return found


# Tokens


def test_every_wrong_token_gets_the_same_answer(client: TestClient, studies: Studies) -> None:
    right = Listener(client, studies).token
    stored = studies.get("one").store.engine
    with stored.connect() as connection:
        sha = connection.exec_driver_sql("SELECT token_sha256 FROM participant").scalar()
    guesses = [
        *("", "x", "A" * 32, "A" * 10_000, right[:-1], right + "A", right.swapcase(), sha),
        *("' OR '1'='1", "%", "null", "../../etc/passwd", "\x7f", "é" * 20),
        *(f"{right}\x00", f"{right} x", f"x {right}", f"{right},{right}"),
    ]
    assert right not in guesses
    app, answers = client.app, set()
    headers = [{b"Authorization": f"Bearer {guess}".encode("latin-1")} for guess in guesses]
    headers += [{b"Authorization": h.encode()} for h in (f"Basic {right}", right, f"bearer{right}")]
    for number, header in enumerate([*headers, {b"Authorization": b""}]):
        guesser = Wary(app, client=(f"203.0.113.{number}", 50_000))  # one address would be slowed
        for study in ("one", "two", "ghost", "one%00", "ONE"):
            reply = guesser.get(f"/listen/{study}/api/state", headers=header)  # type: ignore[arg-type]
            answers.add((reply.status_code, reply.content, str(sorted(reply.headers.items()))))
    assert len(answers) == 1
    status, content, _ = answers.pop()
    assert status == 401 and json.loads(content) == {"reason": "unknown", "sentence": NO_LINK}


def test_tokens_in_other_places_do_not_count(client: TestClient, studies: Studies) -> None:
    token = Listener(client, studies).token
    for address, more in (
        (f"/listen/one/api/state?token={token}", {}),
        ("/listen/one/api/state", {"cookies": {"token": token, "Authorization": token}}),
        ("/listen/one/api/state", {"headers": {"X-Authorization": f"Bearer {token}"}}),
    ):
        assert client.get(address, **more).status_code == 401


def test_guessing_is_slowed_by_address_alone(
    studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("savg.mos.web.listen_routes.asyncio.sleep", note)
    app = listening_app(studies)
    guesser, other = (Wary(app, client=(a, 50_000)) for a in ("203.0.113.5", "203.0.113.6"))
    address = "/listen/one/api/state"
    replies = [
        guesser.get(
            address,
            headers={"Authorization": f"Bearer {i:032d}", "X-Forwarded-For": f"198.51.100.{i}"},
        )
        for i in range(80)
    ]
    assert [r.status_code for r in replies] == [401] * 60 + [429] * 20
    assert len(waited) == 20 and min(waited) >= 1.0
    assert {r.headers.get("retry-after") for r in replies[60:]} == {"2"}
    assert other.get(address, headers={"Authorization": f"Bearer {0:032d}"}).status_code == 401
    assert Listener(guesser, studies).get("state").status_code == 200


def test_response_times_do_not_depend_on_the_token(studies: Studies) -> None:
    store = studies.get("one").store
    token = store.invite("one")[0].token
    near, far = token[:-1] + ("A" if token[-1] != "A" else "B"), "A" * len(token)
    took: dict[str, list[float]] = {near: [], far: []}
    for _ in range(150):
        for guess, seconds in took.items():
            began = time.perf_counter()
            with pytest.raises(session.RequestRejected):
                session.session_state(store, guess)
            seconds.append(time.perf_counter() - began)
    medians = [statistics.median(seconds) for seconds in took.values()]
    assert max(medians) < 1.5 * min(medians)


# Ratings


def a_rating(position: Any = 0, **change: Any) -> dict[str, Any]:
    return {
        "position": position,
        "score": 3,
        "plays": 1,
        "seconds_played": 1.0,
        "response_seconds": 0.5,
    } | change


def scores(studies: Studies, name: str = "one") -> list[tuple[int, int]]:
    return [(r.position, r.score) for r in studies.get(name).store.ratings(name)]


def test_nothing_is_rated_before_it_was_shown_and_played(
    listener: Listener, studies: Studies
) -> None:
    for position in range(5):
        assert listener.post("rating", **a_rating(position)).json()["reason"] == "not_served"
    for position in (1, 2, 4, 5, -1):
        assert listener.post("serve", position=position).json()["reason"] == "step"
    assert listener.post("serve", position=0).status_code == 200
    CLOCK.now += 0.9
    lie = a_rating(seconds_played=500.0, plays=99, response_seconds=100.0)
    assert listener.post("rating", **lie).json()["reason"] == "too_early"
    listener.post("serve", position=0)
    CLOCK.now += 0.06
    assert listener.post("rating", **a_rating(seconds_played=0.1)).json()["reason"] == "not_played"
    assert scores(studies) == []
    assert listener.post("rating", **a_rating()).status_code == 200
    assert scores(studies) == [(0, 3)]


def test_replayed_and_changed_ratings_change_nothing(listener: Listener, studies: Studies) -> None:
    listener.rated(0)
    listener.rated(1, score=5)
    again = [listener.post("rating", **a_rating()) for _ in range(3)]
    assert [r.status_code for r in again] == [200] * 3
    assert again[0].json()["trial"]["position"] == 2
    for score in (1, 2, 4, 5):
        assert listener.post("rating", **a_rating(score=score)).json()["reason"] == "conflict"
    assert listener.post("serve", position=0).json()["reason"] == "step"
    assert scores(studies) == [(0, 3), (1, 5)]


def test_steps_cannot_be_skipped(client: TestClient, studies: Studies) -> None:
    listener = Listener(client, studies)
    first = {"stage": "channels", "attempt": 0, "trial": 0, "answer": "left"}
    for act, body in (
        ("screening", first),
        ("serve", {"position": 0}),
        ("rating", a_rating()),
        ("answer", {"key": "remarks", "text": ""}),
    ):
        assert listener.post(act, **body).status_code == 409
    view = listener.post("consent", device={}).json()["screening"]
    here = {"stage": view["stage"], "attempt": 0, "trial": 0, "answer": view["choices"][0]}
    for change in ({"stage": "huggins"}, {"trial": 1}, {"trial": -1}, {"attempt": 1}):
        assert listener.post("screening", **(here | change)).status_code in (409, 422)
    assert listener.post("screening", **here).status_code == 200
    other = here | {"answer": view["choices"][1]}
    assert listener.post("screening", **other).json()["reason"] == "conflict"
    assert scores(studies) == []


# Others' data


def test_a_link_is_for_one_study_and_one_person(client: TestClient, studies: Studies) -> None:
    mine, theirs = Listener(client, studies), Listener(client, studies)
    mine.screened()
    state = theirs.screened()
    theirs.rated(0, score=5)
    clip = theirs.get("state").json()["trial"]["media"]
    reached = [
        name
        for name in (s.media for s in studies.get("one").store.study("one").stimuli)
        if mine.get(f"media/{name}").status_code == 200
    ]
    own = mine.get("state").json()
    assert set(reached) == {own["trial"]["media"], own["upcoming"]}
    assert state["code"] not in mine.get("state").text
    assert clip and scores(studies) == [(0, 5)]
    mine.study = "two"
    for path in ("state", f"media/{own['trial']['media']}"):
        assert mine.get(path).status_code == 401
    for act, body in (("serve", {"position": 0}), ("consent", {"device": {}})):
        assert mine.post(act, **body).status_code == 401
    assert studies.get("two").store.participants("two") == []


TRAVERSAL = [
    "../study.sqlite",
    "..%2fstudy.sqlite",
    "%2e%2e%2fstudy.sqlite",
    "%252e%252e%252fstudy.sqlite",
    "..%5cstudy.sqlite",
    "..%c0%afstudy.sqlite",
    "%e2%80%a5%2fstudy.sqlite",
    "..%00.mp4",
    "secret.txt",
    "secret.txt%00.mp4",
    "%00",
    "%2fetc%2fpasswd",
    "%2f%2fetc%2fpasswd.mp4",
    "C:%5cwindows%5cwin.ini",
    "%5c%5chost%5cshare%5cx.mp4",
    "file:%2f%2f%2fetc%2fpasswd",
    "~root",
    "*.mp4",
    "%25",
    "CON.mp4",
    "a" * 5000 + ".mp4",
    "%ed%a0%80.mp4",
    "-.mp4",
    ".mp4",
]


def test_media_names_lead_nowhere_else(listener: Listener) -> None:
    own = listener.get("state").json()["trial"]["media"]
    names = [*TRAVERSAL, f"..%2fmedia%2f{own}", f"{own}%00", f"{own}%20", f".%2f{own}"]
    names += [own.upper(), own.removesuffix(".mp4"), f"{own}/", f"{own};.txt"]
    for name in names:
        reply = listener.client.get(
            f"/listen/one/api/media/{name}", headers=listener.headers, follow_redirects=False
        )
        assert reply.status_code in (404, 401), (name, reply.status_code)
        assert b"SQLite" not in reply.content and b"not for anybody" not in reply.content
    assert listener.get(f"media/{own}").status_code == 200


def test_study_names_lead_nowhere_else(listener: Listener) -> None:
    pages = set()
    for name in [*TRAVERSAL, "one%2f..", "two%2f..%2fone", "%6fne%00", "One"]:
        if "/" in name:
            continue
        page = listener.client.get(f"/listen/{name}", follow_redirects=False)
        if page.status_code == 200:
            pages.add(page.content)
        api = listener.client.get(
            f"/listen/{name}/api/state", headers=listener.headers, follow_redirects=False
        )
        assert api.status_code in (401, 404, 429), name
    assert len(pages) == 1
    for name in ("../../app.py", "..%2f..%2fapp.py", "%2e%2e/app.py", "..%5c..%5capp.py", "%00"):
        reply = listener.client.get(f"/listen/_page/{name}", follow_redirects=False)
        assert reply.status_code in (404, 401), name
        assert b"import" not in reply.content


# Bodies

BAD_BODIES: list[tuple[str, bytes]] = [
    ("nan", b'{"device": {"x": NaN}}'),
    ("infinity", b'{"device": {"x": -Infinity}}'),
    ("overflow", b'{"device": {"x": 1e999}}'),
    ("digits", b'{"device": {"x": ' + b"9" * 5000 + b"}}"),
    ("twice", b'{"device": {}, "device": {"y": 1}}'),
    ("twice_inside", b'{"device": {"a": 1, "a": 2}}'),
    ("surrogate", b'{"device": {"x": "\\ud800"}}'),
    ("surrogate_key", b'{"device": {"\\udfff": 1}}'),
    ("bytes", b'{"device": {"x": "\xff\xfe"}}'),
    ("utf16", '{"device": {}}'.encode("utf-16")),
    ("bom", b'\xef\xbb\xbf{"device": {}}'),
    ("empty", b""),
    ("null", b"null"),
    ("list", b'[{"device": {}}]'),
    ("more", b'{"device": {}, "status": "done"}'),
    ("proto", b'{"device": {}, "__proto__": {"step": "done"}}'),
    ("wrong", b'{"device": "text"}'),
    ("long", b'{"device": {"x": "' + b"a" * 5000 + b'"}}'),
    ("huge", b'{"device": {"x": "' + b"a" * 20_000 + b'"}}'),
    ("cut", b'{"device": {'),
    ("two", b'{"device": {}}{"device": {}}'),
]


@pytest.mark.parametrize("body", [b for _, b in BAD_BODIES], ids=[n for n, _ in BAD_BODIES])
def test_bad_bodies_are_refused_and_nothing_is_stored(
    client: TestClient, studies: Studies, body: bytes
) -> None:
    listener = Listener(client, studies)
    headers = listener.headers | {"Content-Type": "application/json"}
    reply = client.post("/listen/one/api/consent", content=body, headers=headers)
    assert reply.status_code in (413, 422), reply.text
    assert set(reply.json()) == {"reason", "sentence"}
    assert listener.get("state").json()["step"] == "invited"


@pytest.mark.parametrize("depth", [20, 100, 400, 480, 700, 950, 990, 2500])
@pytest.mark.parametrize("kind", ["[]", "{}"])
def test_deep_json_is_refused(client: TestClient, studies: Studies, depth: int, kind: str) -> None:
    listener = Listener(client, studies)
    opening, closing = ("[", "]") if kind == "[]" else ('{"a":', "}")
    body = '{"device": {"x": ' + opening * depth + "1" + closing * depth + "}}"
    headers = listener.headers | {"Content-Type": "application/json"}
    reply = client.post("/listen/one/api/consent", content=body, headers=headers)
    assert reply.status_code in (413, 422), reply.status_code
    assert listener.get("state").json()["step"] == "invited"


@pytest.mark.parametrize(
    "kind",
    [
        *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/jsonp", "text/json", "application/json-patch+json", "application/xml"),
    ],
)
def test_only_json_is_taken(client: TestClient, studies: Studies, kind: str) -> None:
    listener = Listener(client, studies)
    headers = listener.headers | {"Content-Type": kind}
    reply = client.post("/listen/one/api/consent", content=b'{"device": {}}', headers=headers)
    assert reply.status_code == 415
    assert listener.get("state").json()["step"] == "invited"


ODD: list[Any] = [
    *(None, True, False, "0", 0.0, 0.5, [], {}, [0], "", -1, 2**31, 2**63, 2**64, 10**400, -(10**400)),
    *("\x00", "'; DROP TABLE rating; --", "x" * 3000),
]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=lambda v: repr(v)[:24])
def test_odd_values_are_refused_everywhere(
    client: TestClient, studies: Studies, value: Any
) -> None:
    listener = Listener(client, studies)
    view = listener.post("consent", device={}).json()["screening"]
    now = {"stage": view["stage"], "attempt": 0, "trial": 0, "answer": view["choices"][0]}
    for name in now:
        if value == now[name] and type(value) is type(now[name]):
            continue
        reply = listener.post("screening", **(now | {name: value}))
        assert reply.status_code in (409, 422), (name, reply.text)
    listener.screened()
    listener.post("serve", position=0)
    CLOCK.now += 5
    for name in a_rating():
        if name in ("seconds_played", "response_seconds") and value in (0.0, 0.5, 2**31, -1):
            continue
        reply = listener.post("rating", **a_rating(**{name: value}))
        assert reply.status_code in (409, 422), (name, reply.text)
    assert listener.post("serve", position=value).status_code in (409, 422)
    for body in ({"key": value, "text": ""}, {"key": "remarks", "text": value}):
        assert listener.post("answer", **body).status_code in (409, 422)
    assert scores(studies) == []
    assert listener.post("rating", **a_rating()).status_code == 200


# Methods and addresses


def test_other_methods_are_refused(listener: Listener, studies: Studies) -> None:
    paths = ["state", "facts", "consent", "screening", "serve", "rating", "answer", "media/x.mp4"]
    for path in paths:
        reading = path in ("state", "facts") or path.startswith("media")
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST" if reading else "GET"):
            reply = listener.client.request(
                method,
                f"/listen/one/api/{path}",
                headers=listener.headers | {"X-HTTP-Method-Override": "GET"},
                follow_redirects=False,
            )
            assert reply.status_code == 405, (method, path)
    assert listener.get("state").json()["step"] == "trials"


def test_the_host_header_leads_nowhere(listener: Listener) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1@evil.example", "[::1"):
        for path in (
            "/listen/one",
            "/listen/one/",
            "/listen/one/api/state/",
            "/listen",
            "/admin/x/",
        ):
            reply = listener.client.get(
                path, headers=listener.headers | {"Host": host}, follow_redirects=False
            )
            assert "evil" not in reply.text
            assert "evil" not in str(reply.headers)


def test_nothing_of_a_request_enters_the_headers(listener: Listener) -> None:
    for path in (
        "/listen/one%0d%0aSet-Cookie:%20a=b",
        "/listen/one/api/media/x%0d%0aSet-Cookie:%20a=b",
        "/listen/one%0d%0a%0d%0a<script>",
        "/%0d%0aLocation:%20//evil.example",
        "//evil.example/listen/one",
        "/listen//evil.example",
    ):
        reply = listener.client.get(path, headers=listener.headers, follow_redirects=False)
        assert "set-cookie" not in reply.headers and "location" not in reply.headers
        assert "evil" not in str(reply.headers) and b"<script>alert" not in reply.content


# What organisers see of listeners' texts

REMARKS = [
    f'{SCRIPT}"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r\n=1",
    "\u200b=1",
    "＝1+1",
    "ends in a backslash \\",
    "\\u0000 \\\\u0000 \x00",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "\u202e reversed \ufeff",
    "a" * 4000,
]


def test_texts_of_listeners_do_no_harm_to_organisers(tmp_path: Path) -> None:
    clock = OrganiserClock()
    found, folder = server(tmp_path, clock)
    organiser = Organiser(found)
    codes = []
    for remark in REMARKS:
        link = folder.store.invite("small")[0]
        headers = {"Authorization": f"Bearer {link.token}"}
        device = {"browser": remark[:500], remark[:200]: "key", "n": [remark[:100]]}
        address = "/listen/small/api"
        sent = organiser.client.post(f"{address}/consent", json={"device": device}, headers=headers)
        assert sent.status_code == 200, sent.text
        screen(folder.store, link.token)
        rate_on(folder.store, link.token, clock)
        for key, text in (("hearing", "no"), ("remarks", remark)):
            body = {"key": key, "text": text}
            sent = organiser.client.post(f"{address}/answer", json=body, headers=headers)
            assert sent.status_code == 200, sent.text
        codes.append(link.code)
    folder.store.exclude("small", codes[0], True, f"=1+1 {SCRIPT}", "@ann")
    assert len(folder.store.participants("small")) == len(REMARKS)

    organiser.log_in()
    places = ["", "studies/small", "live/small", "studies/small/report"]
    for place in [*places, *(f"studies/small/people/{code}" for code in codes)]:
        reply = organiser.get(place)
        assert reply.status_code == 200, (place, reply.text[:300])
        assert "<script>alert" not in reply.text and "<img src=x" not in reply.text
        assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b(?= \{%)", reply.text)
    archive = zipfile.ZipFile(io.BytesIO(organiser.post("studies/small/export").content))
    tables = 0
    for name in archive.namelist():
        content = archive.read(name)
        if name.endswith((".html", ".md")):
            assert b"<script>alert" not in content and b"<img src=x" not in content
        if name.endswith(".csv"):
            tables += 1
            for row in csv.reader(io.StringIO(content.decode("utf-8"))):
                for cell in row:
                    number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
                    assert number or not cell.lstrip().startswith(FORMULA), (name, cell)
        if name.endswith(".json"):
            json.loads(content)
    assert tables == 4
