"""The pages of /admin (GET requests)."""

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
from savg.mos.web.admin.request import AdminRequest
from savg.web.replies import Problem

LIVE_SECONDS = 2.0
"""Seconds for which a study's progress is cached."""

ROWS = 8
"""Number of conditions in the form for a new study."""


@dataclass(frozen=True)
class Line:
    """A study in the overview, or why it cannot be shown."""

    name: str
    progress: Progress | None
    problem: str = ""


def overview(admin: AdminRequest) -> Response:
    """The overview of all studies."""
    lines = []
    for name in admin.context.studies.names():
        try:
            lines.append(Line(name, _progress(admin, admin.context.studies.get(name))))
        except SavgError as error:
            lines.append(Line(name, None, str(error)))
    builder = admin.context.builder
    return admin.page("overview.html", lines=lines, ready=builder.ready, jobs=builder.jobs())


def jobs(admin: AdminRequest) -> Response:
    """The jobs of the builder, as a part of a page."""
    return admin.page("_jobs.html", jobs=admin.context.builder.jobs())


def study(admin: AdminRequest) -> Response:
    """A study: progress, participants, links, results, design."""
    folder = admin.study()
    return admin.page("study.html", **_study_values(admin, folder), facts=facts(_row(folder)))


def live(admin: AdminRequest) -> Response:
    """The changing part of a study's page, at an address as deep as the page's."""
    return admin.page("_live.html", **_study_values(admin, admin.study()))


def links(admin: AdminRequest) -> Response:
    """The form for new links; links are shown only once."""
    folder = admin.study()
    return admin.page(
        "links.html",
        study=folder.name,
        status=_status(folder),
        new_links=[],
        once=once(),
        problem="",
    )


def person(admin: AdminRequest) -> Response:
    """A participant: progress, flags, device, answers, decisions, ratings."""
    return person_page(admin)


def person_page(
    admin: AdminRequest, problem: str = "", reason: str = "", code: int = 200
) -> Response:
    """The participant's page, with the problem of a rejected decision; Problem if there is none."""
    folder = admin.study()
    now = progress_of(folder.store, folder.name)
    participant = admin.request.path_params["code"]
    person_progress = next((p for p in now.people if p.row.code == participant), None)
    if person_progress is None:
        raise Problem("absent", "There is no such participant.")
    decisions = [d for d in folder.store.exclusions(folder.name) if d.participant == participant]
    return admin.page(
        "person.html",
        code,
        study=now.row.study,
        person=person_progress,
        steps=STEPS,
        decisions=decisions,
        problem=problem,
        reason=reason,
        questions={q.key: q.text for q in now.row.study.questions},
    )


def report(admin: AdminRequest) -> Response:
    """The report of the present data; it is not recorded in the store."""
    folder = admin.study()
    try:
        analysis = _analysis(admin, folder)
    except SavgError as error:
        return admin.page("report.html", study=folder.name, sections=[], problem=str(error))
    return admin.page(
        "report.html",
        study=folder.name,
        status=_status(folder),
        simulated=analysis.simulated,
        sections=sections_of(analysis.to_dict()),
        problem="",
        data=analysis.data_sha256[:12],
    )


def new(admin: AdminRequest) -> Response:
    """The form for a new study."""
    return new_page(admin)


def new_page(admin: AdminRequest, problem: str = "", status: int = 200) -> Response:
    """The form for a new study, with a problem and everything that was entered."""
    sent = bool(admin.form)
    values = {
        o.name: admin.text(o.name) if sent else o.show(o.default) if o.kind != "flag" else ""
        for o in OPTIONS
    }
    rows = [(admin.text(f"folder{i}"), admin.text(f"condition{i}")) for i in range(ROWS)]
    return admin.page(
        "new.html",
        status,
        ready=admin.context.builder.ready,
        options=OPTIONS,
        values=values,
        name=admin.text("name"),
        rows=rows,
        reference=admin.text("reference") or NO_REFERENCE,
        without=NO_REFERENCE,
        folders=list(admin.context.builder.folders().values()),
        problem=problem,
    )


def once() -> str:
    """A random key of a form that may take effect only once."""
    return secrets.token_urlsafe(12)


def facts(row: Study) -> list[tuple[str, str]]:
    """A study's design as pairs of name and text."""
    rules = row.flags
    scale = " · ".join(f"{i} {label}" for i, label in enumerate(row.labels, 1))
    lines = [
        ("Question", row.question),
        ("Scale", scale),
        ("Conditions", ", ".join(f"{c.name} ({c.trials})" for c in row.conditions)),
        ("Hidden reference", row.reference or "none"),
        ("Anchors", ", ".join(f"{a.name} ({a.trials})" for a in row.anchors) or "none"),
        ("Practice, repeats, catch", f"{row.practice}, {row.repeats}, {row.catch}"),
        ("Trials a listener", str(row.positions)),
        ("Screening", row.level.replace("_", " ")),
        ("Scenes", "matched: nobody rates one twice" if row.matched else "not matched"),
        (
            "Flags, fixed beforehand",
            f"{rules.catch_wrong} wrong catch trial{'s' if rules.catch_wrong > 1 else ''}; repeats "
            f"over {rules.repeat_difference:g} points apart; {100 * rules.modal_share:.0f} % or "
            f"more of one score; half of the ratings within {rules.fast_seconds:g} s; over "
            f"{rules.plays:g} plays a clip; a second attempt at the screening",
        ),
        ("Seed", str(row.seed)),
    ]
    return lines


def _row(folder: StudyFolder) -> Study:
    return folder.store.study(folder.name).study


def _status(folder: StudyFolder) -> str:
    return folder.store.study(folder.name).status


def _progress(admin: AdminRequest, folder: StudyFolder) -> Progress:
    moment = (int(admin.context.clock() / LIVE_SECONDS), _status(folder))
    return admin.context.cache.get(
        f"progress {folder.name}", moment, lambda: progress_of(folder.store, folder.name)
    )


def _study_values(admin: AdminRequest, folder: StudyFolder) -> dict[str, Any]:
    now = _progress(admin, folder)
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


def _analysis(admin: AdminRequest, folder: StudyFolder) -> Analysis:
    """The analysis of the present data, cached until they change."""
    store, name = folder.store, folder.name
    people = store.participants(name)
    state = (
        sum(p.rated for p in people),
        len(store.exclusions(name)),
        tuple((p.code, p.status) for p in people),
    )
    return admin.context.cache.get(f"report {name}", state, lambda: analyse(store, name))
