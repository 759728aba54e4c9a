"""What is remembered of a party's closed interactions while time passes for it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from itertools import accumulate

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions import after_close
from touchpoint.stitching.interactions.after_close import Amendment
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.open_state import IDENTITY, Placed
from touchpoint.stitching.interactions.party_facts import Closed, PartyKey, fact_digest

MOST_CLOSED = 1_000
"""Of one party; the oldest go first, then by age."""
MOST_WEIGHT = 2 * 1024 * 1024
"""Bytes of one party's closed interactions (``Closed.weight``); a number that never rests must not grow its state."""


class _Remembered:
    """A closed interaction, and what came after its close."""

    __slots__ = ("_known", "_weight", "closed", "news")

    def __init__(self, closed: Closed) -> None:
        self.closed = closed
        self.news: list[bytes] = []
        self._weight = closed.weight
        self._known: set[bytes] | None = None

    def knows(self, digest: bytes) -> bool:
        if self._known is None:
            facts = self.closed.facts
            self._known = {facts[i : i + 8] for i in range(0, len(facts), 8)}
        return digest in self._known

    def told(self) -> list[bytes]:
        """Of what came after its close."""
        facts = self.closed.facts
        return [facts[i : i + 8] for i in range(len(facts) - 8 * self.closed.amended, len(facts), 8)] + self.news

    def amend(self, digest: bytes) -> int:
        """One fact more; returns its number."""
        self.news.append(digest)
        if self._known is not None:
            self._known.add(digest)
        return self.amended

    @property
    def amended(self) -> int:
        return self.closed.amended + len(self.news)

    @property
    def weight(self) -> int:
        """Bytes, about."""
        return self._weight + 8 * len(self.news)

    def written(self) -> Closed:
        if not self.news:
            return self.closed
        facts = self.closed.facts + b"".join(self.news)
        return msgspec.structs.replace(self.closed, facts=facts, amended=self.amended)


class ClosedInteractions:
    """The closed interactions of one party, by their names; the oldest go when they are too many."""

    def __init__(self, closed: list[Closed], age: Micros) -> None:
        """``age``: for how long one is remembered."""
        self._age = age
        self._closed: dict[int, _Remembered] = {}  # numbered from the oldest on
        self._by_name: dict[str, list[int]] = {}
        self._weight = 0
        self._next = 0
        self._told: set[bytes] | None = None  # what came after a close and is remembered
        for each in closed:
            self._put(each)

    def __len__(self) -> int:
        return len(self._closed)

    @property
    def closed(self) -> list[Closed]:
        """All that are remembered, oldest first."""
        return [each.written() for each in self._closed.values()]

    def knows_any(self, names: Collection[str]) -> bool:
        """Whether one of the names is that of something closed."""
        return not self._by_name.keys().isdisjoint(names)

    def add(self, closed: Closed) -> None:
        """One more; the oldest go for it."""
        self._put(closed)
        while len(self._closed) > 1 and (len(self._closed) > MOST_CLOSED or self._weight > MOST_WEIGHT):
            self._forget(next(iter(self._closed)))

    def _put(self, closed: Closed) -> None:
        number, self._next = self._next, self._next + 1
        self._closed[number] = _Remembered(closed)
        self._weight += self._closed[number].weight
        for name in closed.names:
            self._by_name.setdefault(name, []).append(number)

    def _forget(self, number: int) -> None:
        gone = self._closed.pop(number)
        self._weight -= gone.weight
        for name in gone.closed.names:
            numbers = self._by_name[name]
            numbers.remove(number)  # the first: the oldest go first
            if not numbers:
                del self._by_name[name]

    def receive(self, new: Placed) -> tuple[list[Amendment], bool]:
        """(amendments, whether the fact joins what is open): of a closed interaction it is news, or known."""
        fact, names = new.fact, after_close.names_of(new)
        if new.kind == IDENTITY:
            return self._identify(fact, names), True
        hits = [each for each in self._of(names, fact.time - self._age) if after_close.is_late(new, each.closed)]
        amendments = [made for each in hits if (made := self._amend(each, fact)) is not None]
        return amendments, not hits

    def _identify(self, fact: Fact, names: Collection[str]) -> list[Amendment]:
        """Who an address is turns out to be after the close: one amendment, of the latest that closed under it."""
        closed = [each for each in self._of(names, fact.time - self._age) if each.closed.instant < fact.time]
        if not closed:
            return []
        if self._told is None:
            self._told = {digest for each in self._closed.values() for digest in each.told()}
        if fact_digest(fact) in self._told:
            return []
        latest = max(closed, key=lambda each: (each.closed.instant, each.closed.interaction_id))
        made = self._amend(latest, fact)
        return [] if made is None else [made]

    def _amend(self, one: _Remembered, fact: Fact) -> Amendment | None:
        digest = fact_digest(fact)
        if fact.verb in after_close.SILENT or one.knows(digest) or one.amended >= after_close.MOST_AMENDMENTS:
            return None
        self._weight += 8
        if self._told is not None:
            self._told.add(digest)
        return after_close.amendment(fact, one.closed, one.amend(digest))

    def _of(self, names: Collection[str], oldest: Micros) -> Iterator[_Remembered]:
        """Those that one of the names is of and that are not forgotten, oldest first."""
        if not self._closed:
            return
        numbers = {number for name in names for number in self._by_name.get(name, ())}
        for number in sorted(numbers):
            if self._closed[number].closed.instant >= oldest:
                yield self._closed[number]

    def of(self, name: str, time: Micros) -> Closed | None:
        """The one that has a media item of a name, the latest, if it was remembered at a time."""
        for number in reversed(self._by_name.get(name, ())):
            if self._closed[number].closed.instant >= time - self._age:
                return self._closed[number].closed
        return None

    def latest(self, names: Collection[str], oldest: Micros) -> Iterator[Closed]:
        """Those that one of the names is of and that are not forgotten, latest first."""
        yield from (each.closed for each in reversed(list(self._of(names, oldest))))

    def parents_key(self, entity: Entity) -> PartyKey | None:
        """Under which key what an entity names as its parent has closed."""
        closed = None if entity.parent is None else self.of(entity.parent, entity.started_at)
        return None if closed is None else closed.key


def remembered(closed: list[Closed]) -> list[Closed]:
    """Of so many, oldest first, the latest that may be remembered."""
    if len(closed) <= MOST_CLOSED and sum(one.weight for one in closed) <= MOST_WEIGHT:
        return closed
    held = list(accumulate(one.weight for one in reversed(closed)))
    return closed[-max(1, min(MOST_CLOSED, bisect_right(held, MOST_WEIGHT))) :]
