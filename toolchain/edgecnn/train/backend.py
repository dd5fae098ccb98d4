"""Keras and TensorFlow, imported once and without their greeting.

The only module of this package that names them; the others import it inside functions, so that
importing the package stays cheap. TensorFlow greets on file descriptor 2 from C++, before its
own log level counts, so what is said while it starts goes to a log.
"""

from __future__ import annotations

import os

from edgecnn.build.keras_settings import start_keras
from edgecnn.quiet import captured_log

__all__ = ["keras", "tf"]

# 2: errors only. The end of every data iterator counts as a warning. A user's choice goes first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

with captured_log():
    start_keras()
    import keras
    import tensorflow as tf

    # Finds the devices now, which says another few lines.
    tf.constant(0)
