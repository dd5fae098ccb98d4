"""The float model of a recipe: trained, measured, and saved with its reference scores.

``run`` is the entry point. Importing this package imports no TensorFlow; calling ``run`` does.
"""

from edgecnn.train.earlier import recipe_of_0_1
from edgecnn.train.run import TrainResult, key, run

__all__ = ["TrainResult", "key", "recipe_of_0_1", "run"]
