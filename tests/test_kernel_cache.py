"""The store of compiled kernels: it gives back what it got or nothing, and never raises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from numgrad.kernels import cache

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX owners and modes")

KEY = "0123abcd"
PAYLOAD = bytes(range(256)) * 10


@pytest.fixture
def store(tmp_path):
    return cache.Store(tmp_path / "a" / "store")


def entry(store):
    """The file of the one entry."""
    (path,) = store.folder.glob("*.kernel")
    return path


@pytest.mark.parametrize("payload", [PAYLOAD, b"", b"\0"])
def test_an_entry_comes_back(store, payload):
    store.put(KEY, payload)
    assert store.get(KEY) == payload
    assert cache.Store(store.folder).get(KEY) == payload


def test_what_was_not_put_is_missing(store):
    assert store.get(KEY) is None
    store.put(KEY, PAYLOAD)
    assert store.get("another") is None


def test_the_last_entry_under_a_key_counts(store):
    store.put(KEY, b"first")
    store.put(KEY, b"second")
    assert store.get(KEY) == b"second"
    assert store.size()[0] == 1


def flipped(data, place):
    """The data with one bit changed."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


DAMAGE = {
    "empty": lambda _: b"",
    "cut in the header": lambda data: data[:20],
    "cut after the header": lambda data: data[: -len(PAYLOAD)],
    "cut in the payload": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "foreign": lambda data: b"\x7fELF" + data,
    "bit of the magic": lambda data: flipped(data, 0),
    "bit of the length": lambda data: flipped(data, 16),
    "bit of the checksum": lambda data: flipped(data, 30),
    "first bit of the payload": lambda data: flipped(data, -len(PAYLOAD)),
    "last bit of the payload": lambda data: flipped(data, -1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_missing_until_it_is_put_again(store, damage):
    store.put(KEY, PAYLOAD)
    path = entry(store)
    path.write_bytes(damage(path.read_bytes()))
    assert store.get(KEY) is None
    store.put(KEY, PAYLOAD)
    assert store.get(KEY) == PAYLOAD


def test_an_entry_under_another_name_is_missing(store):
    store.put(KEY, PAYLOAD)
    path = entry(store)
    path.rename(path.with_stem("another"))
    assert store.get("another") is None


@posix
def test_the_folder_is_private_whatever_the_umask(store):
    before = os.umask(0o002)
    try:
        store.put(KEY, PAYLOAD)
    finally:
        os.umask(before)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert store.problem() is None


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used(store, mode):
    store.put(KEY, PAYLOAD)
    store.folder.chmod(mode)
    assert store.get(KEY) is None
    store.put("another", PAYLOAD)
    assert store.size()[0] == 1
    assert "can be written by other users" in str(store.problem())
    store.folder.chmod(0o700)
    assert store.get(KEY) == PAYLOAD


@posix
def test_a_folder_of_somebody_else_is_not_used(store, monkeypatch):
    store.put(KEY, PAYLOAD)
    somebody = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody)
    monkeypatch.setattr(cache, "_ROOT", somebody)
    assert store.get(KEY) is None
    store.put("another", PAYLOAD)
    assert store.size()[0] == 1
    assert "belongs to another user" in str(store.problem())


@posix
def test_a_folder_of_root_is_used_by_others(store, monkeypatch):
    store.put(KEY, PAYLOAD)
    monkeypatch.setattr(cache, "_ROOT", os.geteuid())
    monkeypatch.setattr(os, "geteuid", lambda: cache._ROOT + 1)
    assert store.get(KEY) == PAYLOAD


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_could_write_to_is_missing(store, mode):
    store.put(KEY, PAYLOAD)
    entry(store).chmod(mode)
    assert store.get(KEY) is None
    store.put(KEY, PAYLOAD)
    assert store.get(KEY) == PAYLOAD


@posix
def test_others_cannot_write_to_an_entry_whatever_the_umask(store):
    before = os.umask(0)
    try:
        store.put(KEY, PAYLOAD)
    finally:
        os.umask(before)
    assert entry(store).stat().st_mode & 0o777 == 0o600


def test_no_folder_is_an_empty_store():
    store = cache.Store(None)
    store.put(KEY, PAYLOAD)
    assert store.get(KEY) is None
    assert store.size() == (0, 0)
    store.clear()
    assert "set NUMGRAD_CACHE_DIR" in str(store.problem())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_write_that_is_interrupted_leaves_nothing(store, monkeypatch, error):
    def interrupted(*_):
        raise error

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(error):
        store.put(KEY, PAYLOAD)
    assert list(store.folder.iterdir()) == []


def test_where_no_folder_can_be_made_nothing_is_stored(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    store = cache.Store(tmp_path / "file" / "store")
    store.put(KEY, PAYLOAD)
    assert store.get(KEY) is None
    assert store.size() == (0, 0)
    assert str(store.folder) in str(store.problem())
    store.clear()


def test_where_no_file_can_be_written_nothing_is_stored_or_left(store):
    (store.folder / f"{KEY}.kernel").mkdir(parents=True, mode=0o700)
    store.folder.chmod(0o700)
    store.put(KEY, PAYLOAD)
    assert store.get(KEY) is None
    assert [path.name for path in store.folder.iterdir()] == [f"{KEY}.kernel"]


@posix
def test_a_process_killed_while_writing_leaves_nothing_that_counts(store):
    program = f"""
import os, pathlib, signal
from numgrad.kernels import cache
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
cache.Store(pathlib.Path({str(store.folder)!r})).put({KEY!r}, b"x" * 1000)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = store.folder.iterdir()
    assert store.get(KEY) is None
    assert store.size() == (0, 0)

    store.put("fresh", PAYLOAD)
    assert left.exists()  # it might be a process that is still writing
    os.utime(left, (0, 0))
    cache.Store(store.folder).put("later", PAYLOAD)
    assert not left.exists()
    assert store.size()[0] == 2


def test_size_counts_entries_and_clear_removes_them(store):
    assert store.size() == (0, 0)
    store.put("one", PAYLOAD)
    store.put("two", PAYLOAD)
    (store.folder / "left.tmp").write_bytes(b"x")
    (store.folder / "of the user").write_bytes(b"x")
    count, size = store.size()
    assert count == 2
    assert size == sum(path.stat().st_size for path in store.folder.glob("*.kernel"))
    store.clear()
    assert store.size() == (0, 0)
    assert [path.name for path in store.folder.iterdir()] == ["of the user"]


HERE = Path.cwd()
HOME = HERE / "home"
FOLDERS = [
    ("linux", {}, HOME / ".cache" / "numgrad"),
    ("linux", {"XDG_CACHE_HOME": str(HERE / "xdg")}, HERE / "xdg" / "numgrad"),
    ("linux", {"XDG_CACHE_HOME": "relative"}, HOME / ".cache" / "numgrad"),
    ("darwin", {"XDG_CACHE_HOME": str(HERE / "xdg")}, HOME / "Library" / "Caches" / "numgrad"),
    ("win32", {"LOCALAPPDATA": str(HERE / "local")}, HERE / "local" / "numgrad"),
    ("win32", {}, HOME / "AppData" / "Local" / "numgrad"),
    ("linux", {"NUMGRAD_CACHE_DIR": "chosen", "XDG_CACHE_HOME": "/xdg"}, HERE / "chosen"),
    ("linux", {"NUMGRAD_CACHE_DIR": "~/chosen", "HOME": str(HOME)}, HOME / "chosen"),
]


@pytest.mark.parametrize(("platform", "variables", "folder"), FOLDERS)
def test_the_default_folder(monkeypatch, platform, variables, folder):
    for name in ("NUMGRAD_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: HOME)
    assert cache.default_store.__wrapped__().folder == folder
