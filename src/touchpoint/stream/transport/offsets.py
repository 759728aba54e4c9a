"""Which offsets of each partition are finished: the contiguous prefix of what was delivered.

Stock Faust lets a commit jump over unfinished events in four of six cases (faust.md 1.3). Here an offset may be
committed only when everything delivered before it is finished; an entry is forgotten only when the commit succeeded.
"""

from __future__ import annotations

from collections import deque

from faust.types import TP


class Entry:
    """One delivered batch: offsets ``first`` to ``next - 1`` of a partition."""

    __slots__ = ("done", "first", "live", "next", "timestamp")

    def __init__(self, first: int, next_: int, timestamp: int) -> None:
        self.first = first
        self.next = next_
        self.timestamp = timestamp  # of its first record, milliseconds
        self.done = False
        self.live = True  # false once its partition was revoked or sought: a late ack must not count


class OffsetTracker:
    """Delivered entries by partition, in order."""

    def __init__(self) -> None:
        self._entries: dict[TP, deque[Entry]] = {}

    def deliver(self, tp: TP, first: int, next_: int, timestamp: int = 0) -> Entry:
        """Note that a batch is on its way to an agent. ``timestamp``: of its first record, milliseconds."""
        entry = Entry(first, next_, timestamp)
        self._entries.setdefault(tp, deque()).append(entry)
        return entry

    def finish(self, entry: Entry) -> bool:
        """Note that a batch's effects are durable. False for an entry of an earlier generation: it changes nothing."""
        if not entry.live or entry.done:
            return False
        entry.done = True
        return True

    def committable(self, tp: TP) -> int | None:
        """The offset after the finished prefix; ``None`` if nothing new is finished."""
        offset = None
        for entry in self._entries.get(tp, ()):
            if not entry.done:
                break
            offset = entry.next
        return offset

    def committed(self, tp: TP, offset: int) -> None:
        """Forget what lies before a successfully committed offset."""
        queue = self._entries.get(tp)
        while queue and queue[0].done and queue[0].next <= offset:
            queue.popleft()

    def first_uncommitted(self, tp: TP) -> int | None:
        """The first offset that was delivered and is not committed; ``None`` if all that was delivered is."""
        queue = self._entries.get(tp)
        return queue[0].first if queue else None

    def oldest(self, topic: str) -> int | None:
        """The timestamp of the first record of a topic that is not finished; ``None`` if there is none."""
        heads = (next((e for e in q if not e.done), None) for tp, q in self._entries.items() if tp.topic == topic)
        return min((entry.timestamp for entry in heads if entry is not None), default=None)

    def idle(self, tp: TP) -> bool:
        """True if everything delivered of this partition is finished."""
        queue = self._entries.get(tp)
        return not queue or all(entry.done for entry in queue)

    def partitions(self) -> list[TP]:
        return list(self._entries)

    def forget(self, tps: set[TP] | None = None) -> None:
        """Drop partitions (all, if none are named); their outstanding entries die."""
        for tp in list(self._entries) if tps is None else tps:
            for entry in self._entries.pop(tp, ()):
                entry.live = False
