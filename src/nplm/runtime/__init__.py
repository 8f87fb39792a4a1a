"""A model file becomes strings. Needs numpy and onnxruntime, never torch."""
