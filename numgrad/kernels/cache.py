"""The store of compiled kernels: a folder of files, each named by what its code came from."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import time
from pathlib import Path

_MAGIC = b"numgrad kernel 1"
_LENGTH = 8
_HEADER = len(_MAGIC) + _LENGTH + hashlib.sha256().digest_size
_SUFFIX = ".kernel"
_TEMPORARY = ".tmp"
_STALE_SECONDS = 3600.0
_WRITABLE_BY_OTHERS = 0o022


class Store:
    """Payloads by key, in a folder that any number of processes may share.

    Loading code is running it, so a folder is used only if nobody else can write to it. Whatever
    cannot be read counts as missing, and whatever cannot be written is not stored: a store
    never raises.
    """

    def __init__(self, folder: Path) -> None:
        """A store in `folder`, which is made when there is something to put into it."""
        self.folder = folder
        self._swept = False

    def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None if nothing was, or it did not come back unchanged."""
        if self.problem() is not None:
            return None
        try:
            entry = self._path(key).read_bytes()
        except OSError:
            return None
        header, payload = entry[:_HEADER], entry[_HEADER:]
        return payload if header == _header(key, payload) else None

    def put(self, key: str, payload: bytes) -> None:
        """Stores `payload` under `key`, in one step: no reader ever sees a part of it."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.problem() is not None:
            return
        temporary = self.folder / f"{os.urandom(8).hex()}{_TEMPORARY}"
        try:
            temporary.write_bytes(_header(key, payload) + payload)
            temporary.replace(self._path(key))
        except OSError:
            _remove(temporary)
        if not self._swept:
            self._swept = True
            self._sweep()

    def size(self) -> tuple[int, int]:
        """How many entries there are, and how many bytes they take."""
        sizes = []
        for path in self._files(_SUFFIX):
            # Another process may just have cleared the store.
            with contextlib.suppress(OSError):
                sizes.append(path.stat().st_size)
        return len(sizes), sum(sizes)

    def clear(self) -> None:
        """Removes every entry."""
        for path in (*self._files(_SUFFIX), *self._files(_TEMPORARY)):
            _remove(path)

    def problem(self) -> str | None:
        """Why the folder is not used, or None if it is."""
        try:
            status = self.folder.stat()
        except OSError as error:
            return f"{self.folder}: {error.strerror}"
        if sys.platform == "win32":
            return None
        if status.st_uid != os.geteuid():
            return f"{self.folder} belongs to another user"
        if status.st_mode & _WRITABLE_BY_OTHERS:
            return f"{self.folder} can be written by other users: chmod go-w {self.folder}"
        return None

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _files(self, suffix: str) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.suffix == suffix]
        except OSError:
            return []

    def _sweep(self) -> None:
        """Removes what processes left that were killed while writing."""
        oldest = time.time() - _STALE_SECONDS
        for path in self._files(_TEMPORARY):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    _remove(path)


@functools.cache
def default_store() -> Store:
    """The store of this user: in `NUMGRAD_CACHE_DIR`, or else in the system's cache folder."""
    chosen = os.environ.get("NUMGRAD_CACHE_DIR")
    return Store(Path(chosen) if chosen else _cache_folder() / "numgrad")


def _cache_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _header(key: str, payload: bytes) -> bytes:
    """Says what follows: an entry under another key or with another byte does not match it."""
    digest = hashlib.sha256(key.encode() + payload).digest()
    return _MAGIC + len(payload).to_bytes(_LENGTH, "little") + digest


def _remove(path: Path) -> None:
    """Removes a file, if it is there and may be removed."""
    with contextlib.suppress(OSError):
        path.unlink()
