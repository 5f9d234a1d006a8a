"""/listen over HTTP: a session from consent to completion code, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from savg.errors import SavgError
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import Condition, Question, Stimulus, Study
from savg.mos.study.folder import StudyFolder, describe_folder
from savg.mos.study.screening import ScreeningSound, stages
from savg.mos.web.app import listening_app
from savg.mos.web.studies import Studies


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


def small_study(name: str) -> Study:
    return Study(
        name,
        (Condition("a", 2), Condition("b", 2)),
        practice=1,
        repeats=0,
        catch=0,
        questions=(Question("remarks", "Anything?"),),
    )


def make(folder: Path, name: str) -> StudyFolder:
    """A study whose files are a few bytes each, whose answers are in their names."""
    media = folder / "media"
    media.mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"), CLOCK)
    study = small_study(name)
    clips = [Stimulus(f"{name}x{c}{i}", c, f"{c}{i}", f"{c}{i}", "system", 1.0)
             for c in "ab" for i in range(3)]  # fmt: skip
    clips.append(Stimulus(f"{name}xp", "practice", "p", "p", "practice", 1.0))
    sounds = [
        ScreeningSound(f"{rule.stage}{answer}", rule.stage, answer)
        for rule in stages("remote")
        for answer in rule.choices
    ]
    store.create_study(study, clips, sounds)
    for item in (*clips, *sounds):
        (media / item.media).write_bytes(item.id.encode())
    describe_folder(folder, name)
    return StudyFolder(folder, name, store)


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    opened = Studies(root=tmp_path)
    for name in ("one", "two"):
        opened._open[name] = make(tmp_path / name, name)
    return opened


@pytest.fixture
def client(studies: Studies) -> TestClient:
    return TestClient(listening_app(studies))


class Listener:
    def __init__(self, client: TestClient, studies: Studies, study: str = "one") -> None:
        self.client, self.study = client, study
        self.token = studies.get(study).store.invite(study)[0].token
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def post(self, act: str, **body: Any) -> Any:
        url = f"/listen/{self.study}/api/{act}"
        return self.client.post(url, json=body, headers=self.headers)

    def get(self, path: str) -> Any:
        return self.client.get(f"/listen/{self.study}/api/{path}", headers=self.headers)

    def screened(self) -> Any:
        state = self.post("consent", device={"browser": "x"}).json()
        while state["step"] == "screening":
            view = state["screening"]
            heard = self.get(f"media/{view['media']}").content.decode()
            answer = next(c for c in view["choices"] if heard == f"{view['stage']}{c}")
            state = self.post(
                "screening",
                stage=view["stage"], attempt=view["attempt"], trial=view["trial"], answer=answer,
            ).json()  # fmt: skip
        return state

    def rated(self, position: int, score: int = 3, wait: float = 2.0) -> Any:
        self.post("serve", position=position)
        CLOCK.now += wait
        return self.post(
            "rating",
            position=position, score=score, plays=1, seconds_played=1.0, response_seconds=0.5,
        )  # fmt: skip


def test_a_session_to_the_completion_code(client: TestClient, studies: Studies) -> None:
    listener = Listener(client, studies)
    facts = listener.get("facts").json()
    assert (facts["positions"], facts["labels"][0], facts["open"]) == (5, "Bad", True)
    assert listener.get("state").json()["step"] == "invited"
    state = listener.screened()
    assert state["step"] == "trials" and state["trial"]["practice"]
    for position in range(5):
        trial = state["trial"]
        assert trial["position"] == position
        clip = listener.get(f"media/{trial['media']}")
        assert clip.headers["content-type"] == "video/mp4"
        assert clip.headers["cache-control"] == "no-store"
        if state["upcoming"]:
            assert listener.get(f"media/{state['upcoming']}").status_code == 200
        state = listener.rated(position).json()
    assert state["step"] == "questions" and state["unanswered"] == ["remarks"]
    state = listener.post("answer", key="remarks", text="<script>").json()
    assert state["step"] == "done" and len(state["completion"]) == 10
    assert [r.score for r in studies.get("one").store.ratings("one")] == [3] * 5


def test_replies_never_name_a_condition(client: TestClient, studies: Studies) -> None:
    listener = Listener(client, studies)
    listener.screened()
    body = listener.get("state").json()
    assert set(body["trial"]) == {
        "position", "positions", "practice", "media", "seconds", "served",
    }  # fmt: skip
    facts = listener.get("facts").json()
    assert not {"conditions", "anchors", "reference", "seed", "flags", "catch"} & set(facts)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"position": 1}, 409, "not_served"),
        ({"score": 6}, 422, "value"),
        ({"score": "3"}, 422, "value"),
        ({"plays": 0}, 409, "not_played"),
        ({"seconds_played": 0.2}, 409, "not_played"),
        ({"position": None}, 422, "value"),
    ],
)
def test_a_forged_rating_is_refused(
    client: TestClient, studies: Studies, change: dict[str, Any], status: int, reason: str
) -> None:
    listener = Listener(client, studies)
    listener.screened()
    listener.post("serve", position=0)
    CLOCK.now += 2
    rating = {
        "position": 0, "score": 3, "plays": 1, "seconds_played": 1.0, "response_seconds": 0.5,
    }  # fmt: skip
    reply = listener.post("rating", **(rating | change))
    assert (reply.status_code, reply.json()["reason"]) == (status, reason)
    assert studies.get("one").store.ratings("one") == []


def test_too_early_by_the_servers_clock_then_conflict(client: TestClient, studies: Studies) -> None:
    listener = Listener(client, studies)
    listener.screened()
    assert listener.rated(0, wait=0.5).json()["reason"] == "too_early"
    assert listener.rated(0, wait=1.0).status_code == 200
    assert listener.rated(0).status_code == 200
    assert listener.rated(0, score=4).json()["reason"] == "conflict"


def test_strangers_learn_nothing(client: TestClient, studies: Studies) -> None:
    known, ghost = (
        client.get(f"/listen/{study}/api/state", headers={"Authorization": f"Bearer {'x' * 32}"})
        for study in ("one", "ghost")
    )
    assert known.status_code == ghost.status_code == 401 and known.content == ghost.content
    pages = [client.get(f"/listen/{study}").content for study in ("one", "ghost")]
    assert pages[0] == pages[1]
    other = Listener(client, studies, "two")
    other.study = "one"
    assert other.get("state").status_code == 401


def test_many_wrong_links_are_slowed_and_right_ones_go_on(
    client: TestClient, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(seconds: float) -> None: ...

    monkeypatch.setattr("savg.mos.web.listen_routes.asyncio.sleep", at_once)
    wrong = [
        client.get("/listen/one/api/state", headers={"Authorization": f"Bearer {i:032d}"})
        for i in range(70)
    ]
    assert {r.status_code for r in wrong[:60]} == {401}
    assert {r.status_code for r in wrong[60:]} == {429}
    assert Listener(client, studies).get("state").status_code == 200


def test_requests_with_other_keys_are_refused(client: TestClient, studies: Studies) -> None:
    headers = Listener(client, studies).headers
    url = "/listen/one/api/consent"
    for content, kind, status in (
        (b'{"device": {}}', "text/plain", 415),
        (b"[]", "application/json", 422),
        (b'{"device": NaN}', "application/json", 422),
        (b"[" * 9000, "application/json", 422),
        (b'{"device": {}, "more": 1}', "application/json", 422),
        (b" " * 20_000, "application/json", 413),
    ):
        reply = client.post(url, content=content, headers=headers | {"Content-Type": kind})
        assert reply.status_code == status, (content[:20], reply.text)
        assert set(reply.json()) == {"reason", "sentence"}
    assert client.get(url, headers=headers).status_code == 405
    assert client.get("/elsewhere").json()["reason"] == "absent"


def test_every_reply_has_strict_headers(client: TestClient) -> None:
    assets = ("/listen/_page/listen.js",)
    for path in ("/listen/one", "/listen/one/api/state", "/none", "/listen/", *assets):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_both_pages_share_one_frame(client: TestClient) -> None:
    listening, landing = client.get("/listen/one").text, client.get("/listen/").text
    assert "<title>Listening test</title>" in listening and "One moment" in listening
    assert "<title>Listening tests</title>" in landing and "opens no test" in landing
    assert "_page/listen.js" in listening and "<script" not in landing
    for page in (listening, landing):
        assert (
            page.count("<main") == page.count("<svg") == 1 and page.count("_page/listen.css") == 1
        )
    assert client.get("/listen/_page/listen.html").status_code == 404, "only what pages load"


def test_later_studies_appear_and_names_are_unique(tmp_path: Path) -> None:
    studies = Studies(root=tmp_path)
    assert studies.names() == []
    make(tmp_path / "late", "late").store.close()
    assert studies.get("late").path == tmp_path / "late"
    make(tmp_path.parent / f"{tmp_path.name}-twin", "late").store.close()
    with pytest.raises(SavgError, match="both called late"):
        studies.add(tmp_path.parent / f"{tmp_path.name}-twin")
    studies.close()


def test_an_address_without_a_study_is_a_page(studies: Studies) -> None:
    client = TestClient(listening_app(studies))
    for path in ("/", "/listen", "/listen/"):
        page = client.get(path)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert "opens no test" in page.text and page.url.path == "/listen/"
        assert not any(f"listen/{name}" in page.text for name in studies.names())
    assert client.get("/listen/_page/listen.css").status_code == 200
