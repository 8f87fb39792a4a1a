"""Texts as people have them, and the data sets of small ones."""

from typing import Any

from hypothesis import strategies as st

from nplm.config import DatasetConfig
from nplm.text.dataset import Dataset, build
from nplm.text.sources import read_source

ALL_TRAIN = ("1", "0", "0")
HALVES = ("0.5", "0.25", "0.25")
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n\ufeff")
# A carriage return before a line end would be part of it.
STRINGS = st.lists(
    st.text(CHARACTERS | st.sampled_from("a\r\u0301"), min_size=1).filter(lambda s: s[-1] != "\r"),
    min_size=1,
)


def made(text: str, **options: Any) -> Dataset:
    """The data set of a text, all in train unless told otherwise."""
    config = DatasetConfig(**{"split": ALL_TRAIN, **options})
    return build(read_source(text.encode(), "few.txt", config.normalize), config)
