"""Pretrained networks: their weights, their features, and what is trained on them.

Importing this package, ``catalog``, ``weights``, ``features`` and ``head`` imports no TensorFlow.
"""
