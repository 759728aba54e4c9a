"""Stops a worker that refuses most of a topic: that is a wrong deploy more often than wrong records."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from touchpoint.stream import dead_letters
from touchpoint.stream.stage import Forward, Record

WINDOW = 1_000  # records of one topic and partition
_WELL_READ = frozenset({"late"})  # nothing is wrong with how these are read: somebody repeats what is long over


class FloodError(Exception):
    """Too many of a topic's records would become dead letters; nothing of the batch at hand was sent or committed."""


class FloodGate:
    """Counts what becomes of the last records of each topic of one partition."""

    def __init__(self, partition: int, limit: float, exempt: frozenset[str] = frozenset()) -> None:
        """``limit``: dead letters as a share of a topic's last ``WINDOW`` records. ``exempt``: topics not counted."""
        self._partition = partition
        self._limit = limit
        self._exempt = exempt
        self._windows: dict[str, deque[tuple[int, int]]] = {}  # (records, dead letters) of each batch

    def check(self, batches: Sequence[Sequence[Record]], forwards: Sequence[Forward]) -> None:
        """Count batches, each of one topic, and what follows from them. Raises ``FloodError``."""
        seen: Counter[str] = Counter()
        for records in batches:
            if records and records[0].topic not in self._exempt:
                seen[records[0].topic] += len(records)
        dead = [f for f in forwards if f.topic == dead_letters.TOPIC and dead_letters.code_of(f) not in _WELL_READ]
        refused = Counter(topic_of(forward) for forward in dead)
        for topic, count in seen.items():
            total, bad = self._counted(topic, count, refused[topic])
            if total >= WINDOW and bad > self._limit * total:
                raise FloodError(self._said(topic, total, bad, [each for each in dead if topic_of(each) == topic]))

    def _counted(self, topic: str, records: int, refused: int) -> tuple[int, int]:
        """The last records of the topic and the dead letters among them."""
        window = self._windows.setdefault(topic, deque())
        window.append((records, refused))
        total = sum(count for count, _ in window)
        while total - window[0][0] >= WINDOW:
            total -= window.popleft()[0]
        return total, sum(bad for _, bad in window)

    def _said(self, topic: str, seen: int, refused: int, dead: Sequence[Forward]) -> str:
        codes = Counter(dead_letters.code_of(forward) for forward in dead).most_common(3)
        told = ", ".join(f"{code}: {count:,}" for code, count in codes)
        return (
            f"{refused:,} of the last {seen:,} records of topic {topic}, partition {self._partition}, would become "
            f"dead letters ({told}): more than TOUCHPOINT_DEAD_LETTER_LIMIT ({self._limit:g}) allows, so the worker "
            "stops. The last batch was neither buried nor committed. If the configuration or the version is wrong, put "
            "it right, start again and run `touchpoint dead-letters replay`; if the records are wrong, start with "
            "TOUCHPOINT_DEAD_LETTER_LIMIT=1 to bury them"
        )


def topic_of(letter: Forward) -> str:
    """Where a dead letter came from, without prefix; empty for one of no record."""
    origin = next((value for name, value in reversed(letter.headers) if name == dead_letters.ORIGIN), None)
    return (origin or b"").partition(b"/")[0].decode()
