"""One function for each construct of the language, with arguments to try it on.

The functions are plain Python; the tests decorate them. Their parameters that are floats or arrays
of floats are differentiated.
"""

from __future__ import annotations

import math
from math import cos, exp
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class Construct(NamedTuple):
    """A function and the arguments to call it with."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    tolerance: float = 1e-10


CONSTRUCTS: list[Construct] = []

X, Y = 0.7, -1.3
A = np.array([0.3, -0.8, 1.1, 0.45])
B = np.array([1.2, 0.4, -0.6, 0.9])
M = np.array([[0.2, -0.5, 0.8, 1.0], [1.3, 0.1, -0.9, 0.6], [-0.4, 0.7, 0.5, -1.1]])
WEIGHTS = np.array([0.5, -1.5, 2.0, 0.25])
SCALE = 1.75


def construct(*args: Any, tolerance: float = 1e-10) -> Callable[[Any], Any]:
    """Put a function into the table."""

    def declare(function: Any) -> Any:
        CONSTRUCTS.append(Construct(function.__name__, function, args, tolerance))
        return function

    return declare


# Numbers


@construct(X, Y, 3)
def arithmetic(x, y, n):
    z = x + y * n - x / y + (-x) - (+y)
    z += x**2 + x**3 + x**-1 + x**0 + (x + 2.0) ** y + 2.0**x + x**1.5 + x**n
    return z * 0.5 + 7 // 2 + n // 2 + n % 2 + (x - n) / n


@construct(X, -Y)
def remainders(x, y):
    q, r = divmod(y, x)
    return x % 0.4 + (-x) % 0.3 + y % x + y // x * x + q * y + r * r + np.fmod(-y, x)


@construct(X, Y)
def absolute_values_and_rounding(x, y):
    z = abs(x) * abs(y) + math.fabs(y) * x + np.abs(y) * y
    return (
        z
        + round(x) * y
        + math.floor(y) * x
        + math.ceil(x) * y
        + int(y * 3.0) * x
        + math.trunc(y) * y
    )


@construct(X, Y)
def largest_and_smallest(x, y):
    z = max(x, y) * 2.0 + min(x, y) * 3.0 + max(x, y, x * y, 0.1) + min(x * x, y, 1.0)
    return z + np.maximum(x, y) * x + np.minimum(x, 2.0) + max(x, 0.0) * y


@construct(X, Y, 2, True)
def comparisons_and_bools(x, y, n, flag):
    z = 0.0
    if x > y and not (x <= y) and x >= y and y < x and x != y and n == 2:
        z += x * y
    if flag or x < y:
        z += x
    if 0.0 < x < 1.0:
        z *= y
    if not flag:
        z = 0.0
    big = x * y > 1.0
    if not big:
        z += 3.0 * x
    return z + (x > y) * y


@construct(X)
def functions_of_math(x):
    z = math.sin(x) + math.cos(x) * math.tan(x) + math.asin(x) * math.acos(x) + math.atan(x)
    z += math.sinh(x) + math.cosh(x) * math.tanh(x) + math.asinh(x) + math.acosh(x + 1.0)
    z += math.atanh(x) + math.exp(x) * math.expm1(x) + math.log(x) + math.log2(x) + math.log10(x)
    z += math.log1p(x) * math.sqrt(x) + math.erf(x) + math.erfc(x)
    return z + math.lgamma(x) + math.degrees(x) * math.radians(x) + exp(x) * cos(x) + math.pi * x


@construct(X, Y)
def functions_of_math_in_two(x, y):
    z = math.atan2(y, x) + math.hypot(x, y) + math.pow(x, y) + math.copysign(x, y)
    return z + math.copysign(y, x) * x + np.arctan2(x, y) + np.hypot(y, x) + np.power(x, y)


@construct(X, Y)
def functions_of_numpy(x, y):
    z = np.sin(x) + np.cos(x) * np.tan(x) + np.arcsin(x) * np.arccos(x) + np.arctan(y)
    z += np.sinh(x) + np.cosh(y) * np.tanh(y) + np.arcsinh(y) + np.arccosh(x + 1.0)
    z += np.arctanh(x) + np.exp(x) * np.expm1(y) + np.log(x) + np.log2(x) + np.log10(x)
    z += np.log1p(x) * np.sqrt(x) + np.square(y) + np.reciprocal(y) + np.cbrt(x) + np.exp2(y)
    z += np.deg2rad(x) + np.rad2deg(y) * 0.01 + np.fabs(y) * np.sign(y) * x + np.absolute(y)
    return z + np.floor(y) * x + np.ceil(x) * y + np.rint(x) * y + np.trunc(y) * x


# Statements


@construct(X, Y)
def assignments(x, y):
    a = b = x * y
    a = a * a + b
    a += x
    a -= y * b
    a *= x
    a /= y
    a **= 2
    b, c = a, b
    (d, b), c = (c, a * c), b
    x, y = y, x
    x = x * y
    z: float = x * x
    z %= 1.3
    return a * b + c * d * x - y * z


@construct(X, Y)
def overwritten_values(x, y):
    z = x * y
    w = z * z
    z = math.sin(w)
    w = w * z
    x = w * x
    z = z * x
    return z * w * x


@construct(X, Y, 4)
def loops_over_ranges(x, y, n):
    z = x
    for i in range(n):
        z = z * 0.9 + i * y
    for i in range(1, n):
        z += math.sin(z) * i
    for i in range(n, 0, -1):
        z = z * x + i
    for i in range(n, -3, -2):
        z += y * z * 0.1 * i
    for i in range(0, 10, 3):
        z = math.cos(z) + i * x
    for _ in range(2):
        for j in range(n):
            for k in range(j):
                z += x * k * math.sin(z)
    return z


@construct(X, Y, 0, -2)
def loops_without_a_trip(x, y, n, step):
    z = x
    for i in range(n):
        z = z * y + i
    for i in range(3, 3):
        z *= i
    for i in range(5, 2):
        z *= i
    for _ in range(2, 5, step):
        z = z * z
    for i in range(5, 2, step):
        z += i * y
    while z > 1e6:
        z = z * 0.5
    return z * x


@construct(X, Y, 3)
def loop_variables_that_change(x, y, n):
    z = x
    m = n
    for i in range(m):
        m = m + 2
        z += x * m
    last = 0
    for i in range(m):
        last = i
        i = i * 2
        z = z * 0.8 + i * y
    for j in range(n, 0, -1):
        z += j * x
    return z + j * y + last * x


@construct(X, Y)
def trips_that_depend_on_data(x, y):
    z = x
    for i in range(int(abs(y) * 4.0)):
        z += math.sin(z) * y + i * x
    k = int(x * 5.0)
    while k > 0:
        z = z * 0.7 + x
        k -= 1
    t = x
    while t < 5.0:
        t = t * 1.5 + 0.1
        z += t * y
    return z * t


@construct(X, Y)
def while_loops(x, y):
    z, k = x, 0
    while k < 4 and z < 10.0:
        z = z * z + 0.3
        k += 1
    while True:
        y = y * 0.5
        if abs(y) < 0.2:
            break
        z += y
    return z * y


@construct(X, Y, 7)
def breaks_and_continues(x, y, n):
    z = x
    for i in range(n):
        if i % 3 == 1:
            continue
        z = z * 0.9 + x * i
        if z > 4.0:
            break
        z += y * y
    for i in range(n):
        for j in range(n):
            if j > i:
                break
            if (i + j) % 2 == 0:
                continue
            z += math.sin(x * j) * y
        if i == 4:
            break
    k = 0
    while k < n:
        k += 1
        if k == 2:
            continue
        z *= x
        if k == 5:
            break
    return z


@construct(X, Y)
def branches(x, y):
    if x > 2.0:
        z = x
    elif x > 0.5:
        if y > 0.0:
            z = y
        else:
            z = x * y
    else:
        z = x * x
    if z < 0.0:
        z = -z * x
    if z > 100.0:
        x = 0.0
    return z * x


@construct(X, Y)
def conditional_expressions(x, y):
    z = x * y if x > y else x + y
    w = (x if z > 0.0 else y) * (x if y < 0.0 and x > 0.0 else 1.0)
    return z * w if w != 0.0 else (z if z > w else w * w)


@construct(X, Y, 6)
def early_returns(x, y, n):
    if n < 0:
        return x
    if n == 0:
        return x * y
    z = x
    for i in range(n):
        z = z * y + i * x
        if i > 2 and z > 0.0:
            return z * z
        if z > 1e6:
            return y
    else_value = z * x
    return else_value + y


@construct(X, A)
def early_returns_after_stores(x, a):
    for i in range(a.size):
        a[i] = a[i] * x
        if a[i] > 0.5:
            return a[i] * a[0]
        a[0] += x
    return a[0]


# Results


@construct(X, Y, A)
def tuples_of_results(x, y, a):
    b = a * x
    b[1] = y
    return x * y, math.sin(x), b, b @ a


@construct(X, A)
def an_array_as_result(x, a):
    b = np.empty(a.size + 1)
    b[0] = x
    for i in range(a.size):
        b[i + 1] = b[i] * a[i]
    return b


@construct(A, X)
def the_argument_as_result(a, x):
    a[1] = a[0] * x
    return a


@construct(X)
def a_tuple_on_the_way(x):
    pair = (x * 2.0, x * x)
    u, v = pair
    return u * v + pair[0] * pair[1]
