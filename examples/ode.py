"""Fit the parameters of a differential equation to data, with gradients of Numba code.

    python examples/ode.py

Hares and lynxes: the pelts that the Hudson's Bay Company took in from 1900 to 1920, and the model
of Lotka and Volterra, in which hares multiply and lynxes eat them. The solver is a loop that Numba
compiles; `numgrad.njit` gives its gradient, scipy.optimize moves the parameters, and the Hessian at
the end says how well the data determine them. Before it fits, the program compares the gradient
with finite differences; then it draws data, model and error bars into `ode.png`.
"""

from __future__ import annotations

import argparse
import sys

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from scipy import optimize

import numgrad as ng

mpl.use("Agg")

# Thousands of pelts a year. C. Elton and M. Nicholson, The ten-year cycle in numbers of the lynx in
# Canada, Journal of Animal Ecology 11 (1942) 215-244.
FIRST_YEAR = 1900
HARES = (30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1, 40.3, 57.0, 76.6, 52.3,
         19.5, 11.2, 7.6, 14.6, 16.2, 24.7)  # fmt: skip
LYNXES = (4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4, 8.0, 12.3, 19.5, 45.7, 51.1,
          29.7, 15.8, 9.7, 10.1, 8.6)  # fmt: skip
STEPS_A_YEAR = 20
WORST_GRADIENT_ERROR = 1e-6
LARGEST_RESIDUAL = 0.3
PICTURE = "ode.png"

NAMES = ("births of hares", "hares eaten", "deaths of lynxes", "births of lynxes",
         "hares in 1900", "lynxes in 1900")  # fmt: skip
GUESS = (0.5, 0.02, 1.0, 0.02, 30.0, 5.0)

Array = npt.NDArray[np.float64]


@ng.njit
def rates(state: Array, p: Array, out: Array) -> None:
    """The equations of Lotka and Volterra."""
    out[0] = (p[0] - p[1] * state[1]) * state[0]
    out[1] = (p[3] * state[0] - p[2]) * state[1]


@ng.njit
def solve(p: Array, years: int, steps: int) -> Array:
    """Hares and lynxes at the start of each year, by the classical method of Runge and Kutta."""
    solution = np.empty((years, 2))
    y, t = np.empty(2), np.empty(2)
    k1, k2, k3, k4 = np.empty(2), np.empty(2), np.empty(2), np.empty(2)
    y[:] = p[4:]
    h = 1.0 / steps
    for year in range(years):
        solution[year] = y
        for _ in range(steps):
            rates(y, p, k1)
            t[:] = y + 0.5 * h * k1
            rates(t, p, k2)
            t[:] = y + 0.5 * h * k2
            rates(t, p, k3)
            t[:] = y + h * k3
            rates(t, p, k4)
            y += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return solution


@ng.njit
def misfit(log_p: Array, data: Array, steps: int) -> float:
    """Half the sum of squared differences between the logarithms of data and model.

    The parameters are positive: their logarithms may be any numbers.
    """
    solution = solve(np.exp(log_p), data.shape[0], steps)
    total = 0.0
    for i in range(data.shape[0]):
        for j in range(2):
            total += 0.5 * np.log(solution[i, j] / data[i, j]) ** 2
    return total


misfit_and_gradient = ng.value_and_grad(misfit)


def check_gradient(x: Array, data: Array, step: float = 1e-5) -> float:
    """Compare the gradient with central differences; gives the largest relative error."""
    gradient = misfit_and_gradient(x, data, STEPS_A_YEAR)[1]
    differences = np.empty_like(x)
    for k in range(x.size):
        shift = np.zeros_like(x)
        shift[k] = step
        above = misfit(x + shift, data, STEPS_A_YEAR)
        below = misfit(x - shift, data, STEPS_A_YEAR)
        differences[k] = (above - below) / (2 * step)
    for name, exact, numeric in zip(NAMES, gradient, differences, strict=True):
        print(f"  {name:<17} {exact:14.8f} {numeric:14.8f}")
    return float(np.abs(gradient - differences).max() / np.abs(gradient).max())


def fit(data: Array) -> tuple[Array, int]:
    """Minimize the misfit; gives logarithms of parameters, and how often it was computed."""
    found = optimize.minimize(
        misfit_and_gradient, np.log(GUESS), (data, STEPS_A_YEAR), jac=True, method="BFGS"
    )
    return found.x, found.nfev


def uncertainties(x: Array, data: Array) -> tuple[Array, float]:
    """Standard errors of the logarithms, and the scatter of the data around the model."""
    freedom = data.size - x.size
    variance = 2.0 * misfit(x, data, STEPS_A_YEAR) / freedom
    curvature = ng.hessian(misfit)(x, data, STEPS_A_YEAR)
    return np.sqrt(variance * np.diag(np.linalg.inv(curvature))), float(np.sqrt(variance))


def draw(x: Array, data: Array, scatter: float) -> None:
    """Save the data and the model with a band of one scatter, and hares against lynxes."""
    years = np.arange(len(data)) + FIRST_YEAR
    fine = 20
    curve = solve_finely(x, len(data), fine)
    times = FIRST_YEAR + np.arange(len(curve)) / fine
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4), width_ratios=(2, 1), layout="constrained"
    )
    for k, name in enumerate(("hares", "lynxes")):
        color = f"C{k}"
        left.plot(times, curve[:, k], color=color, label=f"{name}, model")
        low, high = curve[:, k] * np.exp(-scatter), curve[:, k] * np.exp(scatter)
        left.fill_between(times, low, high, color=color, alpha=0.15, linewidth=0)
        left.plot(years, data[:, k], "o", color=color, markersize=4, label=f"{name}, pelts")
    left.set(xlabel="year", ylabel="thousands", title="Hudson's Bay Company", ylim=(0, 105))
    left.set_xticks(years[::5])
    left.legend(frameon=False, ncols=2)
    right.plot(curve[:, 0], curve[:, 1], color="0.5")
    right.plot(data[:, 0], data[:, 1], "o", color="0.2", markersize=4)
    right.set(xlabel="hares", ylabel="lynxes", title="The cycle")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=150)
    plt.close(figure)


def solve_finely(x: Array, years: int, fine: int) -> Array:
    """The model at `fine` times a year: years that are shorter, with rates that are smaller."""
    p = np.exp(x)
    p[:4] /= fine
    solution: Array = solve(p, (years - 1) * fine + 1, max(1, STEPS_A_YEAR // fine))
    return solution


def main() -> int:
    """Check, fit and draw; the exit code is 0 if the model explains the data."""
    parser = argparse.ArgumentParser(description="Fit a predator-prey model to the lynx data.")
    parser.parse_args()
    data = np.stack([HARES, LYNXES], axis=1)

    print("gradient of the misfit, and finite differences")
    error = check_gradient(np.log(GUESS), data)
    if error > WORST_GRADIENT_ERROR:
        print(f"relative error {error:.1e}, more than {WORST_GRADIENT_ERROR:.0e}: it is wrong")
        return 1
    print(f"relative error {error:.1e}: they agree")

    before = misfit(np.log(GUESS), data, STEPS_A_YEAR)
    x, evaluations = fit(data)
    after = misfit(x, data, STEPS_A_YEAR)
    print(f"misfit {before:.3f} -> {after:.3f} after {evaluations} gradients")
    errors, scatter = uncertainties(x, data)
    for name, value, relative in zip(NAMES, np.exp(x), errors, strict=True):
        print(f"  {name:<17} {value:8.4f} +- {value * relative:.4f}")
    print(f"scatter of the data around the model {scatter:.0%}")
    draw(x, data, scatter)
    print(f"picture in {PICTURE}")
    if scatter > LARGEST_RESIDUAL:
        print(f"the scatter is larger than {LARGEST_RESIDUAL:.0%}: the fit has failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
