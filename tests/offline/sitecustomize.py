"""No process of the tests reaches the network: what tries ends there.

`conftest` imports this, and puts its folder into PYTHONPATH: Python loads a module of this name
when it starts. Sockets that C libraries open by themselves are not seen.
"""

import sys

LOCAL = {None, "", "localhost", "127.0.0.1", "::1"}
SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}  # a socket, an address
LOOKS_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}  # a host


class NetworkReachedError(BaseException):
    """No Exception: what is tried in the background would swallow that."""


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook."""
    if event in LOOKS_UP:
        host = arguments[0]
    elif event in SENDS and isinstance(arguments[1], tuple):  # others are names of files
        host = arguments[1][0]
    else:
        return
    if host not in LOCAL:
        raise NetworkReachedError(f"{event} {host!r}")


sys.addaudithook(refuse)
