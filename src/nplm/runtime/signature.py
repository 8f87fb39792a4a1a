"""A hash of a whole model file, carried in the file itself.

It is that of the file with 64 zeros where the hash stands, so that nothing in the file, metadata
included, changes unnoticed. It tells of damage; whoever changes a file on purpose can sign it anew.
"""

import hashlib

from nplm.errors import DamagedError

UNSIGNED = "0" * 64


def sign(content: bytes) -> bytes:
    """The content of a file with its hash in place of the zeros."""
    assert content.count(UNSIGNED.encode()) == 1
    return content.replace(UNSIGNED.encode(), _digest(content).encode())


def check(content: bytes, digest: str, where: str) -> None:
    """Raise DamagedError unless `digest` is the hash that stands in `content`; `where` names it."""
    unsigned = content.replace(digest.encode(), UNSIGNED.encode(), 1)
    if unsigned == content or _digest(unsigned) != digest:
        raise DamagedError(where, f"{where} is damaged: its hash is another", "export it again")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
