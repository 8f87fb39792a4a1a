"""The names list as a data set, for the benchmarks that look inside."""

from nplm.config import DatasetConfig
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from places import names_file

LESSON = DatasetConfig(split_by="line", seed=314)


def names(config: DatasetConfig = LESSON) -> Dataset:
    path = names_file()
    return dataset.build(sources.read_source(path.read_bytes(), path.name), config)
