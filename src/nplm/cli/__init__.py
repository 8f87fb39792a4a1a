"""The `nplm` command: one file per command; each parses, calls one plain function, and prints."""
