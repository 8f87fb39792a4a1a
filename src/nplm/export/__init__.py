"""A run becomes a file that needs no torch, proved before it is written."""
