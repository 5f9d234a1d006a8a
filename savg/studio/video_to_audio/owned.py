"""Files that visitors gave to the tab, under opaque keys in a folder that is not served."""

from __future__ import annotations

import secrets
import shutil
import threading
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from savg.studio.shared.storage import Storage


class _Kept(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def path(self) -> Path: ...


T = TypeVar("T", bound=_Kept)


class OwnedFiles(Generic[T]):
    """Files of one running studio; a visitor's go when the visitor does, the oldest where there are
    more than `most` of one visitor."""

    def __init__(self, storage: Storage | None, most: int) -> None:
        self.storage, self.most = storage or Storage(), most
        self._items: dict[str, tuple[str, T]] = {}
        self._lock = threading.Lock()

    def get(self, key: object, visitor: str) -> T | None:
        """The visitor's file of that key, or None."""
        owner, item = self._items.get(str(key), (None, None))
        return item if owner == visitor else None

    def all_of(self, visitor: str) -> list[T]:
        """The visitor's files, newest first."""
        return [item for owner, item in reversed(list(self._items.values())) if owner == visitor]

    def owners(self) -> set[str]:
        """The visitors who have files here."""
        with self._lock:
            return {owner for owner, _ in self._items.values()}

    def drop_all(self, visitor: str) -> None:
        """Delete the visitor's files."""
        with self._lock:
            keys = self._keys(visitor)
        self._drop(keys)

    def _place(self) -> tuple[str, Path]:
        """A new key, and where its file is to lie; SavgError where the disk is nearly full."""
        self.storage.check_room()
        key = secrets.token_hex(16)
        self.storage.videos.mkdir(parents=True, exist_ok=True)
        return key, self.storage.videos / key

    def _take(self, source: Path, item: T, visitor: str) -> T:
        """Move a file to where the item says that it lies."""
        shutil.move(source, item.path)
        with self._lock:
            self._items[item.key] = visitor, item
            oldest = self._keys(visitor)[: -self.most]
        self._drop(oldest)
        return item

    def _drop(self, keys: list[str]) -> None:
        for key in keys:
            with self._lock:
                _, item = self._items.pop(key, (None, None))
            if item:
                item.path.unlink(missing_ok=True)

    def _keys(self, visitor: str) -> list[str]:
        """The visitor's files, oldest first."""
        return [key for key, (owner, _) in self._items.items() if owner == visitor]
