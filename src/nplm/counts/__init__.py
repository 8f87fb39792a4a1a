"""Ids become contexts with counts: n-gram, exact evaluation, what a data set holds. Needs numpy."""
