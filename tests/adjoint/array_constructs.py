"""One function for each construct of the language that has to do with arrays and calls."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

import numgrad
from tests.adjoint.constructs import (
    CONSTRUCTS,
    SCALE,
    WEIGHTS,
    A,
    B,
    Construct,
    M,
    X,
    Y,
    construct,
)

# Elements and slices


@construct(A, M, 1)
def elements(a, m, n):
    z = a[0] * a[-1] + a[n] * m[n, 2] + m[-1, -2] * m[0][1]
    a[2] = a[n] * z
    m[n, n + 1] = a[2] * m[0, 0]
    a[-1] += z * a[0]
    m[2, -1] *= a[2]
    a[0], a[1] = a[1], a[0] * 2.0
    return z + a[2] * a[3] + m[1, 2] * m[2, 3] + a[0] * a[1] ** 2


@construct(A, M)
def slices_read(a, m):
    z = np.sum(a[1:] * a[:-1]) + np.sum(a[::2] * a[1::2]) + np.sum(a[::-1] * a)
    z += np.sum(m[0] * a) + np.sum(m[:, 1] * m[:, -1]) + np.sum(m[1:, ::2] * m[:2, 1::2])
    z += np.sum(m[..., 1] ** 2) + np.sum(a[-3:-1] ** 3) + np.sum(m[1:2, :] * a)
    return z + np.sum(a[5:]) + np.sum(m[::-1, ::-1] * m) + (a[2:2] * 3.0).sum()


@construct(A, M, X)
def slices_written(a, m, x):
    b = np.zeros(a.size)
    b[:] = a
    b[1:3] = a[2:] * x
    b[::2] += a[1::2]
    b[-1:] *= x
    c = m.copy()
    c[0, :] = b
    c[:, 1] = c[:, 0] * x
    c[1:, 2:] -= c[:2, :2]
    c[2] = x
    c[1] += a
    c[:] = c * c + 1.0
    c[...] = c * 0.5
    return np.sum(c * m) + b[0] * b[3]


@construct(np.arange(24.0).reshape(2, 3, 4) * 0.1 - 0.9, X)
def arrays_of_three_dimensions(t, x):
    u = np.zeros((2, 4))
    for i in range(t.shape[0]):
        for j in range(t.shape[1]):
            for k in range(t.shape[2]):
                u[i, k] += t[i, j, k] * t[i, j, 0] * x
        t[i] = t[1 - i] * x
    t[:, 1, :] = u
    return np.sum(t * t) + np.sum(u[0] * t[1, 2])


@construct(A.astype(np.float32), M.astype(np.float32), tolerance=2e-6)
def single_precision(a, m):
    z = a[0] * a[1]
    for i in range(3):
        for j in range(4):
            z += m[i, j] * a[j]
    b = m @ a
    return z * b[0] + np.sum(b * b)


# Creation


@construct(X, A, 3)
def creation(x, a, n):
    p, q, r = np.zeros(n), np.ones(n), np.full(n, x)
    s, t = np.empty_like(a), np.zeros_like(a)
    s[:] = a * x
    t += s
    u, v = np.ones_like(a), np.full((2, n), x * x)
    w = np.linspace(0.0, 1.0, 4)
    k = np.arange(4)
    p[1] = x
    q *= p + r
    z = np.sum(q) + np.sum(s * t * u) + np.sum(v) * x + np.sum(w * a)
    for i in range(4):
        z += k[i] * a[i] * w[k[i]]
    c = a.copy()
    c[0] = x
    d = np.copy(c)
    d[1] += x
    e = np.zeros((2, 2), dtype=np.float64)
    e[1, 0] = x
    f = np.array([x, x * x, 1.0])
    return (
        z + np.sum(a * c * d) + e[1, 0] * e[0, 0] + np.sum(f * f) + np.arange(0.0, 1.0, 0.3)[2] * x
    )


@construct(X, 4)
def arrays_of_integers(x, n):
    index = np.zeros(n, np.int64)
    for i in range(n):
        index[i] = (3 * i + 1) % n
    seen = np.zeros(n, np.bool_)
    b = np.zeros(n)
    for i in range(n):
        b[index[i]] += x * i
        seen[index[i]] = True
        x = x * 1.1
    return np.sum(b * b) if seen[0] else x


# Whole arrays


@construct(A, B, M, X)
def whole_array_arithmetic(a, b, m, x):
    c = a * b + x * a - b / (a * a + 1.0) + a**2 + (-b) + 2.0
    a *= b
    a += x
    a[:] = a - c
    d = m * a + m - x
    d[1:] *= m[:2]
    c /= x
    return np.sum(c) + np.sum(d * d) + np.sum(a**3 * b)


@construct(A, X)
def functions_of_arrays(a, x):
    b = np.sin(a) * np.cos(a) + np.exp(a) * np.tanh(a * x) + np.sqrt(a * a + 1.0)
    b += np.log(np.abs(a)) + np.arctan(a) + np.maximum(a, x * 0.5) + np.minimum(a, 0.4)
    b += np.where(a > x, a * x, a / x) + np.log1p(a * a) + np.square(a)
    return np.sum(b) + np.sum(np.expm1(b) * a)


@construct(A, M)
def reductions(a, m):
    z = np.sum(a) * a.sum() + np.max(a) * a.min() + np.mean(m) * m.mean() + np.prod(a)
    z += np.max(m) * np.min(m) + a.max() * m.max() + np.sum(m * m)
    return z + a.prod() + len(a) * a[0] + a.size * m.shape[1] * m[0, 0] + m.ndim * a[1]


@construct(M)
def reductions_along_an_axis(m):
    rows, columns = np.sum(m, axis=1), m.sum(axis=0)
    return np.sum(rows * rows) + np.sum(columns**3)


@construct(A, M, B)
def products(a, m, b):
    z = np.dot(a, b) + a @ b * (a @ a)
    c = m @ a
    d = np.dot(m, b)
    e = c @ m
    f = m @ np.ascontiguousarray(m.T)
    g = f @ f
    return z + c @ d + np.sum(e * a) + np.sum(g * f)


@construct(A, B)
def outer_and_transposes(a, b):
    m = np.outer(a, b)
    t = m.T
    t[0, 1] = a[0] * b[0]
    return np.sum(m * m * a) + m[1, 0] * np.sum(t[0] * b)


# Calls


@numgrad.njit
def cubed(x):
    return x * x * x


@numba.njit
def halved(x, y=0.5):
    return x * y


@numgrad.njit
def shifted(a, by):
    """Fill an array in place."""
    for i in range(a.size):
        a[i] = a[i] * a[i] + by


@numgrad.njit
def scaled(a, x):
    b = a * x
    b[0] += 1.0
    return b


@numgrad.njit
def both(x, y):
    return x * y, x + y


@numgrad.njit
def added(a, b):
    a[1:] += b[:-1] * a[0]
    return a[0] * b[1]


@construct(X, Y, A)
def calls(x, y, a):
    u, v = both(cubed(x), halved(y))
    z = cubed(u) + halved(v, y=x) + halved(cubed(cubed(x)))
    shifted(a, z)
    shifted(a[1:3], x)
    b = scaled(a, y)
    for i in range(2):
        b = scaled(b, x)
        shifted(b, y)
    return np.sum(b * a) + z * added(a, b)


@numgrad.njit
def power_of(x, n):
    if n == 0:
        return 1.0
    if n % 2 == 1:
        return x * power_of(x, n - 1)
    half = power_of(x, n // 2)
    return half * half


@numgrad.njit
def determinant(m, n):
    if n == 1:
        return m[0, 0]
    z, sign = 0.0, 1.0
    minor = np.empty((n - 1, n - 1))
    for j in range(n):
        for row in range(1, n):
            column = 0
            for k in range(n):
                if k != j:
                    minor[row - 1, column] = m[row, k]
                    column += 1
        z += sign * m[0, j] * determinant(minor, n - 1)
        sign = -sign
    return z


@construct(X, 7, M)
def recursion(x, n, m):
    return power_of(x, n) + determinant(m[:, :3], 3) * x


@construct(X, A)
def constants_from_outside(x, a):
    return np.sum(a * WEIGHTS) * SCALE + WEIGHTS[1] * x * math.pi


def closed_over(scale, weights, inner):
    """A function closed over a number, an array and a function."""

    def closure(x, a):
        return inner(x) * scale + np.sum(weights * a) * x

    return closure


CONSTRUCTS.append(Construct("closures", closed_over(2.5, WEIGHTS[::-1].copy(), cubed), (X, A)))


class State(NamedTuple):
    """Parameters that travel together."""

    position: np.ndarray
    velocity: np.ndarray
    mass: float


@construct(State(A, B, X), Y)
def named_tuples(state, t):
    z = 0.0
    for i in range(state.position.size):
        state.position[i] += state.velocity[i] * t
        z += state.mass * state.position[i] ** 2
    return z + state.velocity[0] * state.mass


# Aliases


@construct(A, X)
def aliases(a, x):
    b = a
    b[0] = x * a[1]
    v = a[1:]
    v[0] *= b[0]
    w = v[::-1]
    w[:] = w * x
    a[2] += v[1] * w[0]
    return np.sum(a * b) + v[0] * w[1]


@construct(M, X)
def views_of_rows(m, x):
    for i in range(3):
        row = m[i]
        row *= x
        column = m[:, i]
        column[0] += row[1]
        t = m.T
        t[i, 0] = row[2] * column[1]
    return np.sum(m * m)


@construct(A, X)
def the_same_array_twice(a, x):
    z = added(a, a)
    z += added(a[1:], a[:-1]) * x
    return z * np.sum(a)


@construct(A, X)
def overlapping_writes(a, x):
    a[1:] = a[:-1] * x
    a[:-1] = a[1:]
    a[:3] += a[1:]
    a[:] = a[::-1]
    for i in range(1, 4):
        a[i] = a[i - 1] * a[i] + a[-i]
    return np.sum(a * a)


@construct(A, X)
def arrays_with_new_names(a, x):
    b = a * x
    c = b
    b = b * b
    a = c + b
    for _ in range(3):
        a, b = b * 0.5, a
        c = a * c
    return np.sum(c) + np.sum(a * b)


@construct(A, B, X)
def one_of_two_arrays(a, b, x):
    c = a
    if x > 0.5:
        c = b
    d = a if x < 0.0 else c
    return x * c[1] * d[0] + np.sum(c * d)


@construct(X, 5)
def buffers_that_swap(x, n):
    old, new = np.zeros(4), np.zeros(4)
    old[1] = x
    for _ in range(n):
        for i in range(1, 3):
            new[i] = 0.5 * (old[i - 1] + old[i + 1]) + x * old[i] ** 2
        old, new = new, old
    return old[1] * old[2]


__all__ = ["CONSTRUCTS"]
