"""Strings become counts: data sets, context tables, exact evaluation. Needs numpy, never torch."""
