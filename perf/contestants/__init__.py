"""The contestants: numgrad, its peers, and NumPy by hand. Who is not installed does not compete."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perf.contestants.by_hand import ByHand
from perf.contestants.hips_autograd import HipsAutograd
from perf.contestants.jax import Jax
from perf.contestants.mygrad import MyGrad
from perf.contestants.torch_like import TorchLike

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from perf.contestants.contestant import Contestant

NUMGRAD, BY_HAND = "numgrad", "numpy"

MAKERS: Mapping[str, Callable[[], Contestant]] = {
    NUMGRAD: partial(TorchLike, NUMGRAD),
    BY_HAND: ByHand,
    "torch": partial(TorchLike, "torch"),
    "autograd": HipsAutograd,
    "mygrad": MyGrad,
    "jax": Jax,
}
"""By the name of the module to import, in the order of the columns."""


def enter(peers: Collection[str] | None = None) -> tuple[dict[str, Contestant], list[str]]:
    """The contestants that are installed, and the names of the peers that are not.

    `peers` narrows them; numgrad and NumPy by hand, against which answers are checked, always stay.
    """
    present: dict[str, Contestant] = {}
    absent: list[str] = []
    for name, make in MAKERS.items():
        if peers is not None and name not in {NUMGRAD, BY_HAND, *peers}:
            continue
        try:
            present[name] = make()
        except ModuleNotFoundError as error:
            # A peer that is there but broken must be heard; without numgrad there is nothing to do.
            if error.name != name or name == NUMGRAD:
                raise
            absent.append(name)
    return present, absent
