"""Due times of the keys of one partition: an index in order, rebuilt from the state, never a scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

from touchpoint.stages.protocol import State
from touchpoint.stitching.facts import HOUR, Micros

POSTPONED: Micros = HOUR
"""Event time after which a key is tried again that failed unexpectedly."""
MOST_STALE = 10_000
"""Entries beyond two for each key: the index is then built anew."""
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
    """Those keys by due time that are `mine`, and their values.

    What is put off is not moved: its old time comes first and is then seen to be too early. So a key that changes
    often does not fill the index.
    """

    def __init__(self, state: State, mine: Callable[[bytes], bool]) -> None:
        self._state, self._mine = state, mine
        self._heap = self._built()

    def __len__(self) -> int:
        """Entries of the index: somewhat more than keys."""
        return len(self._heap)

    def put(self, key: bytes, due: Micros | None, value: bytes) -> None:
        """Store a key's value; it is looked at when it is due, or never."""
        before = self._state.get(key)
        self._state[key] = stamped(due, value)
        if due is not None and (before is None or due < due_of(before) or due_of(before) == _NEVER):
            heappush(self._heap, (due, key))
            if len(self._heap) > MOST_STALE + 2 * len(self._state):
                self._heap = self._built()

    def postpone(self, key: bytes, due: Micros) -> None:
        """Look at a key later that `pop_due` gave just now; its value stays as it is."""
        self._state[key] = stamped(due, bytes(unstamped(self._state[key])))

    def again(self, key: bytes) -> None:
        """Give a key that `pop_due` has given in this call again when it is due, though it was not stored anew."""
        value = self._state.get(key)
        if value is not None and due_of(value) < _NEVER:
            heappush(self._heap, (due_of(value), key))

    def pop_due(self, before: Micros, most: int, size: int = _NEVER) -> Iterator[bytes]:
        """Keys whose time has come, at most so many, and of so many bytes of values: the rest waits for the next call.

        Each is stored anew, postponed or deleted before the next is asked for.
        """
        while most and size > 0 and self._heap and self._heap[0][0] < before:
            due, key = heappop(self._heap)
            value = self._state.get(key)
            if value is None:
                continue
            now_due = due_of(value)
            if now_due == due:
                most -= 1
                size -= len(value)
                yield key
                self._again(key, due)
            elif due < now_due < _NEVER:
                heappush(self._heap, (now_due, key))

    def _again(self, key: bytes, due: Micros) -> None:
        """A key that was looked at and is due later has no entry yet: it was put off while its old one was out."""
        value = self._state.get(key)
        if value is not None and due < due_of(value) < _NEVER:
            heappush(self._heap, (due_of(value), key))

    def _built(self) -> list[tuple[Micros, bytes]]:
        heap = [(due_of(value), key) for key, value in self._state.items() if self._mine(key)]
        heapify(heap)
        return heap
