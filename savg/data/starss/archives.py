"""Zip files as STARSS23 is published: whole, or split into NAME.z01, NAME.z02, … and NAME.zip.

Python's zipfile reads no split archives. In one, a member's place is the number of a part and an
offset in it. `open_archive` presents the parts as a single file that ends in a directory with
offsets into that file (64-bit records), which zipfile reads.
Source: PKWARE's description of the format, APPNOTE.TXT 6.3, sections 4.3 to 4.5 and 8.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, BinaryIO

from savg.errors import SavgError, clause, printable
from savg.input_file import input_file
from savg.paths import atomic_file

_END = struct.Struct("<4s4H2LH")  # signature, 2 disks, 2 counts, size, offset, comment length
_LOCATOR = struct.Struct("<4sLQL")  # signature, disk, offset, number of disks
_END64 = struct.Struct("<4sQ2H2L4Q")  # signature, size, 2 versions, 2 disks, 2 counts, size, offset
_ENTRY = struct.Struct("<4s6H3L5H2L")  # …, sizes, lengths, disk, attributes, offset
_BOMB, _MAX_RATIO = 64 * 2**20, 20
"""Members above this size may unpack to that many times what they take in the file."""

_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


class PartsFile(io.RawIOBase):
    """Several binary streams read as if they followed each other in one file; read-only."""

    def __init__(self, parts: Sequence[IO[bytes]]) -> None:
        self._parts = list(parts)
        self._ends = list(accumulate(part.seek(0, os.SEEK_END) for part in parts))
        self._starts = [0, *self._ends[:-1]]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ends[-1]}[whence]
        if base + offset < 0:
            raise ValueError(f"Cannot seek to {base + offset}, before the file.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        index = bisect_right(self._ends, self._at)
        if index == len(self._ends) or not len(view):
            return 0
        part = self._parts[index]
        part.seek(self._at - self._starts[index])
        data = part.read(min(len(view), self._ends[index] - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file, whole or split (`path` is its last part, the one that ends in .zip).

    Raises SavgError naming the file where it is no zip file, damaged, or a part is missing.
    """
    with ExitStack() as stack:
        try:
            parts = [stack.enter_context(part.open("rb")) for part in archive_parts(path)]
            stream = parts[0] if len(parts) == 1 else _joined(parts)
            archive = stack.enter_context(zipfile.ZipFile(stream))
        except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError) as error:
            reason = clause(error)
            raise SavgError(f"{path} is not a zip file that can be read: {reason}.") from error
        except OSError as error:
            raise SavgError(f"{path} could not be read: {error.strerror or error}.") from error
        yield archive


@contextmanager
def open_member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The content of one member of a zip file; SavgError names both where it cannot be read."""
    with open_archive(path) as archive:
        try:
            member = archive.getinfo(name)
        except KeyError as error:
            raise SavgError(f"{path} has no member {name}.") from error
        with _reading(path, member), archive.open(member) as stream:
            yield stream


def unpack(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write the content of a member of the zip file `path` to `target`.

    SavgError for what is no file, is encrypted or damaged, unpacks to far more than it takes, or does
    not fit on the disk; then there is no `target`.
    """
    mode = member.external_attr >> 16
    name = f"{path}: the member {printable(member.filename, 100)}"
    if member.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        raise SavgError(f"{name} must be a file, got a link or folder.")
    if member.file_size > _BOMB and member.file_size > _MAX_RATIO * member.compress_size:
        raise SavgError(f"{name} must unpack to at most {_MAX_RATIO} times its size, got more.")
    free = shutil.disk_usage(target.parent).free
    if member.file_size > free:
        raise SavgError(
            f"{name} needs {member.file_size >> 20} MiB, but the disk has {free >> 20} MiB free."
        )
    with atomic_file(target) as part, part.open("wb") as file:
        for chunk in _chunks(path, archive, member):
            file.write(chunk)


def _chunks(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member, at most of its declared size whatever the data unpack to."""
    with _reading(path, member), archive.open(member) as source:
        while chunk := source.read(1 << 20):
            yield chunk


@contextmanager
def _reading(path: Path, member: zipfile.ZipInfo) -> Iterator[None]:
    """Errors while a member is read name the file and the member."""
    name = printable(member.filename, 100)
    if member.flag_bits & 1:
        raise SavgError(f"{path}: the member {name} cannot be unpacked (it is encrypted).")
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error) as error:
        raise SavgError(f"{path}: the member {name} is damaged.") from error
    except OSError as error:
        raise SavgError(f"{path} could not be read: {error.strerror or error}.") from error
    except (NotImplementedError, RuntimeError) as error:
        reason = clause(error)
        raise SavgError(f"{path}: the member {name} cannot be unpacked ({reason}).") from error


def archive_parts(path: Path) -> list[Path]:
    """The files of an archive in order, the one ending in .zip last; SavgError if one is missing."""
    try:
        with input_file(path, "zip file").open("rb") as file:
            last = _find_end(file)[1][1]
    except OSError as error:
        raise SavgError(f"{path} could not be read: {error.strerror or error}.") from error
    except zipfile.BadZipFile as error:
        raise SavgError(f"{path} is not a zip file that can be read: {error}.") from error
    parts = [path.with_suffix(f".z{number:02d}") for number in range(1, last + 1)]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise SavgError(
            f"{path} is the last of {last + 1} parts, and {', '.join(missing[:3])}"
            f"{' …' if len(missing) > 3 else ''} is not beside it."
        )
    return [*parts, path]


def _find_end(file: BinaryIO) -> tuple[int, tuple[Any, ...]]:
    """Offset of the end record of an archive in its last file, and the record's fields."""
    size = file.seek(0, os.SEEK_END)
    length = min(size, _END.size + _FULL16)
    file.seek(size - length)
    tail = file.read(length)
    at = tail.rfind(b"PK\5\6", 0, len(tail) - _END.size + 4)
    if at < 0:
        raise zipfile.BadZipFile("it has no end record")
    return size - length + at, _END.unpack_from(tail, at)


def _joined(parts: Sequence[BinaryIO]) -> BinaryIO:
    """The parts of a split archive as one stream that holds a whole archive."""
    sizes = [part.seek(0, os.SEEK_END) for part in parts]
    begins = [0, *accumulate(sizes)]
    disk, offset, size, count = _directory_place(parts)
    if disk >= len(parts) or begins[disk] + offset + size > begins[-1]:
        raise zipfile.BadZipFile("its directory does not lie in its parts")
    whole = io.BufferedReader(PartsFile(parts))
    start = begins[disk] + offset
    whole.seek(start)
    directory = _rewritten(whole.read(size), count, begins)
    tail = io.BytesIO(directory + _end_records(start, len(directory), count))
    head = _Head(PartsFile(parts), start)
    return io.BufferedReader(PartsFile([head, tail]), 1 << 16)  # type: ignore[list-item]


class _Head(io.RawIOBase):
    """The first `size` bytes of a stream."""

    def __init__(self, stream: PartsFile, size: int) -> None:
        self._stream, self._size = stream, size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(self._size + offset if whence == os.SEEK_END else offset)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size) or b""


def _directory_place(parts: Sequence[BinaryIO]) -> tuple[int, int, int, int]:
    """Part, offset, size and number of entries of the directory, from a 32- or 64-bit end record."""
    last = parts[-1]
    at, (_, _, disk, _, count, size, offset, _) = _find_end(last)
    if at >= _LOCATOR.size:
        last.seek(at - _LOCATOR.size)
        mark, end_disk, end_offset, _ = _LOCATOR.unpack(last.read(_LOCATOR.size))
        if mark == b"PK\6\7" and end_disk < len(parts):
            parts[end_disk].seek(end_offset)
            end = _END64.unpack(parts[end_disk].read(_END64.size))
            if end[0] != b"PK\6\6":
                raise zipfile.BadZipFile("its 64-bit end record is damaged")
            disk, count, size, offset = end[5], end[7], end[8], end[9]
    return disk, offset, size, count


def _rewritten(directory: bytes, count: int, begins: Sequence[int]) -> bytes:
    """A directory with (part, offset) places rewritten to offsets into the joined parts."""
    out = bytearray()
    at = 0
    for _ in range(count):
        entry = list(_ENTRY.unpack_from(directory, at))
        if entry[0] != b"PK\1\2":
            raise zipfile.BadZipFile("its directory is damaged")
        names = at + _ENTRY.size
        extras = names + entry[10]
        comment = extras + entry[11]
        at = comment + entry[12]
        wide, others = _split_extra(directory[extras:comment])
        numbers = list(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
        sizes = [numbers.pop(0) for field in (9, 8) if entry[field] == _FULL32]
        offset = numbers.pop(0) if entry[16] == _FULL32 else entry[16]
        disk = struct.unpack("<L", wide[-4:])[0] if entry[13] == _FULL16 else entry[13]
        if disk >= len(begins) - 1:
            raise zipfile.BadZipFile("a member lies in a part that does not exist")
        places = [*sizes, begins[disk] + offset]
        extra = struct.pack(f"<2H{len(places)}Q", 1, 8 * len(places), *places) + others
        entry[11], entry[13], entry[16] = len(extra), 0, _FULL32
        out += _ENTRY.pack(*entry) + directory[names:extras] + extra + directory[comment:at]
    return bytes(out)


def _split_extra(extra: bytes) -> tuple[bytes, bytes]:
    """The 64-bit sizes and offset of a directory entry, and its other extra fields."""
    wide, others, at = b"", b"", 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + length]
        else:
            others += extra[at : at + 4 + length]
        at += 4 + length
    return wide, others


def _end_records(start: int, size: int, count: int) -> bytes:
    """The records after a directory of `size` bytes at `start`, with 64-bit offsets."""
    rest = _END64.size - 12
    end64 = _END64.pack(b"PK\6\6", rest, 45, 45, 0, 0, count, count, size, start)
    locator = _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    end = _END.pack(b"PK\5\6", 0, 0, _FULL16, _FULL16, _FULL32, _FULL32, 0)
    return end64 + locator + end
