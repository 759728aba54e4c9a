"""Due times of the keys of one partition: an index in order, rebuilt from the state, never a scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

from touchpoint.stitching.facts import HOUR, Micros
from touchpoint.stream.stage import State

POSTPONED: Micros = HOUR
"""Event time after which a key is tried again that failed unexpectedly."""
_WIDTH = 8
_NEVER: Micros = 2**63 - 1


def stamped(due: Micros | None, value: bytes) -> bytes:
    """A state value with its due time in front, so that the index is rebuilt without decoding anything."""
    return (_NEVER if due is None else due).to_bytes(_WIDTH, "big", signed=True) + value


def unstamped(value: bytes) -> memoryview:
    """The value without its due time."""
    return memoryview(value)[_WIDTH:]


def due_of(value: bytes) -> Micros:
    """The due time in front of a value."""
    return int.from_bytes(value[:_WIDTH], "big", signed=True)


class Timers:
    """Those keys by due time that are `mine`.

    A key may stand in it several times: only the time in its state counts.
    """

    def __init__(self, state: State, mine: Callable[[bytes], bool]) -> None:
        self._state = state
        self._heap = [(due_of(value), key) for key, value in state.items() if mine(key)]
        heapify(self._heap)

    def set(self, key: bytes, due: Micros | None) -> None:
        if due is not None:
            heappush(self._heap, (due, key))

    def postpone(self, key: bytes, due: Micros) -> None:
        """Look at a key again later; its state stays as it is."""
        self._state[key] = stamped(due, bytes(unstamped(self._state[key])))
        self.set(key, due)

    def pop_due(self, before: Micros, most: int) -> Iterator[bytes]:
        """Keys whose time has come, at most so many: the rest waits for the next call."""
        while most and self._heap and self._heap[0][0] < before:
            due, key = heappop(self._heap)
            value = self._state.get(key)
            if value is not None and due_of(value) == due:
                most -= 1
                yield key
