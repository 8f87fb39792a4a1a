"""That no test and no process that a test starts can reach the network unseen."""

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from offline.sitecustomize import NetworkReachedError

ADDRESS = ("192.0.2.1", 80)  # for documentation: nobody has it


def udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(ADDRESS, timeout=1),
        lambda: socket.socket().connect_ex(ADDRESS),
        lambda: udp().sendto(b"", ADDRESS),
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: socket.gethostbyname("example.org"),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_test_cannot_reach_the_network(reach: Callable[[], object]) -> None:
    with pytest.raises(NetworkReachedError):
        reach()


def test_what_is_on_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_nor_can_a_process_that_a_test_starts() -> None:
    code = f"import socket; socket.create_connection({ADDRESS}, timeout=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "NetworkReachedError" in done.stderr
