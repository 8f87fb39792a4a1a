"""Train a neural probabilistic language model on any list of strings; ship it as one ONNX file."""

__version__ = "0.1.0"
