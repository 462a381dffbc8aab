"""The store of compiled kernels: a folder of files, each named by what its code came from."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
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
_ROOT = 0
# A kernel takes some kilobytes. What is larger is none, and may not fit into memory.
_LARGEST = 2**26


class Store:
    """Payloads by key, in a folder that any number of processes may share.

    Loading code is running it, so a folder is used only if nobody but its user and root can write
    to it. Whatever cannot be read counts as missing, and whatever cannot be written is not stored:
    a store never raises.
    """

    def __init__(self, folder: Path | None) -> None:
        """A store in `folder`, which is made when there is something to put into it.

        None, where there is no place for a folder, is a store that stays empty.
        """
        self.folder = folder
        self._swept = False

    def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None if nothing was, or it did not come back unchanged."""
        if self.folder is None or self.problem() is not None:
            return None
        path = _entry(self.folder, key)
        try:
            status = path.stat()
            # Anything else might block, or never end.
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                return None
            # It may be from a time when others could write to the folder.
            if _distrusted(path, status) is not None:
                return None
            entry = path.read_bytes()
        except OSError:
            return None
        header, payload = entry[:_HEADER], entry[_HEADER:]
        return payload if header == _header(key, payload) else None

    def put(self, key: str, payload: bytes) -> None:
        """Stores `payload` under `key`, in one step: no reader ever sees a part of it."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.problem() is not None:
            return
        temporary = self.folder / f"{os.urandom(8).hex()}{_TEMPORARY}"
        try:
            # Whatever the umask, others cannot write to the file.
            descriptor = os.open(temporary, _CREATE, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_header(key, payload) + payload)
            temporary.replace(_entry(self.folder, key))
        except OSError:
            _remove(temporary)
        except BaseException:
            _remove(temporary)
            raise
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
        if self.folder is None:
            return "there is no home folder: set NUMGRAD_CACHE_DIR"
        try:
            status = self.folder.stat()
        except OSError as error:
            return f"{self.folder}: {error.strerror}"
        if not stat.S_ISDIR(status.st_mode):
            return f"{self.folder} is not a folder"
        return _distrusted(self.folder, status)

    def _files(self, suffix: str) -> list[Path]:
        if self.folder is None:
            return []
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
    try:
        folder = Path(chosen).expanduser() if chosen else _cache_folder() / "numgrad"
        # The process may change its working folder later.
        return Store(folder.absolute())
    except (OSError, RuntimeError):
        # No home, or no working folder any more.
        return Store(None)


def _cache_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # By the XDG specification a relative path there is to be ignored.
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"


# Not through a link, and nothing that is there already. Windows would translate line ends.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def _entry(folder: Path, key: str) -> Path:
    return folder / f"{key}{_SUFFIX}"


def _distrusted(path: Path, status: os.stat_result) -> str | None:
    """Why what others may have written is not read, or None if only the user and root can write."""
    if sys.platform == "win32":
        return None
    if status.st_uid not in {os.geteuid(), _ROOT}:
        return f"{path} belongs to another user"
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return f"{path} can be written by other users: chmod go-w {path}"
    return None


def _header(key: str, payload: bytes) -> bytes:
    """Says what follows: an entry under another key or with another byte does not match it."""
    digest = hashlib.sha256(key.encode() + payload).digest()
    return _MAGIC + len(payload).to_bytes(_LENGTH, "little") + digest


def _remove(path: Path) -> None:
    """Removes a file, if it is there and may be removed."""
    with contextlib.suppress(OSError):
        path.unlink()
