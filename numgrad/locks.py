"""Locks of the whole process, which no fork leaves locked in the child."""

from __future__ import annotations

import os
import threading
from typing import Any


def process_lock() -> Any:
    """Make a lock that a fork waits for, so that nothing that it guards is half done in the child.

    The thread that holds it may fork. Of several locks forks ask for the last made one first: a
    thread that needs two has to take them in that order. Kernels must not be loaded while it is
    held: that takes a lock which forks may hold already.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
