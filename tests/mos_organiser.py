"""Small studies on a server, their listeners, and somebody who is logged in to /admin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mos_clips import pool, small_study
from starlette.testclient import TestClient

from savg.mos import session
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study.design import Study
from savg.mos.study.folder import StudyFolder, describe_folder
from savg.mos.study.screening import ScreeningSound, stages
from savg.mos.web.app import listening_app
from savg.mos.web.studies import Studies

PASSWORD = "correct horse battery"


class Clock:
    """A clock that moves when it is told to; each look takes `step` seconds."""

    def __init__(self, now: float = 1_700_000_000.0, step: float = 0.0) -> None:
        self.now, self.step = now, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def make(folder: Path, study: Study, clock: Clock) -> StudyFolder:
    """A study without media, as a folder."""
    folder.mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"), clock)
    sounds = [
        ScreeningSound(f"{rule.stage}{answer}", rule.stage, answer)
        for rule in stages("remote")
        for answer in rule.choices
    ]
    store.create_study(study, pool(study, 6), sounds)
    describe_folder(folder, study.name)
    return StudyFolder(folder, study.name, store)


def server(root: Path, clock: Clock, name: str = "small") -> tuple[Studies, StudyFolder]:
    """Studies under a root, with one that has 12 trials, of which 8 count."""
    folder = make(root / name, small_study(), clock)
    studies = Studies(root=root)
    studies._open[name] = folder
    return studies, folder


def screen(store: Store, token: str, *, right: bool = True) -> session.SessionState:
    """Consent and the screening, all right or all wrong."""
    now = session.consent(store, token, {"browser": "Firefox", "screen": "1920×1080"})
    row = store.study(now.study)
    sounds = {s.media: s.answer for s in row.sounds}
    while (view := now.screening) is not None:
        answer = sounds[view.media]
        if not right:
            answer = next(c for c in view.choices if c != answer)
        now = session.answer_screening(store, token, view.stage, view.attempt, view.trial, answer)
    return now


def rate(
    store: Store, token: str, clock: Clock, scores: Sequence[int] = (), stop: int = 1000
) -> session.SessionState:
    """Rate on, catch trials right unless scores are given, until `stop` or the end."""
    now = session.session_state(store, token)
    clips = {s.media: s for s in store.study(now.study).stimuli}
    while now.trial is not None and now.trial.position < stop:
        position = now.trial.position
        session.serve(store, token, position)
        clock.now += 7.0
        score = scores[position % len(scores)] if scores else 1 + position % 5
        expected = clips[now.trial.media].expected
        now = session.rate(
            store,
            token,
            position,
            expected if expected and not scores else score,
            plays=1,
            seconds_played=5.0,
            response_seconds=2.0,
        )
    return now


def listener(folder: StudyFolder, clock: Clock, *, remark: str = "", **how: Any) -> str:
    """A whole session; the code."""
    link = folder.store.invite(folder.name, simulated=how.pop("simulated", False))[0]
    screen(folder.store, link.token)
    now = rate(folder.store, link.token, clock, **how)
    if now.step == "questions":
        for key, text in (("hearing", "no"), ("remarks", remark)):
            session.answer_question(folder.store, link.token, key, text)
    return link.code


class Organiser:
    """A browser that is logged in to /admin and follows its forms."""

    def __init__(self, studies: Studies, clips: Sequence[Path] = (), **client: Any) -> None:
        self.app = listening_app(studies, PASSWORD, clips)
        self.client = TestClient(self.app, raise_server_exceptions=False, **client)

    def log_in(self, who: str = "ann") -> Organiser:
        reply = self.client.post("/admin/login", data={"who": who, "password": PASSWORD})
        assert reply.status_code == 200 and "Log out" in reply.text, reply.text
        return self

    def get(self, place: str = "") -> Any:
        return self.client.get(f"/admin/{place}")

    def csrf(self) -> str:
        match = re.search(r'name="csrf" value="([^"]+)"', self.get().text)
        assert match
        return match[1]

    def post(self, place: str, **fields: str) -> Any:
        return self.client.post(f"/admin/{place}", data={"csrf": self.csrf(), **fields})

    def hidden(self, place: str, name: str) -> str:
        match = re.search(rf'name="{name}" value="([^"]*)"', self.get(place).text)
        assert match
        return match[1]
