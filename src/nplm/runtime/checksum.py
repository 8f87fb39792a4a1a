"""A hash of a whole model file, carried in the file itself.

It is that of the file with 64 zeros where the hash stands, so that nothing in the file, metadata
included, changes unnoticed. It tells of damage, not of purpose: that can write it anew.
"""

import hashlib

from nplm.errors import DamagedError

BLANK = "0" * 64


def insert_checksum(content: bytes) -> bytes:
    """The content of a file with its hash in place of the zeros."""
    assert content.count(BLANK.encode()) == 1
    return content.replace(BLANK.encode(), _digest(content).encode())


def verify_checksum(content: bytes, digest: str, where: str) -> None:
    """Raise DamagedError unless `digest` is the hash that stands in `content`; `where` names it."""
    blank = content.replace(digest.encode(), BLANK.encode(), 1)
    if blank == content or _digest(blank) != digest:
        raise DamagedError(where, f"{where} is damaged: its hash is another", "export it again")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
