"""The gradients of `perf.adjoint_programs`, written by hand as loops for Numba.

Each gives the value and the gradients. What the way back reads is saved on the way there, in arrays
that are made once; nothing is computed twice that costs more than to load it.
"""

from __future__ import annotations

import math
from functools import partial

import numba
import numpy as np

njit = partial(numba.njit, error_model="numpy")


@njit
def _lorenz(y, p, out):
    out[0] = p[0] * (y[1] - y[0])
    out[1] = y[0] * (p[1] - y[2]) - y[1]
    out[2] = y[0] * y[1] - p[2] * y[2]


@njit
def _lorenz_adjoint(y, p, g, dy, dp):
    """Set `dy` and add to `dp` what `g`, the cotangent of the slope, gives."""
    dy[0] = -p[0] * g[0] + (p[1] - y[2]) * g[1] + y[1] * g[2]
    dy[1] = p[0] * g[0] - g[1] + y[0] * g[2]
    dy[2] = -y[0] * g[1] - p[2] * g[2]
    dp[0] += (y[1] - y[0]) * g[0]
    dp[1] += y[0] * g[1]
    dp[2] -= y[2] * g[2]


@njit
def rk4(start, p, h, steps):
    # The four places of each step at which the slope is taken.
    saved = np.empty((steps, 4, 3))
    k1, k2, k3, k4 = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    y = start.copy()
    for i in range(steps):
        t = saved[i]
        for j in range(3):
            t[0, j] = y[j]
        _lorenz(t[0], p, k1)
        for j in range(3):
            t[1, j] = y[j] + 0.5 * h * k1[j]
        _lorenz(t[1], p, k2)
        for j in range(3):
            t[2, j] = y[j] + 0.5 * h * k2[j]
        _lorenz(t[2], p, k3)
        for j in range(3):
            t[3, j] = y[j] + h * k3[j]
        _lorenz(t[3], p, k4)
        for j in range(3):
            y[j] += h / 6.0 * (k1[j] + 2.0 * k2[j] + 2.0 * k3[j] + k4[j])
    value = y[0] * y[0] + y[1] * y[1] + y[2] * y[2]
    dy, dp = 2.0 * y, np.zeros(3)
    g, d4, d3, d2, d1 = k1, k2, k3, k4, np.empty(3)
    for i in range(steps - 1, -1, -1):
        t = saved[i]
        for j in range(3):
            g[j] = h / 6.0 * dy[j]
        _lorenz_adjoint(t[3], p, g, d4, dp)
        for j in range(3):
            g[j] = h / 3.0 * dy[j] + h * d4[j]
        _lorenz_adjoint(t[2], p, g, d3, dp)
        for j in range(3):
            g[j] = h / 3.0 * dy[j] + 0.5 * h * d3[j]
        _lorenz_adjoint(t[1], p, g, d2, dp)
        for j in range(3):
            g[j] = h / 6.0 * dy[j] + 0.5 * h * d2[j]
        _lorenz_adjoint(t[0], p, g, d1, dp)
        for j in range(3):
            dy[j] += d1[j] + d2[j] + d3[j] + d4[j]
    return value, dy, dp


@njit
def particle(x, v, drag, g, dt, until):
    most = int(until / dt) + 2
    speeds = np.empty(most)
    bounced = np.empty(most, np.bool_)
    t, energy, count = 0.0, 0.0, 0
    while t < until:
        speeds[count] = v
        v = v + dt * (-g - drag * v * abs(v))
        x = x + dt * v
        bounced[count] = x < 0.0
        if x < 0.0:
            x = -0.9 * x
            v = -0.8 * v
            energy = energy + v * v
        t = t + dt
        count += 1
    value = x * x + energy
    dx, dv, d_drag, d_g = 2.0 * x, 0.0, 0.0, 0.0
    for i in range(count - 1, -1, -1):
        if bounced[i]:
            # The speed after the bounce is that before the next step, or the last one.
            dv = -0.8 * (dv + 2.0 * (v if i == count - 1 else speeds[i + 1]))
            dx = -0.9 * dx
        dv += dt * dx
        da = dt * dv
        v_before = speeds[i]
        d_g -= da
        d_drag -= v_before * abs(v_before) * da
        dv -= 2.0 * drag * abs(v_before) * da
    return value, dx, dv, d_drag, d_g


@njit
def _determinant(a, n, da, minors, d_minors):
    """The determinant; its gradient goes to `da`. The minors of all levels share two stacks."""
    if n == 1:
        da[0, 0] = 1.0
        return a[0, 0]
    minor, d_minor = minors[n - 1], d_minors[n - 1]
    total, sign = 0.0, 1.0
    for row in range(1, n):
        for k in range(n):
            da[row, k] = 0.0
    for j in range(n):
        for row in range(1, n):
            for k in range(j):
                minor[row - 1, k] = a[row, k]
            for k in range(j + 1, n):
                minor[row - 1, k - 1] = a[row, k]
        d = _determinant(minor, n - 1, d_minor, minors, d_minors)
        total += sign * a[0, j] * d
        da[0, j] = sign * d
        factor = sign * a[0, j]
        for row in range(1, n):
            for k in range(j):
                da[row, k] += factor * d_minor[row - 1, k]
            for k in range(j + 1, n):
                da[row, k] += factor * d_minor[row - 1, k - 1]
        sign = -sign
    return total


@njit
def determinant(a, n):
    da = np.empty((n, n))
    value = _determinant(a, n, da, np.empty((n, n, n)), np.empty((n, n, n)))
    return value, da


@njit
def lstm(weights, ends, start, sequence):
    layers, width, steps = weights.shape[0], weights.shape[2], sequence.shape[0] - 1
    # Row t holds hidden state and cell before step t.
    hidden = np.empty((steps + 1, layers, width))
    cells = np.empty((steps + 1, layers, width))
    gates = np.empty((steps, layers, 5, width))
    outputs = np.empty((steps, width))
    for k in range(layers):
        for j in range(width):
            hidden[0, k, j] = start[k, 0, j]
            cells[0, k, j] = start[k, 1, j]
    x = np.empty(width)
    total = 0.0
    for t in range(steps):
        for j in range(width):
            x[j] = sequence[t, j] * ends[0, j]
        for k in range(layers):
            w = weights[k]
            gate = gates[t, k]
            for j in range(width):
                h = hidden[t, k, j]
                forget = 1.0 / (1.0 + math.exp(-(x[j] * w[0, j] + w[4, j])))
                enter = 1.0 / (1.0 + math.exp(-(h * w[1, j] + w[5, j])))
                leave = 1.0 / (1.0 + math.exp(-(x[j] * w[2, j] + w[6, j])))
                change = math.tanh(h * w[3, j] + w[7, j])
                cell = cells[t, k, j] * forget + enter * change
                bent = math.tanh(cell)
                gate[0, j], gate[1, j], gate[2, j], gate[3, j] = forget, enter, leave, change
                gate[4, j] = bent
                cells[t + 1, k, j] = cell
                x[j] = leave * bent
                hidden[t + 1, k, j] = x[j]
        mass = 2.0
        for j in range(width):
            y = x[j] * ends[1, j] + ends[2, j]
            outputs[t, j] = math.exp(y)
            mass += outputs[t, j]
            x[j] = y
        norm = math.log(mass)
        for j in range(width):
            outputs[t, j] /= mass
            total += sequence[t + 1, j] * (x[j] - norm)
    dw, de, ds = np.zeros_like(weights), np.zeros_like(ends), np.zeros_like(start)
    dx = np.empty(width)
    for t in range(steps - 1, -1, -1):
        wanted = 0.0
        for j in range(width):
            wanted += sequence[t + 1, j]
        for j in range(width):
            dy = sequence[t + 1, j] - wanted * outputs[t, j]
            de[1, j] += dy * hidden[t + 1, layers - 1, j]
            de[2, j] += dy
            dx[j] = dy * ends[1, j]
        for k in range(layers - 1, -1, -1):
            w, dwk, gate, state = weights[k], dw[k], gates[t, k], ds[k]
            for j in range(width):
                x_j = sequence[t, j] * ends[0, j] if k == 0 else hidden[t + 1, k - 1, j]
                h = hidden[t, k, j]
                forget, enter, leave = gate[0, j], gate[1, j], gate[2, j]
                change, bent = gate[3, j], gate[4, j]
                dh = dx[j] + state[0, j]
                dc = state[1, j] + dh * leave * (1.0 - bent * bent)
                d_leave = dh * bent * leave * (1.0 - leave)
                d_forget = dc * cells[t, k, j] * forget * (1.0 - forget)
                d_enter = dc * change * enter * (1.0 - enter)
                d_change = dc * enter * (1.0 - change * change)
                state[1, j] = dc * forget
                state[0, j] = d_enter * w[1, j] + d_change * w[3, j]
                dx[j] = d_forget * w[0, j] + d_leave * w[2, j]
                dwk[0, j] += d_forget * x_j
                dwk[1, j] += d_enter * h
                dwk[2, j] += d_leave * x_j
                dwk[3, j] += d_change * h
                dwk[4, j] += d_forget
                dwk[5, j] += d_enter
                dwk[6, j] += d_leave
                dwk[7, j] += d_change
        for j in range(width):
            de[0, j] += dx[j] * sequence[t, j]
    return total, dw, de, ds


@njit
def polynomial(coefficients, x, y):
    total = 0.0
    dc = np.zeros_like(coefficients)
    for i in range(x.size):
        value = 0.0
        for k in range(coefficients.size - 1, -1, -1):
            value = value * x[i] + coefficients[k]
        residual = value - y[i]
        total += residual * residual
        g = 2.0 * residual
        for k in range(coefficients.size):
            dc[k] += g
            g *= x[i]
    return total, dc


@njit
def logsumexp(a):
    top = a[0]
    for i in range(a.size):
        top = max(top, a[i])
    exps = np.empty_like(a)
    total = 0.0
    for i in range(a.size):
        exps[i] = math.exp(a[i] - top)
        total += exps[i]
    for i in range(a.size):
        exps[i] /= total
    return top + math.log(total), exps


@njit
def density_gradient(w, x, y):
    g = -w
    for i in range(x.shape[0]):
        score = 0.0
        for j in range(w.size):
            score += x[i, j] * w[j]
        error = y[i] - 1.0 / (1.0 + math.exp(-score))
        for j in range(w.size):
            g[j] += error * x[i, j]
    return g
