"""What is tried: readers, the files they start from, and cases, each of which can be repeated.

A case is READER/MUTATION/NUMBER; everything random in it comes from that text.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import MUTATIONS

MARK = "fuzzed"
"""Part of the name of every input, so that a message shows whether it names it."""

NAMES = (
    "{}", "{} clip", "{}%20%s", "{}:0", "-{}", "{}\nError", "{}\x1b[31m", "{}\u202e", "{}\udcff", "ü{}",
    "{}" + "x" * 200, "'{}\"", "{0}\\{0}",
)  # fmt: skip
"""Names that files from strangers have."""


@dataclass(frozen=True)
class Seed:
    """A sound input.

    build(folder) makes it; entry: what in the folder the reader is given ("" for the folder);
    targets: patterns of the files that may be damaged; seal(folder): makes checksums true again, so
    that a damage is not refused for its checksum alone (done in half of the cases).
    """

    build: Callable[[Path], object]
    entry: str = ""
    targets: tuple[str, ...] = ()
    seal: Callable[[Path], object] | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns of the files that may be damaged."""
        return self.targets or (self.entry,)


@dataclass(frozen=True)
class Case:
    """One trial of a reader."""

    reader: str
    mutation: str
    number: int

    def __str__(self) -> str:
        return f"{self.reader}/{self.mutation}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """The case of a text such as "clip/boxes/17"."""
        reader, mutation, number = text.split("/")
        return cls(reader, mutation, int(number))

    def rng(self, purpose: str) -> random.Random:
        """The generator for one purpose."""
        return random.Random(f"{self}/{purpose}")


@dataclass(frozen=True)
class Trial:
    """What a reader gets: the input, an empty folder for what it writes, another for copies that
    nobody looks at, and a generator for its own choices."""

    path: Path
    out: Path
    scratch: Path
    rng: random.Random

    def copy(self) -> Path:
        """A copy of the input, for readers that may write beside it."""
        target = self.scratch / self.path.name
        shutil.copytree(self.path, target, symlinks=True, copy_function=_copy)
        return target


def _copy(source: str, target: str) -> None:
    if stat.S_ISFIFO(os.stat(source).st_mode):
        os.mkfifo(target)
    else:
        shutil.copyfile(source, target)


@dataclass(frozen=True)
class Reader:
    """A way by which files from elsewhere come in.

    read(trial): what a caller does; its return value does not count. seeds: names of the inputs that
    it is tried with. share: how often it is tried, 1 for slow ones. renamed: whether its input may
    have any name. alias: what messages may call the input by.
    """

    read: Callable[[Trial], object]
    seeds: tuple[str, ...]
    share: int = 3
    renamed: bool = True
    alias: str = MARK


@dataclass(frozen=True)
class Table:
    """Readers and seeds by name."""

    readers: Mapping[str, Reader]
    seeds: Mapping[str, Seed]

    def suitable(self, reader: str, mutation: str) -> list[str]:
        """The seeds of a reader that have a file for the mutation."""
        suits = MUTATIONS[mutation].suits
        names = self.readers[reader].seeds
        return [name for name in names if any(map(suits, self.seeds[name].patterns))]

    def mutations(self, reader: str) -> list[str]:
        """The mutations for a reader, without "none"."""
        return [name for name in list(MUTATIONS)[1:] if self.suitable(reader, name)]


@dataclass(frozen=True)
class Plan:
    """`count` cases of a seed: readers (default: all) by their shares, the mutations of each in turn,
    in shuffled order; before them, if `whole`, two cases of each reader without damage."""

    count: int
    seed: int
    readers: tuple[str, ...] = ()
    whole: bool = False

    def cases(self, table: Table) -> list[Case]:
        """The cases, the same for the same table."""
        rng = random.Random(self.seed)
        names = self.readers or tuple(table.readers)
        turns = [name for name in names for _ in range(table.readers[name].share)]
        rng.shuffle(turns)
        left: dict[str, list[str]] = {name: [] for name in names}
        cases = []
        for i in range(self.count):
            name = turns[i % len(turns)]
            if not left[name]:
                left[name] = table.mutations(name)
                rng.shuffle(left[name])
            cases.append(Case(name, left[name].pop(), rng.randrange(10**6)))
        whole = [Case(name, "none", number) for name in names for number in range(2)]
        return (whole if self.whole else []) + cases
