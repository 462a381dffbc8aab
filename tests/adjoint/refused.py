"""Functions outside the language. The line that must be named in the error ends in `# refused`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(NamedTuple):
    """A function that cannot be differentiated, and arguments to try it with."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]


REFUSED: list[Refused] = []
X, N = 0.7, 3
A = np.array([0.3, -0.8, 1.1])


def refused(*args: Any) -> Callable[[Any], Any]:
    """Put a function into the table."""

    def declare(function: Any) -> Any:
        REFUSED.append(Refused(function.__name__, function, args))
        return function

    return declare


def undecorated(x):
    return x * x


@refused(X)
def try_statement(x):
    try:  # refused
        return x / 2.0
    except ZeroDivisionError:
        return x


@refused(X)
def with_statement(x):
    with open("file"):  # noqa: PTH123 # refused
        return x


@refused(X)
def class_statement(x):
    class Inner:  # refused
        pass

    return x


@refused(X)
def function_inside(x):
    def inner(y):  # refused
        return y * x

    return inner(x)


@refused(X)
def anonymous_function(x):
    f = lambda y: y * 2.0  # refused
    return f(x)


@refused(X)
def generator(x):
    yield x  # refused


@refused(X)
def global_statement(x):
    global N  # refused
    N = 4
    return x


@refused(X)
def delete(x):
    y = x * x
    del y  # refused
    return x


@refused(X)
def import_inside(x):
    import math as mathematics  # refused

    return mathematics.sin(x)


@refused(X)
def dictionary(x):
    d = {"x": x}  # refused
    return d["x"]


@refused(X)
def comprehension(x):
    return sum([x * i for i in range(3)])  # refused


@refused(X)
def text(x):
    s = f"{x}"  # refused
    return x * len(s)


@refused(X)
def complex_number(x):
    z = x * 1j  # refused
    return abs(z)


@refused(X)
def starred_arguments(x):
    pair = (x, x)
    return math.atan2(*pair)  # refused


@refused(X)
def walrus(x):
    y = (z := x * x) + 1.0  # refused
    return y * z


@refused(X)
def match_statement(x):
    match x > 0.0:  # refused
        case True:
            return x
    return -x


@refused(A)
def function_without_a_rule(a):
    b = np.sort(a)  # refused
    return b[0]


@refused(A)
def factorization(a):
    q = np.linalg.svd(a)  # refused
    return q[1][0]


@refused(A)
def method_without_a_rule(a):
    a.sort()  # refused
    return a[0]


@refused(X)
def function_of_python(x):
    return undecorated(x)  # refused


@refused(X)
def unknown_name(x):
    return x * unknown  # noqa: F821 # refused


@refused(X)
def name_that_may_have_no_value(x):
    if x > 0.5:
        y = np.ones(3) * x
    return y[0]  # refused


@refused(X, A)
def number_and_array(x, a):
    b = a
    if x > 0.5:
        b = x  # the kinds differ where the ways meet
    return b * 2.0  # refused


@refused(X, A)
def results_of_two_kinds(x, a):
    if x > 0.5:
        return x  # refused
    return a


@refused(A)
def too_many_indices(a):
    return a[0, 1]  # refused


@refused(A, X)
def index_that_is_a_float(a, x):
    return a[x]  # refused


@refused(X)
def assertion(x):
    assert x > 0.0  # refused
    return x * x


@refused(X)
def exception(x):
    if x < 0.0:
        raise ValueError  # refused
    return x * x
