"""Actions of an organiser in /admin: POST requests with a session and its CSRF token."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from starlette.responses import Response

from savg.errors import SavgError
from savg.mos.results.report import write_report, write_tables
from savg.mos.storage.rows import Status
from savg.mos.study.design import DesignError
from savg.mos.study.folder import StudyFolder
from savg.mos.study.options import NO_REFERENCE, OPTIONS, plan_study
from savg.mos.web.admin.pages import ROWS, new_page, once, person_page
from savg.mos.web.admin.request import AdminRequest
from savg.web.replies import Problem

MOST_LINKS = 200

STATUS_MESSAGES = {
    "open": "The study is open: listeners can begin and go on.",
    "paused": "The study is paused: nobody can begin or start a clip.",
    "closed": "The study is closed: nobody can begin or start a clip, and no links are made.",
}


def status(admin: AdminRequest) -> Response:
    """Open, pause or close a study."""
    folder, chosen = admin.study(), admin.text("status")
    if chosen not in STATUS_MESSAGES:
        raise Problem("value", "Status must be one of open, paused, closed.")
    folder.store.set_status(folder.name, cast(Status, chosen))
    admin.who.add_message("good", STATUS_MESSAGES[chosen])
    return admin.to(f"studies/{folder.name}")


def links(admin: AdminRequest) -> Response:
    """Make links and show them once."""
    folder = admin.study()
    row = folder.store.study(folder.name)
    number, simulated = admin.text("number").strip(), bool(admin.text("simulated"))
    problem, new_links = "", []
    fits = number.isascii() and number.isdigit() and len(number) < 5
    if not fits or not 1 <= int(number) <= MOST_LINKS:
        problem = f"Number of links must be a whole number in 1..{MOST_LINKS}."
    elif row.status == "closed":
        problem = "The study is closed: open it to make links."
    elif not admin.who.claim(admin.text("once")):
        problem = "These links were made and shown already; links are shown only once."
    else:
        new_links = folder.store.invite(folder.name, int(number), simulated=simulated)
    return admin.page(
        "links.html",
        422 if problem else 200,
        study=folder.name,
        status=row.status,
        new_links=new_links,
        simulated=simulated,
        server=admin.listeners,
        elsewhere=admin.context.listeners is not None,
        once=once(),
        problem=problem,
    )


def decision(admin: AdminRequest) -> Response:
    """Exclude a participant's data or include them again, with the reason."""
    folder, code = admin.study(), admin.request.path_params["code"]
    excluded, reason = admin.text("excluded"), admin.text("reason")
    if excluded not in ("yes", "no"):
        raise Problem("value", "Excluded must be one of yes, no.")
    try:
        folder.store.exclude(folder.name, code, excluded == "yes", reason, admin.who.who)
    except SavgError as error:
        return person_page(admin, str(error), reason, 422)
    outcome = (
        "excluded from the analysis" if excluded == "yes" else "included in the analysis again"
    )
    admin.who.add_message("good", f"{code} is {outcome}.")
    return admin.to(f"studies/{folder.name}/people/{code}")


def export(admin: AdminRequest) -> Response:
    """Tables and report as one ZIP."""
    folder = admin.study()
    stamp = datetime.fromtimestamp(admin.context.clock(), UTC).strftime("%Y%m%d-%H%M")
    name = f"{folder.name}-{stamp}"
    return Response(
        as_zip(folder, name),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}.zip"'},
    )


def as_zip(folder: StudyFolder, name: str) -> bytes:
    """A ZIP with the folder `name`: design.json, the tables, and the report if anyone has finished."""
    row = folder.store.study(folder.name)
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="savg-export-") as temporary:
        out = Path(temporary)
        try:
            write_report(folder.store, folder.name, out)
        except SavgError as error:
            write_tables(folder.store, folder.name, out)
            (out / "no-report.txt").write_text(f"{error}\n", encoding="utf-8")
        design = {
            "study": row.study.to_dict(),
            "status": row.status,
            "levels": row.levels,
            "exclusions": [vars(e) for e in folder.store.exclusions(folder.name)],
        }
        (out / "design.json").write_text(
            json.dumps(design, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(out.iterdir()):
                archive.write(path, f"{name}/{path.name}")
    return packed.getvalue()


def make(admin: AdminRequest) -> Response:
    """Begin to build a study from the form."""
    context = admin.context
    if not context.builder.ready:
        return new_page(admin, status=422)
    offered = context.builder.folders()
    try:
        folders: dict[str, Path] = {}
        available: dict[str, int] = {}
        for i in range(ROWS):
            chosen, name = admin.text(f"folder{i}"), admin.text(f"condition{i}").strip()
            if not chosen and not name:
                continue
            if chosen not in offered:
                raise DesignError(f"Condition {name[:40] or i + 1} needs a folder of clips.")
            if name in folders:
                raise DesignError(f"Names of conditions must differ, got {name[:40]} twice.")
            folders[name] = offered[chosen].path
            available[name] = offered[chosen].clips
        reference = admin.text("reference")
        if reference.isascii() and reference.isdigit():
            reference = admin.text(f"condition{int(reference[:4])}").strip() or NO_REFERENCE
        values = {o.name: o.parse(admin.text(o.name)) for o in OPTIONS}
        name = admin.text("name").strip()
        plan = plan_study(name, list(folders), reference, values, available, in_form=True)
        context.builder.start(plan, folders)
    except SavgError as error:
        return new_page(admin, str(error), 422)
    if plan.note:
        admin.who.add_message("good", plan.note)
    return admin.to()


def stop(admin: AdminRequest) -> Response:
    """Stop the building of a study."""
    admin.context.builder.stop(admin.request.path_params["number"])
    return admin.to()


def forget(admin: AdminRequest) -> Response:
    """Remove an ended job from the list."""
    admin.context.builder.forget(admin.request.path_params["number"])
    return admin.to()
