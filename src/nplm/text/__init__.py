"""Strings become ids: vocabulary, reader, data set on disk. Needs numpy alone."""
