"""`python -m savg mos serve`: listening tests in the browser."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from savg.errors import SavgError
from savg.numerals import integer
from savg.paths import existing
from savg.private_files import is_shared

if TYPE_CHECKING:
    from savg.mos.web.studies import Studies

HELP = "Serve listening tests: /listen for listeners, /admin for their organiser."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    from savg.mos.hub import DATASET_VARIABLE
    from savg.web.addresses import PROXIES_VARIABLE
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
    add("--port", type=integer, default=7861, help="0 takes a free one (default: 7861)")
    add(
        "--admin-port",
        type=integer,
        metavar="PORT",
        help="/admin at a port of its own (0: a free one) instead of beside /listen",
    )
    add("--admin-host", metavar="HOST", help="with --admin-port (default: that of --host)")
    add(
        "--url",
        metavar="URL",
        help="the address at which listeners reach this server, for the links that /admin makes",
    )
    add(
        "--proxies",
        nargs="+",
        metavar="ADDRESS",
        help="addresses or networks of reverse proxies, whose X-Forwarded-For is believed "
        f"(default: {PROXIES_VARIABLE}, or none)",
    )
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
    from savg.mos.hub import DATASET_VARIABLE
    from savg.mos.hub.push import pushes_of
    from savg.mos.web.app import admin_app, listening_app
    from savg.mos.web.studies import Studies
    from savg.web.addresses import Proxies
    from savg.web.login import SHORT_PASSWORD, SURE_PASSWORD
    from savg.web.server import address_of, listening_socket, organiser_password, serve

    if not args.studies and args.root is None:
        raise SavgError("Name the folder of a study, or --root DIR with studies in it.")
    for folder in args.clips:
        existing(folder, "folder of clips")
    if args.url is not None and not args.url.startswith(("http://", "https://")):
        raise SavgError(
            f"--url must be an address that begins with http:// or https://, got {args.url}."
        )
    proxies = Proxies.of_environment() if args.proxies is None else Proxies.parse(args.proxies)
    studies = Studies(args.studies, args.root, args.database)
    chosen = {DATASET_VARIABLE: args.dataset} if args.dataset else {}
    pushes = pushes_of(studies, {**os.environ, **chosen})
    password, new = (None, False) if args.no_admin else organiser_password(args.password_file)
    bound = listening_socket(args.host, args.port)
    others = []
    alone = password is not None and args.admin_port is not None
    if password is not None and alone:
        listeners = args.url or bound.getsockname()[1]
        app = admin_app(studies, password, args.clips, listeners=listeners)
        others = [(listening_socket(args.admin_host or args.host, args.admin_port), app)]
    if pushes is not None:
        pushes.start()
        print(*pushes.messages(), sep="\n")
    for line in _listeners(studies, args.url or address_of(bound)):
        print(line)
    if args.password_file is not None and is_shared(args.password_file):
        print(f"Note: other accounts can read {args.password_file}: chmod 600 {args.password_file}")
    if password is not None:
        place = address_of(others[0][0] if others else bound)
        print(f"Organiser: {place}/admin" + (f"  password: {password}" if new else ""))
        if len(password) < SURE_PASSWORD:
            print(f"Note: {SHORT_PASSWORD}")
    print("Stop with Ctrl-C.", flush=True)
    beside = None if alone else password
    app = listening_app(studies, beside, args.clips)
    serve(app, bound, others=others, proxies=proxies)
    return 0


def _listeners(studies: Studies, address: str) -> Iterable[str]:
    for name in studies.names():
        yield f"Listeners: {address.rstrip('/')}/listen/{name}#… (links: python -m savg mos invite)"
