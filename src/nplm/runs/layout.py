"""Names of the files in a run's folder, and what to do where there is none. Loads nothing."""

CONFIG, VOCAB = "config.toml", "vocab.json"
BEST, NGRAM, LAST = "model.safetensors", "ngram.safetensors", "last.safetensors"
METRICS, LOSSES = "metrics.jsonl", "batch_loss.f32"
DATASET = "dataset"  # a folder, where the data set of a run is in none of its own
LOCK = ".lock"
NO_RUN = "make one: nplm train"
