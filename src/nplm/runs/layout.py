"""Names of files in a run's folder that more than one module asks for. Loads nothing."""

CONFIG, VOCAB, BEST, LOCK = "config.toml", "vocab.json", "model.safetensors", ".lock"
