"""Learning from a larger network's scores beside the labels.

This module imports Keras; ``run`` imports it when a recipe names a teacher.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecnn.errors import RecipeError
from edgecnn.recipe.load import Recipe
from edgecnn.train.architectures import ARCHITECTURES, build_network
from edgecnn.train.backend import keras


def load_teacher(path: Path, *, shape: tuple[int, int, int], classes: int, precision: str) -> Any:
    """Return a trained network in the precision of the training.

    Args:
        path: A ``.keras`` file that ``edgecnn train`` wrote.
        shape: Height, width and channels of the images.
        classes: Number of outputs.
        precision: ``float32`` or ``mixed_bfloat16``.

    Returns:
        A Keras model (untyped), not to be trained.

    Raises:
        RecipeError: If the file is not such a model, or was made for other images or classes.
    """
    expected = f"{shape[0]}x{shape[1]}x{shape[2]} in, {classes} classes out"
    remedy = "name the model.keras of a build with the same data set as train.distillation.teacher"

    def unreadable(error: Exception) -> RecipeError:
        return RecipeError(
            f"the teacher {path} is not readable: {error}",
            observed=type(error).__name__,
            expected="a .keras file written by edgecnn train",
            remedy=remedy,
        )

    try:
        # A file with code of its own in it is refused by Keras: safe mode is its default.
        stored = keras.models.load_model(path, compile=False)
        ends = (tuple(stored.input_shape[1:]), tuple(stored.output_shape[1:]))
    except Exception as error:  # what damaged archives, weights and configurations raise is open
        raise unreadable(error) from error
    if stored.name not in ARCHITECTURES or ends != (shape, (classes,)):
        raise RecipeError(
            f"the teacher {path} is not for these images",
            observed=f"{stored.name}: {ends[0]} in, {ends[1]} out",
            expected=expected,
            remedy=remedy,
        )
    teacher = build_network(stored.name, shape=shape, classes=classes, precision=precision, seed=0)
    try:
        teacher.set_weights(stored.get_weights())
    except ValueError as error:  # the name of one of ours, and other layers
        raise unreadable(error) from error
    teacher.trainable = False
    return teacher


def with_teacher(network: Any, teacher: Any, recipe: Recipe) -> Any:
    """Return a network of the same layers whose training loss also follows a teacher.

    The loss is ``(1 - w) * loss + w * T^2 * KL(teacher_T || network_T)``, where ``_T`` are
    softmax outputs at temperature T (Hinton et al. 2015, arXiv:1503.02531, section 2). Both
    networks give probabilities; their logarithms are the logits up to a constant, which a
    softmax does not see. The teacher sees the same augmented images as the network (Beyer et
    al. 2022, arXiv:2106.05237). Validation uses the labels alone.

    Args:
        network: What to train (untyped Keras model).
        teacher: What ``load_teacher`` returned.
        recipe: Its ``train.distillation`` counts.
    """
    settings = recipe.train.distillation
    weight, temperature = settings.weight, settings.temperature

    class Student(keras.Model):  # type: ignore[misc]  # Keras ships no types
        """The network; the teacher is no part of it, and so in no checkpoint."""

        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Any = None,
            training: bool = True,
        ) -> Any:
            loss = super().compute_loss(x, y, y_pred, sample_weight, training)
            if not training:
                return loss
            goal = _softened(keras.ops.stop_gradient(teacher(x, training=False)), temperature)
            found = _softened(y_pred, temperature)
            divergence = keras.ops.sum(keras.ops.exp(goal) * (goal - found), axis=-1)
            if sample_weight is not None:
                divergence = divergence * sample_weight
            divergence = keras.ops.mean(divergence)
            return (1.0 - weight) * loss + weight * temperature**2 * divergence

    return Student(network.inputs[0], network.outputs[0], name=network.name)


def _softened(probabilities: Any, temperature: float) -> Any:
    """Return the logarithms of probabilities at a temperature."""
    smallest = 1e-7  # Keras's own bound in cross-entropy: a probability of 0 has no logarithm
    logits = keras.ops.log(keras.ops.maximum(probabilities, smallest))
    return keras.ops.log_softmax(logits / temperature, axis=-1)
