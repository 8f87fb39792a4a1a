"""A run is a folder: its facts, metrics, looks and checkpoint; train and sweep work in it."""
