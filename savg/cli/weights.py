"""`python -m savg weights`: published checkpoints as component folders, and own weights on the Hub."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from savg.data.starss.archives import open_archive, unpack
from savg.errors import SavgError
from savg.folders import VIDEO_SUFFIXES
from savg.hub import PIPELINE_FILE, Card, load_official, model_format, save_component, write_json
from savg.hub.imported import NETWORKS_VARIABLE, networks_folder
from savg.hub.published_files import (
    DETECTOR_KINDS,
    METRIC_FILES,
    METRIC_KINDS,
    PUBLISHED_FILES,
    VARIANTS,
    WHOLES,
    folder_name,
    importable,
    kind_of,
)
from savg.input_file import slashed
from savg.paths import atomic_file, existing, writable_folder

HELP = (
    "Convert published checkpoints into folders that this project loads; push weights to the Hub."
)

IMPORT_HELP = "Convert published checkpoints into folders that this project loads."

PUSH_HELP = "Push a folder of weights to the Hugging Face Hub, with a model card."

RELEASED_ZIP = "SAVGBench_PretrainedModels_V1.zip"

LICENCE = "as stated by the authors of the file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True)
    imported = actions.add_parser("import", help=IMPORT_HELP, description=IMPORT_HELP)
    imported.add_argument("files", nargs="+", type=Path, metavar="FILE", help="checkpoint or .zip")
    imported.add_argument(
        "--out",
        type=Path,
        help="folder of the new components; needed for those of pipelines; metrics' networks and the "
        "published person detector go where they are looked for (the folder of "
        f"{NETWORKS_VARIABLE}, else savg/networks in the data folder)",
    )
    imported.add_argument(
        "--kind",
        choices=importable(),
        help="of a renamed file; stereosync: of model.safetensors or model.ckpt of "
        "stable-audio-open-1.0, or its diffusers folder",
    )
    imported.add_argument(
        "--variant",
        metavar="NAME",
        help="published variant in a renamed file, such as large_44k_v2 or 44k",
    )
    imported.add_argument("--json", action="store_true", help="print the result as JSON")
    pushed = actions.add_parser("push", help=PUSH_HELP, description=PUSH_HELP)
    pushed.add_argument("source", metavar="SOURCE", help="'demo' (bundled) or a pipeline folder")
    pushed.add_argument("repo", metavar="USER/NAME", help="the repository, created if missing")
    pushed.add_argument("--private", action="store_true", help="a new repository is private")
    pushed.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="results.json of `savg evaluate --out`: its figures go into the card",
    )


def run(args: argparse.Namespace) -> int:
    """Import files, or push a folder; returns the exit code."""
    return _push(args) if args.action == "push" else _import(args)


def _push(args: argparse.Namespace) -> int:
    from savg.pipelines.publish import figures_of, publish

    figures = figures_of(args.results) if args.results else None
    print(publish(args.source, args.repo, args.private, figures))
    return 0


def _import(args: argparse.Namespace) -> int:
    """Import each file; write a pipeline beside them when all its components are there.

    A file that cannot be imported gets its sentence, and the others are imported all the same.
    """
    out = writable_folder(args.out or networks_folder(), "--out")
    written, problems = import_files(args.files, out, args.kind, args.variant, args.out is not None)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if args.json:
        print(json.dumps(written))
    else:
        for name, folder in written.items():
            print(f"{name}: {folder}")
    return 1 if problems else 0


def import_files(
    files: Iterable[Path],
    out: Path,
    kind: str | None = None,
    variant: str | None = None,
    pipelines: bool = True,
) -> tuple[dict[str, str], list[SavgError]]:
    """Import published files into a folder.

    Args:
        files: checkpoints or the released zip.
        out: gets a component folder a network, and a description of each pipeline that is whole.
        kind, variant: of renamed files.
        pipelines: False where parts of pipelines are refused.

    Returns:
        Folders and descriptions by name, and what was wrong with the other files.
    """
    written: dict[str, str] = {}
    problems: list[SavgError] = []
    for file in files:
        try:
            path = _checkpoint(file, kind)
            released = kind or kind_of(path.name, for_metrics=not pipelines)
            if not pipelines:
                _refuse_parts(path, released)
            with _checkpoints(path, released) as checkpoints:
                for checkpoint, own in checkpoints:
                    written |= _component(checkpoint, own, variant, out)
        except SavgError as error:
            problems.append(error)
    if written and pipelines:
        written |= _pipelines(out)
    return written, problems


def _checkpoint(file: Path, kind: str | None) -> Path:
    """A file, or a diffusers folder of a kind that has one, as it is.

    SavgError, which lists what can be imported, for another folder or a video.
    """
    path = existing(file, "checkpoint")
    parts = model_format(kind).folders if kind else ()
    if path.is_dir() and not (parts and all((path / part).is_dir() for part in parts)):
        inside = [name for name in _released() if (path / name).is_file()]
        here = f"; it holds {', '.join(inside)}" if inside else ""
        raise SavgError(f"{path} is a folder{here}: expected released files. {_expected()}")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise SavgError(f"{path} is a video: expected a checkpoint. {_expected()}")
    return path


def _released() -> list[str]:
    return list(dict.fromkeys([*PUBLISHED_FILES, *METRIC_FILES]))


def _expected() -> str:
    """What can be imported, as a sentence."""
    return f"Released files: {', '.join(_released())}; or {RELEASED_ZIP}."


def _refuse_parts(path: Path, kind: str | None) -> None:
    """SavgError for a file that is of neither a metric's network nor a detector's alone, and so needs a
    folder."""
    alone = {*METRIC_KINDS, *DETECTOR_KINDS}
    if path.suffix.lower() == ".zip" or (kind is not None and kind not in alone):
        raise SavgError(f"{path} holds parts of a pipeline: give its folder with --out.")


def _component(path: Path, kind: str, variant: str | None, out: Path) -> dict[str, str]:
    """Write a checkpoint as components below `out`, one for each network in it; their names and
    folders."""
    variant = variant or VARIANTS.get(path.name)
    published = None if variant is None else {"name": variant}
    written = {}
    for own in WHOLES.get(kind, (kind,)):
        name = folder_name(own)
        card = Card(LICENCE, path.name, facts=dict(model_format(own).card))
        save_component(load_official(own, path, published), out / name, own, card)
        written[name] = str(out / name)
    return written


def _pipelines(out: Path) -> dict[str, str]:
    """Describe the pipelines whose components are all in the folder; the first one in pipeline.json."""
    from savg.pipelines.registry import AUDIO, CLIPS

    kinds = [*PUBLISHED_FILES.values(), *(kind for whole in WHOLES.values() for kind in whole)]
    folders = {kind: folder_name(kind) for kind in kinds}
    present = {kind: name for kind, name in folders.items() if (out / name).is_dir()}
    classes = [registry[name] for registry in (CLIPS, AUDIO) for name in registry]
    written: dict[str, str] = {}
    for pipeline in classes:
        description = pipeline.published(present)
        if description is not None:
            path = out / (f"{pipeline.name}.json" if written else PIPELINE_FILE)
            with atomic_file(path) as part:
                write_json(part, description)
            written[pipeline.name if written else "pipeline"] = str(path)
    return written


@contextmanager
def _checkpoints(path: Path, kind: str | None) -> Iterator[list[tuple[Path, str]]]:
    """The checkpoints of a file, or of the released zip, each with its kind."""
    if path.suffix.lower() != ".zip":
        if kind is None:
            raise SavgError(
                f"{path} is not the name of a released file; if it is a renamed one, give its --kind "
                f"({', '.join(importable())}). {_expected()}"
            )
        yield [(path, kind)]
        return
    with tempfile.TemporaryDirectory() as folder:
        yield _unpack(path, Path(folder))


def _unpack(path: Path, folder: Path) -> list[tuple[Path, str]]:
    """The released checkpoints of a zip, under their own base names only."""
    checkpoints: dict[str, Path] = {}
    with open_archive(path) as archive:
        for member in archive.infolist():
            name = slashed(member.filename).name
            if name not in PUBLISHED_FILES or member.is_dir():
                continue
            if name in checkpoints:
                raise SavgError(f"{path} must hold {name} once, got it twice.")
            checkpoints[name] = folder / name
            unpack(path, archive, member, folder / name)
    if not checkpoints:
        raise SavgError(
            f"{path} must hold one of the released files: {', '.join([*PUBLISHED_FILES][:4])} …."
        )
    return [(place, PUBLISHED_FILES[name]) for name, place in checkpoints.items()]
