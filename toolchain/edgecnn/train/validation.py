"""Scores the validation images as the model would be if it shipped now, and keeps the best.

A model ships with the averaged weights, if there are any, and with batch normalization's averages
recomputed; training goes on with its own weights.

This module imports Keras; see ``fit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.train.batch_norm import PopulationAverages
from edgecnn.train.history import Epoch
from edgecnn.train.selection import shipped_of


def settle(network: Any, averages: PopulationAverages | None) -> None:
    """Turn a network in training into what would ship now.

    Args:
        network: Compiled (untyped Keras model); its weights become their moving averages, if
            the optimizer keeps some.
        averages: Of batch normalization; None to leave its moving averages as they are.
    """
    network.optimizer.finalize_variable_values(network.trainable_variables)
    if averages is not None:
        averages.put_into(network)


class Validation:
    """Measures a network in training after each epoch.

    Args:
        network: Compiled (untyped Keras model).
        batches: Validation images and labels (a TensorFlow data set).
        images: How many those are.
        averages: Of batch normalization; None to leave its moving averages as they are.
        keeps_best: Whether the weights of the epoch that would ship are kept.
        best: Those that the epochs before this run left.
    """

    def __init__(
        self,
        network: Any,
        batches: Any,
        averages: PopulationAverages | None,
        *,
        images: int,
        keeps_best: bool,
        best: tuple[npt.NDArray[Any], ...] = (),
    ) -> None:
        self.best = best
        self._network = network
        self._batches = batches
        self._averages = averages
        self._images = images
        self._keeps_best = keeps_best
        self._scored: tuple[npt.NDArray[Any], ...] = ()

    def score(self) -> tuple[float, float]:
        """Return loss and accuracy; the network's trainable weights are as before."""
        variables = self._network.trainable_variables
        own = [np.copy(np.asarray(variable)) for variable in variables]
        settle(self._network, self._averages)
        figures = self._network.evaluate(self._batches, verbose=0, return_dict=True)
        if self._keeps_best:
            self._scored = tuple(map(np.copy, self._network.get_weights()))
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
        return float(figures["loss"]), float(figures["accuracy"])

    def keep_if_best(self, history: Sequence[Epoch]) -> None:
        """Keep the weights that were scored last, if the last epoch would ship now."""
        if self._keeps_best and shipped_of(history, self._images) is history[-1]:
            self.best = self._scored
