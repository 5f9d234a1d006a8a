"""Who gets into /admin: the password, how often it may be tried, sessions, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mos_organiser import PASSWORD, Clock, Organiser, server
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from savg.mos.web.admin.routes import PATH, admin_mount
from savg.mos.web.app import listening_app, routes
from savg.mos.web.studies import Studies
from savg.web import login
from savg.web.addresses import client_key
from savg.web.login import COOKIE, SESSION_SECONDS, LoginThrottle, Sessions


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    return server(tmp_path, Clock())[0]


def test_a_client_waits_longer_after_each_wrong_password() -> None:
    clock = Clock()
    throttle = LoginThrottle("right one", clock)
    assert [throttle.try_password("a", "wrong") for _ in range(3)] == [-1, -1, -1]
    waits = []
    for _ in range(8):
        waits.append(throttle.try_password("a", "wrong"))
        assert throttle.try_password("a", "right one") > 0  # short: it could be guessed
        assert throttle.try_password("b", "right one") == 0  # no client waits for another
        clock.now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert throttle.try_password("a", "right one") == 0
    assert throttle.try_password("a", "wrong") == -1


def test_guesses_never_lock_out_whoever_knows_a_long_password() -> None:
    clock, right = Clock(), "x" * login.SURE_PASSWORD
    throttle = LoginThrottle(right, clock)
    for i in range(20_000):
        throttle.try_password("proxy", f"wrong {i}")
        throttle.try_password(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", "wrong")
    assert throttle.try_password("proxy", "wrong") > 0
    assert throttle.try_password("proxy", right) == 0
    assert throttle.try_password("elsewhere", right) == 0
    for near in (right[:-1], right + "x", "", right.upper()):
        assert throttle.try_password("proxy", near) != 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("x" * 500, "x" * 400, True),
    ],
)
def test_what_counts_as_one_client(one: str, other: str, same: bool) -> None:
    assert (client_key(one) == client_key(other)) == same


def test_sessions_end_and_are_not_endless_in_number() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first = sessions.begin("ann")
    assert sessions.get(first).who == "ann"  # type: ignore[union-attr]
    assert sessions.get("") is None and sessions.get(first[:-1]) is None
    clock.now += SESSION_SECONDS - 1
    assert sessions.get(first) is not None
    clock.now += 1
    assert sessions.get(first) is None
    keys = [sessions.begin("bob") for _ in range(login.MOST_SESSIONS + 5)]
    assert [sessions.get(k) is None for k in keys[:6]] == [True] * 5 + [False]
    sessions.end(keys[-1])
    assert sessions.get(keys[-1]) is None


def leaves(found: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and address of every route of an application."""
    for route in found:
        if isinstance(route, Mount):
            if route.routes:
                yield from leaves(list(route.routes), prefix + route.path)
        elif isinstance(route, Route):
            for method in route.methods or ():
                yield method, prefix + route.path


@pytest.mark.parametrize("mounted", [False, True])
def test_every_route_refuses_without_a_session(studies: Studies, mounted: bool) -> None:
    if mounted:
        app = Starlette(routes=routes(studies, PASSWORD))
    else:
        app = listening_app(studies, PASSWORD)
    folder = studies.get("small")
    link = folder.store.invite("small")[0]
    values = {"study": "small", "code": link.code, "number:int": "1", "rest:path": "x/y"}
    found = [(m, p) for m, p in leaves(list(app.routes)) if p.startswith("/admin")]
    assert len(found) > 20
    count = 0
    for method, path in found:
        if path in ("/admin", "/admin/login"):
            continue
        address = re.sub(r"\{([^}]+)\}", lambda m: values[m[1]], path)
        for headers in (
            {},
            {"cookie": f"{COOKIE}=made-up"},
            {"authorization": f"Bearer {link.token}"},
            {"cookie": f"{COOKIE}={link.token}"},
        ):
            reply = TestClient(app).request(method, address, headers=headers)
            assert reply.status_code == 401, (method, address)
            text = reply.text.replace(address.removeprefix("/admin/"), "")
            assert link.code not in text and "joint" not in text
            assert "csrf" not in reply.text
        count += 1
    assert count >= 20
    assert folder.store.study("small").status == "open"
    assert len(folder.store.participants("small")) == 1


def test_without_a_password_there_is_no_admin(studies: Studies) -> None:
    client = TestClient(listening_app(studies))
    for place in ("/admin", "/admin/", "/admin/login", "/admin/_page/admin.css"):
        assert client.get(place).status_code == 404
    assert client.post("/admin/login", data={"password": ""}).status_code == 404


def test_logging_in_and_out(studies: Studies) -> None:
    organiser = Organiser(studies)
    client = organiser.client
    assert client.get("/admin").url.path == "/admin/"
    wrong = client.post("/admin/login", data={"password": PASSWORD[:-1]})
    assert wrong.status_code == 401 and "Wrong password" in wrong.text
    assert not wrong.headers.get_list("set-cookie")
    organiser.log_in("  ann\n<b> ")
    assert "ann &lt;b&gt;" in organiser.get().text
    key = client.cookies[COOKIE]
    assert organiser.post("logout").status_code == 401  # the login page
    assert client.get("/admin/").status_code == 401
    again = TestClient(organiser.app, cookies={COOKIE: key})
    assert again.get("/admin/").status_code == 401


def test_cookie_is_out_of_reach(studies: Studies) -> None:
    for scheme in ("http", "https"):
        client = TestClient(listening_app(studies, PASSWORD), base_url=f"{scheme}://lab.example")
        reply = client.post(
            "/admin/login", data={"password": PASSWORD, "wanted": "new"}, follow_redirects=False
        )
        cookie = reply.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "max-age" in cookie
        assert ("secure" in cookie) == (scheme == "https")
        assert "path=" not in cookie  # the browser takes the folder of the address
        assert (reply.status_code, reply.headers["location"]) == (303, "./new")


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https:evil", "..", "a/../..", "\\evil", "a?b"]
)
def test_a_login_leads_nowhere_else(studies: Studies, wanted: str) -> None:
    assert not PATH.fullmatch(wanted)
    reply = TestClient(listening_app(studies, PASSWORD)).post(
        "/admin/login", data={"password": PASSWORD, "wanted": wanted}, follow_redirects=False
    )
    assert reply.headers["location"] == "./"


def test_login_page_comes_at_the_requested_address(studies: Studies) -> None:
    organiser = Organiser(studies)
    assert organiser.hidden("studies/small", "wanted") == "studies/small"
    reply = organiser.client.post(
        "/admin/login", data={"password": PASSWORD, "wanted": "studies/small"}
    )
    assert reply.url.path == "/admin/studies/small"


def test_too_many_wrong_passwords_over_http(studies: Studies) -> None:
    client = TestClient(listening_app(studies, PASSWORD))
    replies = [client.post("/admin/login", data={"password": "x"}) for _ in range(6)]
    assert [r.status_code for r in replies] == [401, 401, 401, 429, 429, 429]
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert len(PASSWORD) >= login.SURE_PASSWORD
    assert "Log out" in client.post("/admin/login", data={"password": PASSWORD}).text


def test_a_form_counts_only_from_a_page_of_the_session(studies: Studies) -> None:
    organiser = Organiser(studies).log_in()
    other = Organiser(studies).log_in()
    client, place = organiser.client, "/admin/studies/small/status"
    right = {"csrf": organiser.csrf(), "status": "closed"}
    refused = [
        client.post(place, data={"status": "closed"}),
        client.post(place, data={"status": "closed", "csrf": "é" * 30}),
        client.post(place, data={"status": "closed", "csrf": other.csrf()}),
        client.post(place, data=right, headers={"sec-fetch-site": "cross-site"}),
        client.post(place, json=right),
        client.post(place, data={**right, "more": "x" * 70_000}),
        client.post(place, content=b"a=1&" * 300, headers={"content-type": FORM}),
    ]
    assert [r.status_code for r in refused] == [403, 403, 403, 403, 415, 413, 422]
    assert studies.get("small").store.study("small").status == "open"
    assert client.get(place).status_code == 404
    reply = client.post(place, data=right, headers={"sec-fetch-site": "same-origin"})
    assert reply.status_code == 200
    assert studies.get("small").store.study("small").status == "closed"


FORM = "application/x-www-form-urlencoded"


def test_every_reply_is_strict(studies: Studies) -> None:
    organiser = Organiser(studies).log_in()
    for place in ("", "new", "studies/small", "live/small", "nowhere", "_page/admin.js"):
        reply = organiser.get(place)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"
        if not place.startswith("_page"):
            assert reply.headers["x-frame-options"] == "DENY"
            assert not re.search(
                r"\sstyle=|\son\w+=|<style|<script(?! type=\"module\" src)", reply.text
            )
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//', reply.text)


def test_pages_work_below_a_prefix(studies: Studies) -> None:
    """A proxy that takes a prefix away without a word, and one that names it."""
    app = listening_app(studies, PASSWORD)
    for client, before in ((TestClient(app), ""), (TestClient(app, root_path="/lab"), "/lab")):
        page = client.get(f"{before}/admin/studies/small/links")
        assert 'name="wanted" value="studies/small/links"' in page.text
        assert 'action="../../login"' in page.text and 'href="../../_page/admin.css"' in page.text
    assert TestClient(app).get("/admin", follow_redirects=False).headers["location"] == "admin/"


def test_clock_of_sessions_is_the_servers(studies: Studies) -> None:
    clock = Clock()
    app = Starlette(routes=[admin_mount(studies, PASSWORD, clock=clock)])
    client = TestClient(app)
    assert client.post("/admin/login", data={"password": PASSWORD}).status_code == 200
    clock.now += SESSION_SECONDS
    assert client.get("/admin/").status_code == 401
