"""Train a small classifier of handwritten digits with numgrad.

    python examples/digits.py

The data are the 1797 digits of 8 by 8 pixels that come with scikit-learn. Before it trains, the
program compares some gradients with finite differences; after it has trained, it draws the loss and
some digits of the test set into `digits.png`, and fails if 5 % of the test set or more are wrong.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import numgrad as ng
from numgrad.nn import functional as F

mpl.use("Agg")

HIDDEN = 64
EPOCHS = 30
BATCH = 50
LEARNING_RATE = 3e-3
WORST_GRADIENT_ERROR = 1e-6
LEAST_ACCURACY = 0.95
PICTURE = "digits.png"


class Data(NamedTuple):
    """Images, one a row with pixels from 0 to 1, and the digits that they show."""

    images: ng.Tensor
    labels: ng.Tensor


class Network:
    """Two linear layers with tanh between them."""

    def __init__(self, pixels: int, hidden: int, classes: int) -> None:
        self.weight1 = (ng.randn(pixels, hidden) / pixels**0.5).requires_grad_()
        self.bias1 = ng.zeros(hidden, requires_grad=True)
        self.weight2 = (ng.randn(hidden, classes) / hidden**0.5).requires_grad_()
        self.bias2 = ng.zeros(classes, requires_grad=True)

    def parameters(self) -> dict[str, ng.Tensor]:
        """What is trained."""
        return vars(self)

    def __call__(self, images: ng.Tensor) -> ng.Tensor:
        """One score for each class, the highest for the class that is most likely."""
        hidden = ng.tanh(images @ self.weight1 + self.bias1)
        return hidden @ self.weight2 + self.bias2


def load() -> tuple[Data, Data]:
    """Read the digits; three quarters are for training, the rest for the test."""
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=0.25, random_state=0, stratify=labels)
    train_images, test_images, train_labels, test_labels = map(ng.tensor, split)
    return Data(train_images, train_labels), Data(test_images, test_labels)


def check_gradients(network: Network, data: Data, samples: int = 5, step: float = 1e-5) -> float:
    """Compare some elements of every gradient with central differences.

    Gives the largest error, relative to the largest element of the gradient that it is in.
    """
    random = np.random.default_rng(0)
    parameters = network.parameters()

    def loss() -> ng.Tensor:
        return F.cross_entropy(network(data.images), data.labels)

    worst = 0.0
    gradients = ng.autograd.grad(loss(), list(parameters.values()))
    with ng.no_grad():
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            error = 0.0
            for k in random.choice(parameter.numel(), samples, replace=False):
                place = tuple(map(int, np.unravel_index(k, parameter.shape)))
                before = parameter[place].item()
                parameter[place] = before + step
                above = loss().item()
                parameter[place] = before - step
                below = loss().item()
                parameter[place] = before
                difference = (above - below) / (2 * step)
                error = max(error, abs(gradient[place].item() - difference))
            error /= abs(gradient).max().item()
            print(f"  {name:<8} {samples} of {parameter.numel()} elements, error {error:.1e}")
            worst = max(worst, error)
    return worst


def train(network: Network, data: Data, epochs: int) -> list[float]:
    """Minimize the cross entropy with Adam; gives the loss of every step."""
    optimizer = ng.optim.Adam(network.parameters().values(), lr=LEARNING_RATE)
    losses: list[float] = []
    with tqdm(range(epochs), desc="training", unit="epoch", file=sys.stdout) as bar:
        for _ in bar:
            order = ng.randperm(len(data.labels))
            for batch in order.split(BATCH):
                optimizer.zero_grad()
                loss = F.cross_entropy(network(data.images[batch]), data.labels[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            steps = -(-len(order) // BATCH)
            bar.set_postfix_str(f"loss {sum(losses[-steps:]) / steps:.4f}")
    return losses


def draw(losses: list[float], epochs: int, test: Data, predicted: ng.Tensor) -> None:
    """Save the loss curve, and some digits of the test set with what they were taken for."""
    rows, columns = 5, 8
    right = (predicted == test.labels).numpy()
    wrong_shown = np.flatnonzero(~right)[: rows * columns // 4]
    right_shown = np.flatnonzero(right)[: rows * columns - len(wrong_shown)]
    shown = np.concatenate([wrong_shown, right_shown])

    figure = plt.figure(figsize=(11, 4.6), layout="constrained")
    left, grid = figure.subfigures(1, 2, width_ratios=(5, 6))
    curve = left.subplots()
    steps = np.arange(1, len(losses) + 1) * epochs / len(losses)
    means = np.reshape(losses, (epochs, -1)).mean(axis=1)
    curve.semilogy(steps, losses, color="0.8", linewidth=1, label="one step")
    curve.semilogy(np.arange(epochs) + 0.5, means, color="C0", label="mean of an epoch")
    curve.set(xlabel="epoch", ylabel="cross entropy", title="Training loss", xlim=(0, epochs))
    curve.spines[["top", "right"]].set_visible(False)
    curve.legend(frameon=False)

    grid.suptitle(
        f"Test set: {right.sum()} of {len(right)} right. Wrong ones in red, with the right digit"
    )
    axes = grid.subplots(rows, columns)
    for axis, k in zip(axes.flat, shown, strict=False):
        axis.imshow(test.images[k].numpy().reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        label, guess = test.labels[k].item(), predicted[k].item()
        axis.set_title(
            f"{guess}" if right[k] else f"{guess}, not {label}",
            color="black" if right[k] else "C3",
            fontsize="medium",
            pad=3,
        )
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_color("0.8" if right[k] else "C3")
    figure.savefig(PICTURE, dpi=150)
    plt.close(figure)


def main() -> int:
    """Check, train, test and draw; the exit code is 0 if enough of the test set is right."""
    parser = argparse.ArgumentParser(description="Train a classifier of handwritten digits.")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    epochs = parser.parse_args().epochs

    ng.manual_seed(0)
    training, test = load()
    network = Network(pixels=training.images.shape[1], hidden=HIDDEN, classes=10)

    print("gradients against finite differences")
    error = check_gradients(network, Data(training.images[:BATCH], training.labels[:BATCH]))
    if error > WORST_GRADIENT_ERROR:
        print(f"largest error {error:.1e}, more than {WORST_GRADIENT_ERROR:.0e}: they are wrong")
        return 1
    print(f"largest error {error:.1e}: they agree")

    losses = train(network, training, epochs)
    with ng.no_grad():
        predicted = network(test.images).argmax(dim=1)
    accuracy = (predicted == test.labels).double().mean().item()
    print(f"test accuracy {accuracy:.1%}, {len(test.labels)} digits")
    draw(losses, epochs, test, predicted)
    print(f"picture in {PICTURE}")
    if accuracy <= LEAST_ACCURACY:
        print(f"test accuracy is not above {LEAST_ACCURACY:.0%}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
