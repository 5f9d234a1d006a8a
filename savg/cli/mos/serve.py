"""`python -m savg mos serve`: listening tests in the browser."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from savg.errors import SavgError
from savg.paths import existing

HELP = "Serve listening tests: /listen for listeners, /admin for their organiser."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    from savg.mos.hub.push import DATASET_VARIABLE
    from savg.web.server import PASSWORD_VARIABLE

    add = parser.add_argument
    add("studies", nargs="*", type=Path, metavar="STUDY", help="folders of studies")
    add("--root", type=Path, metavar="DIR", help="a folder of studies: also those made later")
    add(
        "--clips",
        nargs="+",
        default=[],
        type=Path,
        metavar="DIR",
        help="folders under which /admin may choose clips for new studies, which --root takes",
    )
    add("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone")
    add("--port", type=int, default=7861, help="0 takes a free one (default: 7861)")
    add(
        "--database", metavar="URL", help="of the database, where it is not in the studies' folders"
    )
    add(
        "--password-file",
        type=Path,
        metavar="FILE",
        help=f"password of /admin (default: {PASSWORD_VARIABLE}, or one made up and printed)",
    )
    add(
        "--dataset",
        metavar="USER/NAME",
        help="keep everything in this private dataset on the Hub and restore it from there "
        f"(default: {DATASET_VARIABLE})",
    )
    add("--no-admin", action="store_true", help="without /admin")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from savg.mos.hub.push import DATASET_VARIABLE, pushes_of
    from savg.mos.web.app import listening_app
    from savg.mos.web.studies import Studies
    from savg.web.server import listening_socket, organiser_password, serve

    if not args.studies and args.root is None:
        raise SavgError("Name the folder of a study, or --root DIR with studies in it.")
    for folder in args.clips:
        existing(folder, "folder of clips")
    studies = Studies(args.studies, args.root, args.database)
    chosen = {DATASET_VARIABLE: args.dataset} if args.dataset else {}
    pushes = pushes_of(studies, {**os.environ, **chosen})
    password, new = (None, False) if args.no_admin else organiser_password(args.password_file)
    bound = listening_socket(args.host, args.port)
    host, port = bound.getsockname()[:2]
    if pushes is not None:
        pushes.start()
        print(*pushes.messages(), sep="\n")
    address = f"http://{'[' + host + ']' if ':' in host else host}:{port}"
    for name in studies.names():
        print(f"Listeners: {address}/listen/{name}#… (links: python -m savg mos invite)")
    if password is not None:
        print(f"Organiser: {address}/admin" + (f"  password: {password}" if new else ""))
    print("Stop with Ctrl-C.", flush=True)
    serve(listening_app(studies, password, args.clips), bound)
    return 0
