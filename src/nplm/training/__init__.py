"""Counts become weights: networks, mixture, targets, batches, steps, recipe. Needs torch.

`training.events` alone does not, so that a log of a run is read without it. Files are in `runs`.
"""
