"""`python -m savg check-channels`: swapped, missing, equal or faulty channels in video files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from savg.cli.observing import (
    add_audio_arguments,
    add_detector_arguments,
    audio_rules,
    load_detectors,
    readers,
)
from savg.errors import SavgError, printable
from savg.evaluation.files import find_videos, result_names
from savg.paths import existing

if TYPE_CHECKING:
    from savg.evaluation.channel_check import ClipChannels, SetChannels
    from savg.evaluation.observe import Detectors, Failure
    from savg.media.channels import AudioRules
    from savg.metrics.base import Item

HELP = "Check whether channels of videos are swapped, missing, equal, out of phase or clipped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.description = (
        f"{HELP} Spatial AV-Align of each clip stands against that with channels swapped; a sign test "
        "over clips decides for the set, which takes six clips with sources off the centre. "
        "Mirrored frames look like swapped channels: the published joint baseline makes such clips."
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE|DIR", help="videos, or folders of them")
    add_detector_arguments(parser)
    add_audio_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where anything is found to be wrong"
    )


def run(args: argparse.Namespace) -> int:
    """Check every input; 1 where one cannot be read, or with --strict where something is wrong."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from savg.evaluation.channel_check import check_set
    from savg.evaluation.observe import Failure
    from savg.evaluation.observers import Observers, Source, observe_all

    files = find_videos([str(existing(name, "folder or video")) for name in args.inputs])
    by_name = dict(zip(result_names(files), files, strict=True))
    rules = audio_rules(args)
    detectors = load_detectors(args)
    observers = Observers(detectors, clips=True)
    sources = [Source(name, read) for name, read in readers(by_name.items(), rules)]
    checked: list[ClipChannels] = []
    failed: list[Failure] = []
    with logging_redirect_tqdm(), tqdm(total=len(sources), unit="clip", file=sys.stderr) as bar:
        for item in observe_all(sources, observers):
            result = _check(item, by_name[item.name], rules, detectors)
            if isinstance(result, Failure):
                failed.append(result)
                tqdm.write(f"error: {result.reason}", file=sys.stderr)
            else:
                checked.append(result)
                if not args.json:
                    tqdm.write(_lines(result, by_name[item.name]), file=sys.stdout)
            bar.update()
    found = check_set(checked)
    _report(found, failed, by_name, args.json)
    return 1 if failed or (args.strict and found.findings) else 0


def _check(
    item: Item | Failure, path: Path, rules: AudioRules, detectors: Detectors
) -> ClipChannels | Failure:
    from savg.evaluation.channel_check import check_clip
    from savg.evaluation.observe import Failure
    from savg.media.clip_reader import audio_note

    if isinstance(item, Failure):
        return item
    assert item.clip is not None
    try:
        note = audio_note(path, rules)
        return check_clip(item.name, item.clip, item.observation, detectors.sounds, note)
    except SavgError as error:
        return Failure(item.name, str(error))


def _lines(clip: ClipChannels, path: Path) -> str:
    """What was found of a clip, on one line."""
    sentences = [clip.sentence, *(fault.sentence for fault in clip.faults), clip.note]
    return f"{printable(str(path))}: {' '.join(filter(None, sentences))}"


def _report(
    found: SetChannels, failed: Sequence[Failure], files: dict[str, Path], as_json: bool
) -> None:
    if as_json:
        data = found.to_json()
        for row in data["each"]:
            row["file"] = str(files[row["clip"]])
        data["failed"] = [{"clip": f.name, "reason": f.reason} for f in failed]
        print(json.dumps(data, indent=1, allow_nan=False))
        return
    if found.clips:
        print(found.sentence)
        counts = [f"{number} {kind}" for kind, number in sorted(found.faults.items())]
        print(f"Clips with faults of the audio: {', '.join(counts) or 'none'}.")
    if failed:
        total = len(failed) + len(found.clips)
        print(f"{len(failed)} of {total} files could not be checked.", file=sys.stderr)
