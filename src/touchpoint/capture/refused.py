"""Messages that a server never gives: how often they were asked for in vain, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

TRIES = 3
"""Failures of one batch in a row, before its messages are asked for singly; then of one message."""


class Box(NamedTuple):
    """A folder while its UIDs mean the same."""

    name: str
    validity: int


class Failures:
    """Fetches that failed since one of the same messages succeeded."""

    def __init__(self) -> None:
        self._batches: Counter[tuple[Box, int]] = Counter()  # by the first UID
        self._messages: Counter[tuple[Box, int]] = Counter()

    def portions(self, box: Box, uids: Sequence[int], most: int) -> Iterator[Sequence[int]]:
        """The messages, so many at once; singly where that many failed again and again."""
        for begin in range(0, len(uids), most):
            some = uids[begin : begin + most]
            if self._batches[box, some[0]] < TRIES and not self._messages[box, some[0]]:
                yield some
            else:
                yield from ([uid] for uid in some)

    def note(self, box: Box, uids: Sequence[int]) -> None:
        counts = self._messages if len(uids) == 1 else self._batches
        counts[box, uids[0]] += 1

    def is_refused(self, box: Box, uids: Sequence[int]) -> bool:
        """Whether it is one message that failed as often as is enough."""
        return len(uids) == 1 and self._messages[box, uids[0]] >= TRIES

    def another(self, box: Box, uid: int, uids: Iterable[int]) -> int | None:
        """The nearest other message of these that is not refused itself."""
        others = [each for each in uids if each != uid and not self.is_refused(box, [each])]
        return min(others, key=lambda each: (abs(each - uid), each), default=None)

    def forget(self, box: Box) -> None:
        """All of the folder that is asked for is given."""
        for counts in (self._batches, self._messages):
            for key in [key for key in counts if key[0] == box]:
                del counts[key]


def record_of(box: Box, uid: int) -> bytes:
    """What the dialect `mailbox` has in place of such a message: of it, only where it lies is known."""
    return orjson.dumps({"refused": {"folder": box.name, "uidvalidity": box.validity, "uid": uid}})
