"""The greatest value among all keys before a key, while keys come and go."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any

_MOST = 128
"""Entries of a block: a question looks at the maxima of the blocks before its own, and at one block."""


class PrefixMaximum:
    """Values by (position, name); a question costs the square root of how many there are."""

    def __init__(self) -> None:
        self._blocks: list[list[tuple[int, Any, int]]] = []
        self._maxima: list[int] = []
        self._lasts: list[tuple[int, Any, int]] = []

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, position: int, name: Any, value: int) -> None:
        entry = (position, name, value)
        if not self._blocks:
            self._blocks, self._maxima, self._lasts = [[entry]], [value], [entry]
            return
        at = min(bisect_left(self._lasts, entry), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, entry)
        self._maxima[at], self._lasts[at] = max(self._maxima[at], value), block[-1]
        if len(block) > _MOST:
            self._blocks[at : at + 1] = halves = [block[: _MOST // 2], block[_MOST // 2 :]]
            self._maxima[at : at + 1] = [max(value for *_, value in half) for half in halves]
            self._lasts[at : at + 1] = [half[-1] for half in halves]

    def discard(self, position: int, name: Any, value: int) -> None:
        """Take out an entry that is there."""
        entry = (position, name, value)
        at = bisect_left(self._lasts, entry)
        block = self._blocks[at]
        del block[bisect_left(block, entry)]
        if not block:
            del self._blocks[at], self._maxima[at], self._lasts[at]
            return
        self._lasts[at] = block[-1]
        if value == self._maxima[at]:
            self._maxima[at] = max(value for *_, value in block)

    def before(self, position: int) -> int | None:
        """The greatest value of those with a lesser position; None: there is none."""
        at = bisect_left(self._lasts, (position,))
        found = max(self._maxima[:at], default=None)
        if at < len(self._blocks):
            for other, _, value in self._blocks[at]:
                if other >= position:
                    break
                if found is None or value > found:
                    found = value
        return found
