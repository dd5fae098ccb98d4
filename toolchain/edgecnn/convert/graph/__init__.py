"""TensorFlow and ONNX graphs: read, folded and edited."""
