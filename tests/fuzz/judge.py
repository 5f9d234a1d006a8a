"""One case, run and judged in the process it is called in.

Good outcomes are a value, or a SavgError of one sentence that names the input. Everything else is a
fault, also a file that is left over, half-written or changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import traceback
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from savg.errors import SavgError
from tests.fuzz.case import MARK, NAMES, Case, Table, Trial
from tests.fuzz.mutations import MUTATIONS

LONGEST = 400
"""Characters of a message, the path in it not counted."""

PLAIN = 2 / 3
"""Share of the cases with an ordinary name."""

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


class Fault(Exception):
    """A fault that a reader, or the check of what it wrote, has found."""


@dataclass(frozen=True)
class Outcome:
    """kind: "value", "error" (one sentence) or the kind of a fault; text: message, or where it
    happened; peak: most memory in use, in bytes."""

    case: Case
    kind: str
    text: str = ""
    peak: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it is a value or one sentence."""
        return self.kind in ("value", "error")


def run(case: Case, table: Table, seeds: Path, work: Path) -> Outcome:
    """Damage a copy of a seed (its folder lies in `seeds`), read it, and judge what happens."""
    trial = _prepare(case, table, seeds, work)
    before = dict(_contents(work / "in"))
    try:
        table.readers[case.reader].read(trial)
        outcome = Outcome(case, "value")
    except SavgError as error:
        outcome = _judged(case, str(error), trial.path, table.readers[case.reader].alias)
    except Fault as error:
        return Outcome(case, "fault", str(error))
    except BaseException as error:
        return Outcome(case, type(error).__name__, _where(error))
    try:
        check_written(trial.out, outcome.kind == "value")
        _check_unchanged(before, dict(_contents(work / "in")))
        if left := sorted(p.name for p in (work / "tmp").iterdir()):
            raise Fault(f"temporary files are left over: {', '.join(left)}")
    except Fault as error:
        return Outcome(case, "fault", str(error))
    return outcome


def _prepare(case: Case, table: Table, seeds: Path, work: Path) -> Trial:
    rng, reader = case.rng("damage"), table.readers[case.reader]
    name = rng.choice(table.suitable(case.reader, case.mutation))
    seed, folder = table.seeds[name], work / "in" / f"{MARK} {name}"
    for other in ("in", "out", "tmp", "scratch"):
        (work / other).mkdir()
    shutil.copytree(seeds / name, folder, symlinks=True)
    mutation = MUTATIONS[case.mutation]
    files = sorted({path for pattern in seed.patterns for path in folder.glob(pattern)})
    target = rng.choice([path for path in files if mutation.suits(path.name)] or [folder])
    mutation.apply(target, rng)
    if seed.seal is not None and rng.random() < 0.5:
        seed.seal(folder)
    path = folder / seed.entry
    if seed.entry and reader.renamed and os.path.lexists(path):
        pattern = NAMES[0] if rng.random() < PLAIN else rng.choice(NAMES)
        path = path.rename(path.with_name(pattern.format(MARK) + path.suffix))
    return Trial(path, work / "out", work / "scratch", case.rng("reader"))


def _judged(case: Case, message: str, path: Path, alias: str) -> Outcome:
    """A message should name the input, or a file in it."""
    names = [MARK, alias, path.name, *(p.name for p in path.parent.rglob("*") if p.suffix)]
    if fault := message_fault(message, LONGEST + len(str(path)), names):
        return Outcome(case, "message", f"{fault}: {message[:1000]!r}")
    return Outcome(case, "error", message)


def message_fault(message: str, longest: int = LONGEST, names: list[str] | None = None) -> str:
    """What is wrong with the sentence of an error; empty for a good one."""
    wrong = [c for c in message if unicodedata.category(c) in _UNPRINTABLE]
    if wrong:
        return f"the message holds {wrong[0]!r}"
    if len(message) > longest:
        return f"the message has {len(message)} characters"
    if not message.strip().endswith((".", "…")):
        return "the message is no sentence with a full stop"
    if names is not None and not any(name in message for name in names):
        return "the message does not name the file"
    return ""


def check_written(out: Path, succeeded: bool) -> None:
    """Fault unless a reader that failed wrote nothing, and one that succeeded only whole files."""
    written = sorted(path for path in out.rglob("*") if not path.is_dir())
    if written and not succeeded:
        raise Fault(f"an error, but {written[0].name} is written")
    for path in written:
        if path.name.startswith(".") or path.suffix in (".part", ".tmp"):
            raise Fault(f"{path.name} is a temporary file")
        if path.suffix == ".mp4":
            check_video(path)


def check_video(path: Path) -> None:
    """Fault unless a video can be decoded to its end."""
    try:
        with av.open(str(path)) as container:
            frames = sum(isinstance(part, av.VideoFrame) for part in container.decode())
    except av.FFmpegError as error:
        raise Fault(f"{path.name} cannot be decoded: {error}") from error
    if not frames:
        raise Fault(f"{path.name} has no frame")


def _contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Relative path and content of everything in a folder."""
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = str(stat.S_IFMT(mode))
        if stat.S_ISREG(mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        yield str(path.relative_to(folder)), content


def _check_unchanged(before: dict[str, str], after: dict[str, str]) -> None:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            change = "appeared beside" if name not in before else "was changed in"
            raise Fault(f"{Path(name).name} {change} the input")


def _where(error: BaseException) -> str:
    """The error and the lines of code it came through, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames][-6:]
    return f"{str(error)[:300]!r} at {' > '.join(places)}"
