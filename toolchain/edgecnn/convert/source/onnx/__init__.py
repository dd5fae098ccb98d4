"""Models in ONNX: read and checked, and the CNN subset of the operators imported into Keras."""
