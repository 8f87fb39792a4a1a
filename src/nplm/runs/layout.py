"""Names of the files in a run's folder, and what to do where there is none. Loads nothing."""

CONFIG, VOCAB = "config.toml", "vocab.json"
BEST, NGRAM, LAST = "model.safetensors", "ngram.safetensors", "last.safetensors"
METRICS, LOSSES = "metrics.jsonl", "batch_loss.f32"
DATASET = "dataset"  # a folder, where the data set of a run is in none of its own
LOCK = ".lock"
MARK = ".replaces"  # in a folder whose content is to take the place of another one's
LOOKS = "test_looks.jsonl"
PICTURES = ("loss.png", "loss.svg", "embedding.png", "embedding.svg", "report.html")
FACTS = (CONFIG, VOCAB)  # without which the others mean nothing
FILES = (LAST, BEST, NGRAM, METRICS, LOSSES, LOOKS, *PICTURES, *FACTS)
NO_RUN = "make one: nplm train"
