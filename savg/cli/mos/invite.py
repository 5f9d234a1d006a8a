"""`python -m savg mos invite`: links for listeners."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from savg.errors import SavgError
from savg.numerals import integer

HELP = "Make links for listeners; each is shown once and cannot be looked up later."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="the study's folder")
    add("--number", type=integer, default=1, metavar="N", help="number of links (default: 1)")
    add(
        "--base",
        default="http://127.0.0.1:7861",
        metavar="URL",
        help="address of the server (default: http://127.0.0.1:7861)",
    )
    add("--database", metavar="URL", help="of the database, where it is not in the study's folder")


def run(args: argparse.Namespace) -> int:
    """Print code,link as CSV."""
    from savg.mos.study.folder import open_folder

    base = args.base.rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise SavgError(
            f"--base must be an address that begins with http:// or https://, got {base}."
        )
    study = open_folder(args.study, args.database)
    try:
        links = study.store.invite(study.name, args.number)
    finally:
        study.store.close()
    writer = csv.writer(sys.stdout)
    writer.writerow(("code", "link"))
    for link in links:
        writer.writerow((link.code, f"{base}/listen/{study.name}#{link.token}"))
    return 0
