"""The Python side of the learning half: what the functions of `nplm` itself are made of."""
