"""`numgrad.checkpoint` in compiled code: the same bits from less memory."""

from __future__ import annotations

import itertools
import linecache
import re

import numba
import numpy as np
import pytest

import numgrad as ng
from numgrad import adjoint, errors
from numgrad.adjoint import interpreter

# Programs; what stands in [[ ]] is under checkpoint, with what follows the | as further arguments.
PROGRAMS = {
    "arrays": """
@njit
def f(a, b, n):
    s = np.zeros(3)
    c = 0
    for i in [[range(n)]]:
        for j in range(3):
            s[j] = np.sin(s[j] + a[j]) * b[j]
        if s[0] > 0.1:
            c += 1
    return s[0] * s[1] + s[2] + c
""",
    "views": """
@njit
def f(a, b, n):
    s = np.zeros((2, 3))
    r = s[1]
    r[0] = a[0]
    t = s.T
    for i in [[range(n)|, every=2]]:
        for j in range(3):
            r[j] = np.sin(r[j] + a[j]) * b[j] + t[j, 0]
            s[0, j] += r[j] * 0.1
    return np.sum(s)
""",
    "an array of the caller": """
@njit
def f(a, b, n):
    for i in [[range(n)|, 3]]:
        for j in range(3):
            a[j] = np.sin(a[j]) * b[j] + a[j - 1]
    return np.sum(a)
""",
    "overwritten later": """
@njit
def f(a, b, n):
    for i in [[range(n)|, 3]]:
        a[:] = np.sin(a) * b + a * 0.5
    s = np.sum(a)
    a[:] = 0.5
    return s
""",
    "in a loop": """
@njit
def f(a, b, n):
    x = a[0]
    y = 0.1
    for k in range(3):
        w = np.empty(3)
        for j in range(3):
            w[j] = x * b[j]
        for i in [[range(n)]]:
            x = np.sin(x * w[i % 3]) + a[1]
            w[i % 3] = w[i % 3] * 0.9 + y
        y = x * y + w[0]
    return x * y
""",
    "in a checkpoint": """
@njit
def f(a, b, n):
    x = a[0]
    for k in [[range(4)]]:
        for i in [[range(n)]]:
            x = np.sin(x * b[i % 3]) + a[1] * x
    return x
""",
    "break": """
@njit
def f(a, b, n):
    x = a[0]
    for i in [[range(n)]]:
        x = np.sin(x * b[1]) + a[1]
        if i > 6:
            break
        x = x * 1.1
    return x
""",
    "steps": """
@njit
def f(a, b, n):
    x = a[0]
    y = 1.0
    for i in [[range(2 * n, 1, -3)]]:
        x = np.sin(x * b[i % 3]) + a[1]
    for i in [[range(1, n, 2)|, every=n // 4]]:
        x = np.sin(x * b[i % 3]) + a[1] * x
    s = 0 - (n + 1) // (n + 1)
    for i in [[range(n, -1, s)]]:
        y = np.sin(x * y * b[i % 3]) + a[1] * x
    return x * y
""",
    "in a function": """
@njit
def g(x, b, n):
    if n > 1000:
        return g(x, b, n - 1)
    s = np.zeros(3)
    for i in [[range(n)]]:
        x = np.sin(x * b[i % 3])
        s[i % 3] += x
    return x + s[1]
@njit
def f(a, b, n):
    t = 0.0
    for j in range(3):
        t += g(a[j] * t + 1.0, b, n)
    return t
""",
    "an array of a function": """
@njit
def g(x, b, n):
    if n > 1000:
        return g(x, b, n - 1)
    for i in [[range(n)]]:
        x[i % 3] = np.sin(x[i % 3] * b[i % 3]) + b[1]
    return x[0]
@njit
def f(a, b, n):
    t = 0.0
    w = a.copy()
    for j in range(3):
        t += g(w, b, n)
    return t
""",
    "a function": """
@njit
def g(x, b, n):
    for i in range(n):
        x = np.sin(x * b[i % 3])
    return x
@njit
def f(a, b, n):
    t = a[0]
    for j in range(3):
        t = [[g]](t * a[j], b, n)
    return t
""",
    "a function with arrays": """
@njit
def g(x, b, n):
    out = np.zeros(3)
    for i in range(n):
        x[i % 3] = np.sin(x[i % 3] * b[i % 3])
        out[i % 3] = x[0] * 2.0
    return (out, x[1])
@njit
def f(a, b, n):
    t = 0.0
    w = a * 2.0
    w[2] = np.exp(w[1])
    for j in range(3):
        o, z = [[g]](w, b, n=n)
        t += o[0] * o[1] + z
        w[j] = w[j] * t
    return t
""",
    "a function in a function": """
@njit
def g(x, b, n):
    for i in range(n):
        x = np.sin(x * b[i % 3])
    return x
@njit
def h(x, b, n):
    if n > 1000:
        return h(x, b, n - 1)
    c = np.cos(b)
    return [[g]](x * b[0], c, n)
@njit
def f(a, b, n):
    t = a[0]
    for j in range(3):
        t = h(t * a[j], b, n)
    return t
""",
    "arrays to run over": """
@njit
def f(a, b, n):
    x = 0.3
    for v in [[a]]:
        x = np.sin(x * v) + b[0]
    for i, v in [[enumerate(b)]]:
        x = np.sin(x * v) + i
    return x
""",
    "integers": """
@njit
def f(a, b, n):
    k = np.zeros(3, np.int64)
    flag = False
    m = 1
    x = a[0]
    for i in [[range(n)]]:
        k[i % 3] += m
        x = np.sin(x * b[k[(i + 1) % 3] % 3]) + (a[1] if flag else a[2] * x)
        flag = not flag
        m += 2
    return x
""",
    "float32": """
@njit
def f(a, b, n):
    s = np.zeros(3, np.float32)
    x = np.float32(0.7)
    for i in [[range(n)]]:
        s[i % 3] = s[i % 3] * np.float32(0.3) + a[1]
        x = x * np.float32(0.9) + np.float32(0.1)
        s[(i + 1) % 3] = s[i % 3] * x * b[0]
    return s[0] * b[2] + x
""",
    "sums": """
@njit
def f(a, b, n):
    t = 0.0
    for i in [[range(n)]]:
        s = 0.0
        for j in range(3):
            s += a[j] * b[j] * (i + 1)
        t += np.sin(s)
    return t
""",
    "arrays that change later": """
@njit
def f(a, b, n):
    w = a * b
    x = 0.5
    t = 0.0
    for i in [[range(n)]]:
        x = np.sin(x * w[i % 3])
    w[0] = x
    for i in [[range(n)]]:
        t = np.cos(x * w[i % 3] + t * w[0])
    w[1] = 2.0
    return t * w[1]
""",
}
A, B = np.array([0.3, -0.8, 1.1]), np.array([1.2, 0.7, -0.6])
COUNTS = (0, 1, 2, 5, 9, 16)
CHECKED = {name: text.replace("[[", "ng.checkpoint(").replace("]]", ")").replace("|", "")
           for name, text in PROGRAMS.items()}  # fmt: skip
UNCHECKED = {
    name: re.sub(r"\|[^\]]*", "", text).replace("[[", "").replace("]]", "")
    for name, text in PROGRAMS.items()
}
ALL = pytest.mark.parametrize("name", PROGRAMS)
numbers = itertools.count()


def load(text):
    """The function f of a text, with all others under `numgrad.njit`."""
    name = f"<checkpoint {next(numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names = {"np": np, "ng": ng, "njit": ng.njit}
    exec(compile(text, name, "exec"), names)  # noqa: S102
    return names["f"]


def pair(name):
    return load(CHECKED[name]), load(UNCHECKED[name])


def called(function, n):
    """What a function gives, with arguments of its own to write to."""
    return function(A.copy(), B.copy(), n)


@ALL
def test_gradients_have_the_same_bits(name):
    assert "checkpoint" in CHECKED[name]
    assert "checkpoint" not in UNCHECKED[name]
    with adjoint.interpreted():
        functions = [ng.value_and_grad(f, (0, 1)) for f in pair(name)]
        for n in COUNTS:
            (value, found), (wanted_value, wanted) = (called(f, n) for f in functions)
            assert value == wanted_value
            np.testing.assert_array_equal(found, wanted)


@ALL
def test_second_derivatives(name):
    with adjoint.interpreted():
        found, wanted = (called(ng.hessian(f), 7) for f in pair(name))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@ALL
def test_gradients_of_gradients(name):
    def twice(f):
        gradient = ng.grad(f)

        @ng.njit
        def product(a, b, n):
            return np.sum(gradient(a.copy(), b, n) * b)

        return ng.grad(product)

    with adjoint.interpreted():
        found, wanted = (called(twice(f), 7) for f in pair(name))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_compiled():
    for name in ("arrays", "a function"):
        checked, unchecked = pair(name)
        assert called(checked, 9) == called(unchecked, 9)
        found, wanted = (called(ng.grad(f), 9) for f in (checked, unchecked))
        np.testing.assert_array_equal(found, wanted)
    assert numba.njit(checked.py_func)(A, B, 9) == checked(A, B, 9)


GROW = """
@njit
def f(rate, x, n):
    for _ in [[range(n)|EVERY]]:
        x = rate * x * (1.0 - x)
    return x
"""
# How a loop of 400 iterations, which carries one number, is written; the numbers that it saves.
NEEDED = {
    "without": ("range(n)", 400),
    "the root": ("ng.checkpoint(range(n))", 19 + 20),
    "every hundred": ("ng.checkpoint(range(n), every=100)", 3 + 100),
    "every one": ("ng.checkpoint(range(n), every=1)", 399 + 1),
    "never": ("ng.checkpoint(range(n), every=n)", 0 + 400),
}


@pytest.mark.parametrize("name", NEEDED)
def test_memory(name, monkeypatch):
    loop, needed = NEEDED[name]
    gradient = ng.grad(load(re.sub(r"\[\[.*\]\]", loop, GROW)))
    with adjoint.interpreted():
        monkeypatch.setattr(interpreter, "ARENA", needed)
        assert gradient(3.1, 0.5, 400) != 0.0
        monkeypatch.setattr(interpreter, "ARENA", needed - 1)
        with pytest.raises(MemoryError, match=r"numgrad\.checkpoint"):
            gradient(3.1, 0.5, 400)


def test_on_tensors_it_is_that_of_the_tape():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    runs = []

    def square(t):
        runs.append(1)
        return (t * t).exp()

    ng.checkpoint(square)(x).log().sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert len(runs) == 2
    assert list(ng.checkpoint(range(3))) == [0, 1, 2]
    assert ng.checkpoint(square).__name__ == "square"


REFUSED = {
    "a number": (lambda: ng.checkpoint(3), TypeError, "takes a range or a function, got int"),
    "every of a function": (lambda: ng.checkpoint(abs, 3), TypeError, "no `every`"),
    "an unknown option": (
        lambda: ng.grad(load(GROW.replace("[[range(n)|EVERY]]", "ng.checkpoint(range(n), k=2)"))),
        errors.LanguageError,
        "takes a range and `every`",
    ),
    "a function that is not compiled": (
        lambda: ng.grad(load("@njit\ndef f(x):\n    return ng.checkpoint(str)(x)\n")),
        errors.LanguageError,
        "not compiled: use @numgrad.njit",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    ask, error, text = REFUSED[name]

    def run():
        gradient = ask()
        gradient(*(3.1, 0.5, 10)[: gradient.count])

    with adjoint.interpreted(), pytest.raises(error, match=text):
        run()
