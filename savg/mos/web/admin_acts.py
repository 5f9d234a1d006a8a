"""What an organiser does in /admin: each is a POST that passed the session and its token."""

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
from savg.mos.web.admin_pages import ROWS, new_page, once, person_page
from savg.mos.web.admin_visit import Visit
from savg.mos.web.replies import Problem

MOST_LINKS = 200

STATUS_SAID = {
    "open": "The study is open: listeners can begin and go on.",
    "paused": "The study is paused: nobody can begin or start a clip.",
    "closed": "The study is closed: nobody can begin or start a clip, and no links are made.",
}


def status(visit: Visit) -> Response:
    """Open, pause or close a study."""
    folder, wanted = visit.study(), visit.text("status")
    if wanted not in STATUS_SAID:
        raise Problem("value", "A study is open, paused or closed.")
    folder.store.set_status(folder.name, cast(Status, wanted))
    visit.who.say("good", STATUS_SAID[wanted])
    return visit.to(f"studies/{folder.name}")


def links(visit: Visit) -> Response:
    """Make links and show them, this one time."""
    folder = visit.study()
    row = folder.store.study(folder.name)
    given, simulated = visit.text("number").strip(), bool(visit.text("simulated"))
    problem, made = "", []
    fits = given.isascii() and given.isdigit() and len(given) < 5
    if not fits or not 1 <= int(given) <= MOST_LINKS:
        problem = f"Between 1 and {MOST_LINKS} links are made at a time."
    elif row.status == "closed":
        problem = "The study is closed: open it to make links."
    elif not visit.who.first(visit.text("once")):
        problem = "These links were made and shown already; links are shown only once."
    else:
        made = folder.store.invite(folder.name, int(given), simulated=simulated)
    return visit.page(
        "links.html",
        422 if problem else 200,
        study=folder.name,
        status=row.status,
        made=made,
        simulated=simulated,
        server=_server(visit),
        once=once(),
        problem=problem,
    )


def decision(visit: Visit) -> Response:
    """Exclude a participant's data or take them back, with the reason."""
    folder, code = visit.study(), visit.request.path_params["code"]
    excluded, reason = visit.text("excluded"), visit.text("reason")
    if excluded not in ("yes", "no"):
        raise Problem("value", "Data are excluded or taken back.")
    try:
        folder.store.exclude(folder.name, code, excluded == "yes", reason, visit.who.who)
    except SavgError as error:
        return person_page(visit, str(error), reason, 422)
    said = "excluded from the analysis" if excluded == "yes" else "taken back into the analysis"
    visit.who.say("good", f"{code} is {said}.")
    return visit.to(f"studies/{folder.name}/people/{code}")


def export(visit: Visit) -> Response:
    """Tables and report as one ZIP."""
    folder = visit.study()
    stamp = datetime.fromtimestamp(visit.desk.clock(), UTC).strftime("%Y%m%d-%H%M")
    name = f"{folder.name}-{stamp}"
    return Response(
        as_zip(folder, name),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}.zip"'},
    )


def as_zip(folder: StudyFolder, name: str) -> bytes:
    """A ZIP with one folder: design.json, the tables, and the report if somebody has finished."""
    row = folder.store.study(folder.name)
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="savg-export-") as place:
        out = Path(place)
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


def make(visit: Visit) -> Response:
    """Begin to make a study from the form."""
    desk = visit.desk
    if not desk.maker.ready:
        return new_page(visit, status=422)
    offered = desk.maker.folders()
    try:
        folders = {}
        for i in range(ROWS):
            chosen, name = visit.text(f"folder{i}"), visit.text(f"condition{i}").strip()
            if not chosen and not name:
                continue
            if chosen not in offered:
                raise DesignError(f"Condition {name[:40] or i + 1}: choose a folder of clips.")
            if name in folders:
                raise DesignError(f"Two conditions are called {name[:40]}: names are different.")
            folders[name] = offered[chosen].path
        reference = visit.text("reference")
        if reference.isascii() and reference.isdigit():
            reference = visit.text(f"condition{int(reference[:4])}").strip() or NO_REFERENCE
        values = {o.name: o.parse(visit.text(o.name)) for o in OPTIONS}
        plan = plan_study(visit.text("name").strip(), list(folders), reference, values)
        desk.maker.start(plan, folders)
    except SavgError as error:
        return new_page(visit, str(error), 422)
    return visit.to()


def stop(visit: Visit) -> Response:
    """Stop a study in the making."""
    visit.desk.maker.stop(visit.request.path_params["number"])
    return visit.to()


def forget(visit: Visit) -> Response:
    """Take an ended work off the list."""
    visit.desk.maker.forget(visit.request.path_params["number"])
    return visit.to()


def _server(visit: Visit) -> str:
    """This server as the request names it, for browsers without JavaScript."""
    url = visit.request.base_url
    return str(url).rstrip("/").removesuffix("/admin")
