"""Names of the files in a run's folder, and what to do where there is none. Loads nothing."""

CONFIG, VOCAB = "config.toml", "vocab.json"
BEST, NGRAM, LAST = "model.safetensors", "ngram.safetensors", "last.safetensors"
METRICS, LOSSES = "metrics.jsonl", "batch_loss.f32"
LOCK = ".lock"
NO_RUN = "make one: nplm train"
