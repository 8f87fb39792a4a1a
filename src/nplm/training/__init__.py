"""Counts become a model file: the network, its training, checkpoints, export. Needs torch."""
