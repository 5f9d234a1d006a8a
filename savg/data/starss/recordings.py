"""The recordings of STARSS23 in its published folders or zip files.

`foa_dev/SUB/NAME.wav`, `video_dev/SUB/NAME.mp4`, `metadata_dev/SUB/NAME.csv`, each folder as it is or
as a zip file of the same name (whole or split); SUB is for instance dev-train-sony. The same with
`_eval` where labels exist.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from savg.data.starss.archives import archive_parts, open_archive, open_member
from savg.data.starss.results import Problem
from savg.errors import SavgError
from savg.folders import VIDEO_SUFFIXES, files_in, in_any_case
from savg.input_file import slashed

ROLES = {
    "audio": ("foa", (".wav",)),
    "video": ("video", VIDEO_SUFFIXES),
    "labels": ("metadata", (".csv",)),
}
"""Role of a file → beginning of its folder's name, and its suffixes, the published one first."""

SPLITS = ("dev", "eval")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file, or the member `inside` of the zip file `container`."""

    container: Path
    inside: str | None = None

    def __str__(self) -> str:
        return f"{self.container}" if self.inside is None else f"{self.container}/{self.inside}"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The content as a stream; SavgError names what cannot be read."""
        if self.inside is not None:
            with open_member(self.container, self.inside) as stream:
                yield stream
            return
        try:
            with self.container.open("rb") as stream:
                yield stream
        except OSError as error:
            raise SavgError(
                f"{self.container} could not be read: {error.strerror or error}."
            ) from error

    def sha256(self) -> str:
        """SHA-256 of the content, read again only if a file changed since the last call."""
        return _sha256(self, _state(self.container, self.inside is not None))


@dataclass(frozen=True)
class Files:
    """Paths of a recording's files on disk."""

    audio: Path
    video: Path
    labels: Path


@dataclass(frozen=True)
class Recording:
    """A take of STARSS23: its name (fold3_room21_mix001), the folder it was published in
    (dev-train-sony; empty if none), and its audio, video and labels."""

    name: str
    group: str
    audio: Member
    video: Member
    labels: Member

    @contextmanager
    def files(self, cache_folder: str | os.PathLike[str]) -> Iterator[Files]:
        """The files on disk; members of zip files are unpacked below `cache_folder` for the block."""
        members = {role: getattr(self, role) for role in ROLES}
        if all(member.inside is None for member in members.values()):
            yield Files(**{role: member.container for role, member in members.items()})
            return
        Path(cache_folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder, prefix="recording-") as folder:
            yield Files(
                **{role: _unpacked(member, Path(folder), role) for role, member in members.items()}
            )

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of each file's content by role (audio, video, labels), the same in zip or folder.

        Cached; later calls of a process only compare the files' dates.
        """
        return {role: getattr(self, role).sha256() for role in ROLES}

    def state(self) -> str:
        """A hash of names, sizes and dates, which changes when a file is replaced or moved; the
        content is not read."""
        members = [getattr(self, role) for role in ROLES]
        states = [(str(m), _state(m.container, m.inside is not None)) for m in members]
        return hashlib.sha256(repr(states).encode()).hexdigest()


@dataclass(frozen=True)
class RecordingIndex:
    """Usable recordings in order of name, and the problems of others."""

    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]


def find_recordings(root: str | os.PathLike[str]) -> RecordingIndex:
    """All recordings below `root` that have audio, video and labels; the others become problems.

    Raises SavgError where `root` is not STARSS23 at all, or a zip file in it cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise SavgError(f"{root}: no such folder.")
    by_name: dict[str, dict[str, dict[str, Member]]] = defaultdict(lambda: defaultdict(dict))
    for split in SPLITS:
        by_role = {role: _members(root, f"{kind}_{split}", s) for role, (kind, s) in ROLES.items()}
        if split == "eval" and not by_role["labels"]:
            continue
        for role, members in by_role.items():
            for group, name, member in members:
                by_name[name][role].setdefault(group, member)
    if not by_name:
        raise SavgError(
            f"{root} holds no recordings: expected STARSS23's folders foa_dev, video_dev and "
            "metadata_dev, or their zip files."
        )
    recordings, problems = [], []
    for name in sorted(by_name):
        recording, problem = _assembled(name, by_name[name])
        recordings += [recording] if recording else []
        problems += [problem] if problem else []
    return RecordingIndex(tuple(recordings), tuple(problems))


def _assembled(
    name: str, roles: dict[str, dict[str, Member]]
) -> tuple[Recording | None, Problem | None]:
    """The recording of one name out of its files by role and group."""
    missing = [role for role in ROLES if not roles.get(role)]
    if missing:
        return None, Problem(name, f"{name} has no {' and no '.join(missing)}.")
    common = sorted(set.intersection(*(set(roles[role]) for role in ROLES)))
    if not common and any(len(roles[role]) > 1 for role in ROLES):
        groups = ", ".join(sorted({group or "." for role in ROLES for group in roles[role]}))
        return None, Problem(name, f"{name} lies in several folders that do not match: {groups}.")
    if common:
        members = {role: roles[role][common[0]] for role in ROLES}
    else:
        members = {role: next(iter(roles[role].values())) for role in ROLES}
    group = common[0] if common else next(iter(roles["audio"]))
    problem = None
    if len(common) > 1:
        problem = Problem(
            name, f"{name} lies in {' and in '.join(common)}; the first is used.", skipped=False
        )
    return Recording(name, group, **members), problem


def _members(root: Path, folder: str, suffixes: Sequence[str]) -> list[tuple[str, str, Member]]:
    """(group, name, member) of the files of one role, those of the folder before those of the zip."""
    members = []
    if (root / folder).is_dir():
        for path in files_in(root / folder, suffixes, deep=True):
            inside = PurePosixPath(path.relative_to(root / folder).as_posix())
            members.append((_group(inside, folder), path.stem, Member(path)))
    members.sort(key=lambda member: suffixes.index(member[2].container.suffix.lower()))
    archive_path = in_any_case(root / f"{folder}.zip")
    if archive_path.is_file():
        with open_archive(archive_path) as archive:
            names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
        for name in names:
            inside = slashed(name)
            hidden = inside.name.startswith(".") or "__MACOSX" in inside.parts
            if inside.suffix.lower() in suffixes and not hidden:
                members.append((_group(inside, folder), inside.stem, Member(archive_path, name)))
    return members


def _group(path: PurePosixPath, folder: str) -> str:
    """The folder a file was published in, without the top folder (foa_dev) and what is above it."""
    parent = path.parent.name
    return "" if parent in (folder, "..") else parent


def _unpacked(member: Member, folder: Path, role: str) -> Path:
    """A member as a file, named by its role: names in an archive could lead elsewhere."""
    if member.inside is None:
        return member.container
    target = folder / f"{role}{slashed(member.inside).suffix.lower()}"
    try:
        with target.open("wb") as file, member.open() as stream:
            shutil.copyfileobj(stream, file, _BLOCK)
    except OSError as error:
        raise SavgError(f"{member} could not be unpacked: {error.strerror or error}.") from error
    return target


def _state(container: Path, archive: bool) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and dates of the files behind a member."""
    try:
        stats = [(p, p.stat()) for p in (archive_parts(container) if archive else [container])]
    except OSError as error:
        raise SavgError(f"{container} could not be read: {error.strerror or error}.") from error
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


@lru_cache(maxsize=4096)
def _sha256(member: Member, state: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    with member.open() as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
