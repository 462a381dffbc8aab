"""What the current thread does with gradients: record them or not, blank 0 * inf or not."""

from __future__ import annotations

import threading


class Modes(threading.local):
    """Thread-local switches; a new thread starts with these values."""

    # Record ops whose inputs require grad.
    recording: bool = True
    # Results are inference tensors: without version counters, never to be recorded.
    inference: bool = False
    # Chain-rule products follow IEEE, 0 * inf is nan, instead of the NaN-safe rule.
    strict_ieee: bool = False


modes = Modes()
