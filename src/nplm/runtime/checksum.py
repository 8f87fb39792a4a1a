"""A hash of a whole model file, carried in the file itself.

It is that of the file with 64 zeros where the hash stands, so that nothing in the file, metadata
included, changes unnoticed. It tells of damage, not of purpose: that can write it anew.
"""

import hashlib
import json

BLANK = "0" * 64
Place = tuple[int, int]  # where the hash stands in the content, as JSON, between quotes


def insert_checksum(content: bytes, place: Place) -> bytes:
    """The content of a file with its hash in place of the zeros."""
    start, end = place
    assert content[start:end] == json.dumps(BLANK).encode()
    return content[:start] + _value(content, place) + content[end:]


def checksum_matches(content: bytes, place: Place) -> bool:
    """Whether what stands at `place` is the hash of all the rest."""
    start, end = place
    return content[start:end] == _value(content, place)


def _value(content: bytes, place: Place) -> bytes:
    """The hash of the content with zeros in its place, between quotes."""
    start, end = place
    whole = memoryview(content)
    digest = hashlib.sha256(whole[:start])
    digest.update(json.dumps(BLANK).encode())
    digest.update(whole[end:])
    return json.dumps(digest.hexdigest()).encode()
