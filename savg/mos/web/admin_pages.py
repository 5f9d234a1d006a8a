"""The pages of /admin: what an organiser looks at."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from savg.errors import SavgError
from savg.mos.results.analysis import Analysis, analyse
from savg.mos.results.progress import STEPS, Progress, progress_of
from savg.mos.results.sections import sections_of
from savg.mos.study.design import Study
from savg.mos.study.folder import StudyFolder
from savg.mos.study.options import NO_REFERENCE, OPTIONS
from savg.mos.web.admin_visit import Visit
from savg.mos.web.replies import Problem

LIVE_SECONDS = 2.0
"""For so long the same progress is shown to everybody who asks."""

ROWS = 8
"""Conditions that the form for a new study has room for."""


@dataclass(frozen=True)
class Line:
    """A study in the overview, or why it cannot be shown."""

    name: str
    progress: Progress | None
    problem: str = ""


def overview(visit: Visit) -> Response:
    """All studies."""
    lines = []
    for name in visit.desk.studies.names():
        try:
            lines.append(Line(name, _progress(visit, visit.desk.studies.get(name))))
        except SavgError as error:
            lines.append(Line(name, None, str(error)))
    maker = visit.desk.maker
    return visit.page("overview.html", lines=lines, ready=maker.ready, works=maker.works())


def works(visit: Visit) -> Response:
    """Studies in the making, as a part of a page."""
    return visit.page("_works.html", works=visit.desk.maker.works())


def study(visit: Visit) -> Response:
    """A study: progress, participants, links, results, design."""
    folder = visit.study()
    return visit.page("study.html", **_shown(visit, folder), facts=facts(_row(folder)))


def live(visit: Visit) -> Response:
    """The moving part of a study's page, at an address as deep as the page's own."""
    return visit.page("_live.html", **_shown(visit, visit.study()))


def links(visit: Visit) -> Response:
    """A form for new links; those made before cannot be shown again."""
    folder = visit.study()
    return visit.page(
        "links.html", study=folder.name, status=_status(folder), made=[], once=once(), problem=""
    )


def person(visit: Visit) -> Response:
    """A participant: progress, flags, device, answers, decisions, ratings."""
    return person_page(visit)


def person_page(visit: Visit, problem: str = "", reason: str = "", code: int = 200) -> Response:
    """The same, with what was wrong with the decision that was sent."""
    folder = visit.study()
    now = progress_of(folder.store, folder.name)
    wanted = visit.request.path_params["code"]
    found = next((p for p in now.people if p.row.code == wanted), None)
    if found is None:
        raise Problem("absent", "There is no such participant.")
    decisions = [d for d in folder.store.exclusions(folder.name) if d.participant == wanted]
    return visit.page(
        "person.html",
        code,
        study=now.row.study,
        person=found,
        steps=STEPS,
        decisions=decisions,
        problem=problem,
        reason=reason,
        asked={q.key: q.text for q in now.row.study.questions},
    )


def report(visit: Visit) -> Response:
    """The report of what there is now; nothing is stored by looking at it."""
    folder = visit.study()
    try:
        found = _analysis(visit, folder)
    except SavgError as error:
        return visit.page("report.html", study=folder.name, sections=[], problem=str(error))
    return visit.page(
        "report.html",
        study=folder.name,
        status=_status(folder),
        simulated=found.simulated,
        sections=sections_of(found.to_dict()),
        problem="",
        data=found.data_sha256[:12],
    )


def new(visit: Visit) -> Response:
    """The form for a new study."""
    return new_page(visit)


def new_page(visit: Visit, problem: str = "", status: int = 200) -> Response:
    """The same, with what was wrong and everything that was typed."""
    sent = bool(visit.form)
    values = {
        o.name: visit.text(o.name) if sent else o.show(o.default) if o.kind != "flag" else ""
        for o in OPTIONS
    }
    rows = [(visit.text(f"folder{i}"), visit.text(f"condition{i}")) for i in range(ROWS)]
    return visit.page(
        "new.html",
        status,
        ready=visit.desk.maker.ready,
        options=OPTIONS,
        values=values,
        name=visit.text("name"),
        rows=rows,
        reference=visit.text("reference") or NO_REFERENCE,
        without=NO_REFERENCE,
        folders=list(visit.desk.maker.folders().values()),
        problem=problem,
    )


def once() -> str:
    """A key for a form that must not take effect twice."""
    return secrets.token_urlsafe(12)


def facts(row: Study) -> list[tuple[str, str]]:
    """A study's design in words."""
    rules = row.flags
    scale = " · ".join(f"{i} {label}" for i, label in enumerate(row.labels, 1))
    found = [
        ("Question", row.question),
        ("Scale", scale),
        ("Conditions", ", ".join(f"{c.name} ({c.trials})" for c in row.conditions)),
        ("Hidden reference", row.reference or "none"),
        ("Anchors", ", ".join(f"{a.name} ({a.trials})" for a in row.anchors) or "none"),
        ("Practice, repeats, catch", f"{row.practice}, {row.repeats}, {row.catch}"),
        ("Trials a listener", str(row.positions)),
        ("Screening", row.level.replace("_", " ")),
        ("Scenes", "matched: nobody meets one twice" if row.matched else "not matched"),
        (
            "Flags, fixed beforehand",
            f"{rules.catch_wrong} wrong catch trial{'s' if rules.catch_wrong > 1 else ''}; repeats "
            f"over {rules.repeat_difference:g} points apart; {100 * rules.modal_share:.0f} % or "
            f"more of one score; half of the ratings within {rules.fast_seconds:g} s; over "
            f"{rules.plays:g} plays a clip; a second attempt at the screening",
        ),
        ("Seed", str(row.seed)),
    ]
    return found


def _row(folder: StudyFolder) -> Study:
    return folder.store.study(folder.name).study


def _status(folder: StudyFolder) -> str:
    return folder.store.study(folder.name).status


def _progress(visit: Visit, folder: StudyFolder) -> Progress:
    moment = (int(visit.desk.clock() / LIVE_SECONDS), _status(folder))
    return visit.desk.kept.get(
        f"progress {folder.name}", moment, lambda: progress_of(folder.store, folder.name)
    )


def _shown(visit: Visit, folder: StudyFolder) -> dict[str, Any]:
    now = _progress(visit, folder)
    return {
        "study": folder.name,
        "status": now.row.status,
        "progress": now,
        "steps": STEPS,
        "begun": [p for p in now.people if p.row.status != "invited"],
        "unused": [p for p in now.people if p.row.status == "invited"],
        "decisions": folder.store.exclusions(folder.name),
        "levels": now.row.levels,
    }


def _analysis(visit: Visit, folder: StudyFolder) -> Analysis:
    """The analysis of the data as they are, made once however often it is looked at."""
    store, name = folder.store, folder.name
    people = store.participants(name)
    state = (
        sum(p.rated for p in people),
        len(store.exclusions(name)),
        tuple((p.code, p.status) for p in people),
    )
    return visit.desk.kept.get(f"report {name}", state, lambda: analyse(store, name))
