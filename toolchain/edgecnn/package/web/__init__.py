"""Web bundles: a proven ONNX file and the app that runs it in a browser."""
