"""The float model of a recipe: trained, measured, and saved with its reference scores.

``run`` is the entry point. Importing this package imports no TensorFlow; calling ``run`` does.
"""

from edgecnn.train.earlier import Earlier, earlier_recipe
from edgecnn.train.stage import Training, key, run

__all__ = ["Earlier", "Training", "earlier_recipe", "key", "run"]
