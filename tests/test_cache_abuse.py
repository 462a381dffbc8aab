"""Whatever happens to the cache, kernels compute, and no user sees an error.

A process that has imported Numba forks a child for each test, so that each meets the cache anew
without waiting for that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from numgrad.kernels import build, cache
from tests.kernel_texts import elementwise, source
from tests.processes import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
root = pytest.mark.skipif(not hasattr(os, "chown") or os.geteuid() != 0, reason="needs root")

TEXT = source("x0 * 2.0 + x1", "dd->d")

SERVER = f"""
import json, os, shutil, signal, sys, traceback
from numgrad.kernels import build, cache, jit
jit._start()
print("ready", flush=True)

def use(text={TEXT!r}):
    compiled, compile_loop = [], jit.compile_loop
    jit.compile_loop = lambda *arguments: compiled.append(1) or compile_loop(*arguments)
    value = build.kernel("f", text, "dd->d")(1.0, 2.0)
    jit.compile_loop = compile_loop
    return f"{{'compiled' if compiled else 'loaded'}} {{value}}"

for line in sys.stdin:
    variables, program = json.loads(line)
    child = os.fork()
    if child == 0:
        for name in ("NUMGRAD_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
            os.environ.pop(name, None)
        os.environ.update(variables)
        try:
            exec(program)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"end {{status}}", flush=True)
"""


@pytest.fixture(scope="module")
def server():
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVER],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.communicate()
    assert process.returncode == 0


@pytest.fixture
def child(server, tmp_path):
    """What a new child prints that runs a program, with a folder for its kernels."""

    def run(program="print(use())", folder=tmp_path / "cache", status=0, **variables):
        if folder is not None:
            variables["NUMGRAD_CACHE_DIR"] = str(folder)
        server.stdin.write(json.dumps([variables, program]) + "\n")
        server.stdin.flush()
        said = []
        while not (line := server.stdout.readline()).startswith("end "):
            assert line, "the server has ended"
            said.append(line.rstrip())
        assert line == f"end {status}\n"
        return said

    return run


COMPILED, LOADED = ["compiled 4.0"], ["loaded 4.0"]


def the_entry(tmp_path):
    (path,) = (tmp_path / "cache").glob("*.kernel")
    return path


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def foreign(path):
    """Another kernel's code under this one's name."""
    data = cache.default_store()
    elementwise("x0 - x1")
    other = build.key(source("x0 - x1", "dd->d"), "dd->d")
    shutil.copy(data.folder / f"{other}.kernel", path)


def enormous(path):
    with path.open("wb") as file:
        file.truncate(2**40)


def replaced(make):
    """Something else in the place of an entry."""

    def damage(path):
        path.unlink()
        make(path)

    return damage


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "a bit of its head": lambda path: flip(path, 3),
    "a bit of its code": lambda path: flip(path, -700),
    "another kernel": foreign,
    "enormous": enormous,
    "writable by all": lambda path: path.chmod(0o666),
    "a pipe": replaced(os.mkfifo),
    "a broken link": replaced(lambda path: path.symlink_to("nowhere")),
    "a link to itself": replaced(lambda path: path.symlink_to(path)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_compiled_anew(child, tmp_path, damage):
    assert child() == COMPILED
    damage(the_entry(tmp_path))
    assert child() == COMPILED
    assert child() == LOADED


def test_a_folder_in_the_place_of_an_entry_stays(child, tmp_path):
    assert child() == COMPILED
    replaced(os.mkdir)(the_entry(tmp_path))
    assert child() == COMPILED
    assert child() == COMPILED
    assert the_entry(tmp_path).is_dir()
    assert len(list((tmp_path / "cache").iterdir())) == 1


@root
def test_an_entry_of_somebody_else_is_not_loaded(child, tmp_path):
    assert child() == COMPILED
    os.chown(the_entry(tmp_path), 12345, 12345)
    assert child() == COMPILED
    assert child() == LOADED


@root
def test_a_folder_of_somebody_else_is_not_used(child, tmp_path):
    assert child() == COMPILED
    os.chown(tmp_path / "cache", 12345, 12345)
    assert child() == COMPILED
    assert child() == COMPILED


# Folders, as they are made of a path, and whether they keep kernels.
PLACES = {
    "missing": (str, True),
    "empty": (lambda path: path.mkdir(mode=0o700), True),
    "a link to a folder": (
        lambda path: ((path.parent / "x").mkdir(mode=0o700), path.symlink_to("x")),
        True,
    ),
    "a broken link": (lambda path: path.symlink_to("nowhere"), False),
    "a file": (lambda path: path.write_text(""), False),
    "a pipe": (os.mkfifo, False),
    "writable by all": (lambda path: (path.mkdir(), path.chmod(0o777)), False),
}


@pytest.mark.parametrize(("make", "keeps"), PLACES.values(), ids=PLACES)
def test_any_kind_of_folder(child, tmp_path, make, keeps):
    make(tmp_path / "cache")
    assert child() == COMPILED
    assert child() == (LOADED if keeps else COMPILED)


NAMES = ["Käse 雪", "with spaces and 'quotes\"", "x" * 300, "a/b/c"]
# A byte that is no character, which other systems do not allow.
NAMES += ["cache\udcff"] if sys.platform == "linux" else []


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_folder(child, tmp_path, name):
    folder = tmp_path / name
    program = f"os.environ['NUMGRAD_CACHE_DIR'] = {str(folder)!r}\nprint(use())"
    assert child(program) == COMPILED
    assert child(program) == (COMPILED if len(name) > 255 else LOADED)


# What a system does that has no room, or no rights.
REFUSALS = {
    "no space": "import errno\nrefuse(errno.ENOSPC)",
    "read-only": "import errno\nrefuse(errno.EROFS)",
    "no rights": "import errno\nrefuse(errno.EACCES)",
    "too many files": "import errno\nrefuse(errno.EMFILE)",
    "a limit of size": (
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))"
    ),
}
REFUSE = """
def refuse(number):
    def refused(path, flags, *others, opened=os.open):
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *others)
    os.open = refused
"""


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_kernel_that_cannot_be_stored_computes_all_the_same(child, tmp_path, refusal):
    assert child(f"{REFUSE}\n{refusal}\nprint(use())") == COMPILED
    assert list((tmp_path / "cache").iterdir()) == []
    assert child() == COMPILED
    assert child(f"{REFUSE}\n{refusal}\nprint(use())") == LOADED


OTHER = source("x0 * 5.0 + x1", "dd->d")


def test_the_folder_may_vanish_while_a_process_runs(child, tmp_path):
    folder = str(tmp_path / "cache")
    program = f"print(use())\nshutil.rmtree({folder!r})\nprint(use({OTHER!r}))"
    assert child(program) == [*COMPILED, "compiled 7.0"]
    assert child(f"print(use({OTHER!r}))") == ["loaded 7.0"]


def test_the_folder_may_become_a_file_while_a_process_runs(child, tmp_path):
    folder = str(tmp_path / "cache")
    program = (
        f"print(use())\nshutil.rmtree({folder!r})\nopen({folder!r}, 'w').close()\n"
        f"print(use({OTHER!r}))"
    )
    assert child(program) == [*COMPILED, "compiled 7.0"]


def test_a_relative_folder_stays_where_it_was(child, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    program = (
        f"os.chdir({str(tmp_path)!r})\nprint(use())\nos.chdir('elsewhere')\nprint(use({OTHER!r}))"
    )
    assert child(program, folder="relative/cache") == [*COMPILED, "compiled 7.0"]
    assert len(list((tmp_path / "relative" / "cache").iterdir())) == 2


def test_a_process_in_a_folder_that_is_gone(child, tmp_path):
    program = f"os.mkdir({str(tmp_path / 'gone')!r})\nos.chdir({str(tmp_path / 'gone')!r})\n"
    assert child(program + "os.rmdir(os.getcwd())\nprint(use())", folder="cache") == COMPILED


def test_a_user_without_a_home(child):
    program = """
import pwd
def unknown(_): raise KeyError
pwd.getpwuid = unknown
print(use())
assert cache.default_store().folder is None
from numgrad import __main__
__main__.info()
"""
    said = child(program, folder=None)
    assert said[:1] == COMPILED
    assert any("in memory only: there is no home folder" in line for line in said)


def test_a_version_has_kernels_of_its_own(child, tmp_path):
    newer = "import numgrad\nnumgrad.__version__ = '99'\nprint(use())"
    assert child() == COMPILED
    assert child(newer) == COMPILED
    assert child() == LOADED
    assert child(newer) == LOADED
    assert len(list((tmp_path / "cache").iterdir())) == 2


KILLED = """
class Half:
    def __init__(self, *arguments, opened=os.fdopen): self.file = opened(*arguments)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def write(self, data):
        self.file.write(data[:len(data) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
os.fdopen = Half
use()
"""


def test_a_process_killed_in_the_middle_of_writing(child, tmp_path):
    assert child(KILLED, status=-9) == []
    (left,) = (tmp_path / "cache").iterdir()
    assert left.stat().st_size > 0
    assert child() == COMPILED
    assert child() == LOADED
    # Some day it is removed.
    os.utime(left, (0, 0))
    assert child(f"print(use({OTHER!r}))") == ["compiled 7.0"]
    assert not left.exists()


def test_readers_and_writers_that_are_killed_at_any_time(tmp_path):
    folder = tmp_path / "cache"
    program = f"""
import pathlib, sys
from numgrad.kernels import cache
store = cache.Store(pathlib.Path({str(folder)!r}))
while True:
    for k in range(256):
        store.put("key", bytes([k]) * 300_000)
        print(k, flush=True)
"""
    store = cache.Store(folder)
    for lines in (1, 3, 7):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
            for _ in range(lines):
                writer.stdout.readline()
                found = store.get("key")
                assert found == found[:1] * 300_000
            writer.kill()
        found = store.get("key")
        assert found == found[:1] * 300_000


def test_eight_processes_start_cold_at_once(child, tmp_path):
    program = """
begin, start = os.pipe()
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        os.close(start)
        os.read(begin, 1)
        fine = use() in ("compiled 4.0", "loaded 4.0")
        os._exit(0 if fine else 1)
    children.append(pid)
os.close(start)
print(*[os.waitpid(pid, 0)[1] for pid in children])
"""
    assert child(program) == [" ".join("0" * 8)]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".kernel"]
    assert child() == LOADED


def test_threads_may_ask_for_the_same_and_for_different_kernels_at_once(child):
    program = """
import threading
texts = [TEXT.replace("2.0", f"{k}.0") for k in range(4)]
before, said = threading.Barrier(8), []
def ask(k):
    before.wait()
    for j in range(4):
        n = (j + k) % 4
        said.append(build.kernel("f", texts[n], "dd->d")(1.0, 2.0) == n + 2)
threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(said), all(said), len(build._kernels))
"""
    program = f"TEXT = {TEXT!r}\n{program}"
    for _ in ("cold", "warm"):
        assert child(program) == ["32 True 4"]


def test_threads_write_and_read_one_store(tmp_path):
    store = cache.Store(tmp_path / "cache")
    wrong = []

    def work(k):
        for _ in range(20):
            store.put("key", bytes([k]) * 50_000)
            found = store.get("key")
            if found != found[:1] * 50_000:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.size()[0] == 1
