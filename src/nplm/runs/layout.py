"""Names of files in a run's folder that more than one module asks for. Loads nothing."""

CONFIG, VOCAB, LOCK = "config.toml", "vocab.json", ".lock"
