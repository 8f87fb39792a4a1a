"""What torch keeps for the whole process: ours while we work, the caller's while he has control.

A run needs a thread count, a determinism mode and a random state of its own. A generator gives
control away at every event, so all of them are put in place for each stretch of work and taken back
after it, also when that stretch fails. What the caller does in between changes no bit of the run.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from threading import RLock
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
_turn = RLock()  # what torch keeps for the process serves one stretch of work at a time


@contextmanager
def process_settings(threads: int, *, deterministic: bool) -> Iterator[None]:
    """Torch with this thread count; `deterministic` refuses kernels that are not.

    Threads that ask for it take turns.
    """
    with _turn:
        before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
        # As use_deterministic_algorithms does, but without its import of the compiler (2.4 s).
        torch.set_deterministic_debug_mode("error" if deterministic else "default")
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.set_deterministic_debug_mode(before[1])


def each_within(
    settings: Callable[[], AbstractContextManager[None]], events: Generator[T, None, None]
) -> Iterator[T]:
    """`events`, each made within `settings()` and handed over outside of it."""
    with closing(events):
        while True:
            with settings():
                try:
                    event = next(events)
                except StopIteration:
                    return
            yield event


class RandomState:
    """A random state of torch on the CPU and, where it trains there, on a CUDA device.

    Attributes:
        states: by kind of device; tensors in it are replaced, never written to.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        devices = [torch.device("cpu"), *([device] if device.type == "cuda" else [])]
        self.states = {d.type: torch.Generator(d).manual_seed(seed).get_state() for d in devices}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Torch draws from this state, and goes on with it the next time."""
        callers = self._read()
        self._write(self.states)
        try:
            yield
        finally:
            self.states = self._read()
            self._write(callers)

    def of_step(self, _step: int) -> AbstractContextManager[None]:
        """As `in_place`: it goes on from step to step, so they must be taken in turn."""
        return self.in_place()

    def _read(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        return states

    def _write(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self._device)
