"""The programs whose gradients `perf.adjoint` times, as users of Numba write them.

They are plain Python: `numba.njit` compiles them as the primal, `numgrad.njit` differentiates them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


def rk4(njit: Callable[[Any], Any]) -> Any:
    """The Lorenz system by the classical method of Runge and Kutta, from `start` over `steps`."""

    @njit
    def lorenz(y, p, out):
        out[0] = p[0] * (y[1] - y[0])
        out[1] = y[0] * (p[1] - y[2]) - y[1]
        out[2] = y[0] * y[1] - p[2] * y[2]

    @njit
    def solve(start, p, h, steps):
        y = start.copy()
        k1, k2, k3, k4, t = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
        for _ in range(steps):
            lorenz(y, p, k1)
            for j in range(3):
                t[j] = y[j] + 0.5 * h * k1[j]
            lorenz(t, p, k2)
            for j in range(3):
                t[j] = y[j] + 0.5 * h * k2[j]
            lorenz(t, p, k3)
            for j in range(3):
                t[j] = y[j] + h * k3[j]
            lorenz(t, p, k4)
            for j in range(3):
                y[j] += h / 6.0 * (k1[j] + 2.0 * k2[j] + 2.0 * k3[j] + k4[j])
        return y[0] * y[0] + y[1] * y[1] + y[2] * y[2]

    return solve


def particle(njit: Callable[[Any], Any]) -> Any:
    """A particle that falls with drag and bounces, until `until`."""

    @njit
    def fall(x, v, drag, g, dt, until):
        t = 0.0
        energy = 0.0
        while t < until:
            a = -g - drag * v * abs(v)
            v = v + dt * a
            x = x + dt * v
            if x < 0.0:
                x = -0.9 * x
                v = -0.8 * v
                energy = energy + v * v
            t = t + dt
        return x * x + energy

    return fall


def determinant(njit: Callable[[Any], Any]) -> Any:
    """The determinant of a matrix by its minors."""

    @njit
    def det(a, n):
        if n == 1:
            return a[0, 0]
        total = 0.0
        sign = 1.0
        minor = np.empty((n - 1, n - 1))
        for j in range(n):
            for row in range(1, n):
                column = 0
                for k in range(n):
                    if k != j:
                        minor[row - 1, column] = a[row, k]
                        column += 1
            total += sign * a[0, j] * det(minor, n - 1)
            sign = -sign
        return total

    return det


def lstm(njit: Callable[[Any], Any]) -> Any:
    """The log likelihood of a sequence after two layers of LSTM cells with a weight an element.

    `weights` has a row for each gate of each layer, then as many of biases; `ends` those that lead
    into the first layer, out of the last, and its bias.
    """

    @njit
    def sigmoid(x):
        return 1.0 / (1.0 + math.exp(-x))

    @njit
    def likelihood(weights, ends, start, sequence):
        layers, width = weights.shape[0], weights.shape[2]
        state = start.copy()
        x = np.empty(width)
        total = 0.0
        for t in range(sequence.shape[0] - 1):
            for j in range(width):
                x[j] = sequence[t, j] * ends[0, j]
            for k in range(layers):
                for j in range(width):
                    hidden = state[k, 0, j]
                    forget = sigmoid(x[j] * weights[k, 0, j] + weights[k, 4, j])
                    enter = sigmoid(hidden * weights[k, 1, j] + weights[k, 5, j])
                    leave = sigmoid(x[j] * weights[k, 2, j] + weights[k, 6, j])
                    change = math.tanh(hidden * weights[k, 3, j] + weights[k, 7, j])
                    cell = state[k, 1, j] * forget + enter * change
                    state[k, 1, j] = cell
                    state[k, 0, j] = leave * math.tanh(cell)
                    x[j] = state[k, 0, j]
            mass = 2.0
            for j in range(width):
                x[j] = x[j] * ends[1, j] + ends[2, j]
                mass += math.exp(x[j])
            norm = math.log(mass)
            for j in range(width):
                total += sequence[t + 1, j] * (x[j] - norm)
        return total

    return likelihood


def polynomial(njit: Callable[[Any], Any]) -> Any:
    """The sum of squared residuals of a polynomial at many points."""

    @njit
    def squares(coefficients, x, y):
        total = 0.0
        for i in range(x.size):
            value = 0.0
            for k in range(coefficients.size - 1, -1, -1):
                value = value * x[i] + coefficients[k]
            total += (value - y[i]) ** 2
        return total

    return squares


def logsumexp(njit: Callable[[Any], Any]) -> Any:
    """The logarithm of a sum of exponentials, written on whole arrays."""

    @njit
    def log_sum_exp(a):
        top = np.max(a)
        return top + np.log(np.sum(np.exp(a - top)))

    return log_sum_exp


def log_density(njit: Callable[[Any], Any]) -> Any:
    """The log density of the weights of a logistic regression, but for a constant."""

    @njit
    def density(w, x, y):
        total = 0.0
        for j in range(w.size):
            total -= 0.5 * w[j] * w[j]
        for i in range(x.shape[0]):
            score = 0.0
            for j in range(w.size):
                score += x[i, j] * w[j]
            total += y[i] * score - math.log1p(math.exp(score))
        return total

    return density


def sampler(njit: Callable[[Any], Any], density: Any, gradient: Any) -> Any:
    """Hamiltonian Monte Carlo: a gradient for each leapfrog, called inside compiled code."""

    @njit
    def sample(start, x, y, momenta, uniforms, step, leaps):
        w = start.copy()
        mean = np.zeros(w.size)
        for s in range(momenta.shape[0]):
            p = momenta[s].copy()
            q = w.copy()
            before = density(q, x, y) - 0.5 * np.sum(p * p)
            p += 0.5 * step * gradient(q, x, y)
            for leap in range(leaps):
                q += step * p
                p += (0.5 if leap == leaps - 1 else 1.0) * step * gradient(q, x, y)
            after = density(q, x, y) - 0.5 * np.sum(p * p)
            if math.log(uniforms[s]) < after - before:
                w = q
            mean += w
        return mean / momenta.shape[0]

    return sample
