"""Whose an item is, as of an instant: addresses identified, parties merged (stitching.md, 3, party key)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from typing import Any, NamedTuple

from touchpoint.stitching.facts import Fact, Micros


class Known(NamedTuple):
    """One identification: from `time` on, an address is party `id`."""

    time: Micros
    id: str
    account: str | None
    name: str | None


def _order(fact: Fact) -> tuple[Micros, str, str, str, str]:
    """By time; by content in the end, since two items may have used one id for what is not the same."""
    return (fact.time, fact.source, fact.id, fact.subject, repr(fact.data))


class _Latest(NamedTuple):
    """The last account and name told of one party; the order of each decides between parties that are merged."""

    at: tuple[Micros, int]
    account: str | None
    account_at: tuple[Micros, int]
    name: str | None
    name_at: tuple[Micros, int]


class Identity:
    """The identifications and merges of some party.* facts.

    Facts are added in order of time, and the last additions can be taken back, so that a walk need not start anew
    with each. A question costs the logarithm of what was told.
    """

    def __init__(self, facts: Collection[Fact] = ()) -> None:
        self._known: dict[str, tuple[int, list[Known]]] = {}  # by address: the how manyth that was told of, and what
        self._union: dict[str, str] = {}  # a forest of merged parties: the larger set takes the smaller
        self._sizes: dict[str, int] = {}
        self._labels: dict[str, str] = {}  # by set: the party that stands for it
        self._latest: dict[str, _Latest] = {}  # by set
        self._undo: list[tuple[dict[str, Any], str, object]] = []  # what each change has replaced
        self.add(facts)

    def add(self, facts: Collection[Fact]) -> None:
        """Take facts none of which is earlier than what was told before."""
        for fact in sorted(facts, key=_order) if len(facts) > 1 else facts:
            if fact.verb == "identified":
                self._identify(fact)
            elif fact.verb == "merged":
                self._merge(fact.data["from"], fact.data["into"])

    def mark(self) -> int:
        """A point to roll back to."""
        return len(self._undo)

    def roll_back(self, mark: int) -> None:
        """Forget what was added since."""
        while len(self._undo) > mark:
            mapping, key, before = self._undo.pop()
            if mapping is self._known and before is not None:
                self._known[key][1].pop()
            elif before is None:
                del mapping[key]
            else:
                mapping[key] = before

    def _set(self, mapping: dict[str, Any], key: str, value: object) -> None:
        """Assign, so that it can be undone."""
        self._undo.append((mapping, key, mapping.get(key)))
        mapping[key] = value

    def _identify(self, fact: Fact) -> None:
        data = fact.data
        known = Known(fact.time, data["id"], data.get("account"), data.get("name"))
        before = self._known.get(fact.subject)
        self._undo.append((self._known, fact.subject, before))
        if before is None:
            place = len(self._known)
            self._known[fact.subject] = place, [known]
        else:
            place, told = before
            told.append(known)
        at = (fact.time, place)
        party = self._find(known.id)
        new = _Latest(at, known.account, at, known.name, at)
        self._set(self._latest, party, _later(self._latest.get(party), new))

    def _merge(self, source: str, into: str) -> None:
        """A party merged into one that leads back to it adds nothing: the cycle is already one party."""
        one, other = self._find(source), self._find(into)
        if one == other:
            return
        label = self._labels.get(other, other)
        sizes = self._sizes.get(one, 1), self._sizes.get(other, 1)
        small, large = (one, other) if sizes[0] <= sizes[1] else (other, one)
        latest = _later(self._latest.get(small), self._latest.get(large))
        self._set(self._union, small, large)
        self._set(self._sizes, large, sum(sizes))
        self._set(self._labels, large, label)
        if latest is not None:
            self._set(self._latest, large, latest)

    def _find(self, party_id: str) -> str:
        union = self._union
        while party_id in union:
            party_id = union[party_id]
        return party_id

    def root(self, party_id: str) -> str:
        """The party that `party_id` was merged into, and so on."""
        if party_id not in self._union and party_id not in self._labels:
            return party_id
        found = self._find(party_id)
        return self._labels.get(found, found)

    def knows(self, address: str) -> bool:
        """Whether anything was told of an address."""
        return address in self._known

    def party_of(self, address: str, start: Micros) -> str | None:
        """Whom an address stood for at `start`, else the first that it was identified as later."""
        if address not in self._known:
            return None
        _, told = self._known[address]
        return told[max(0, bisect_right(told, start, key=_time) - 1)].id

    def latest(self, party_id: str) -> Known | None:
        """The last account and name told of a party or of those merged into it."""
        found = self._find(party_id)
        if self._labels.get(found, found) != party_id or (last := self._latest.get(found)) is None:
            return None
        return Known(last.at[0], party_id, last.account, last.name)


def _later(one: _Latest | None, other: _Latest | None) -> Any:
    """The last of each that was told; of the same instant the other's."""
    if one is None or other is None:
        return one or other
    account = other if other.account and (not one.account or other.account_at >= one.account_at) else one
    name = other if other.name and (not one.name or other.name_at >= one.name_at) else one
    return _Latest(max(one.at, other.at), account.account, account.account_at, name.name, name.name_at)


def _time(known: Known) -> Micros:
    return known.time


def new_identifications(facts: Collection[Fact]) -> list[Fact]:
    """Identifications and merges without those that say what was known: every call of a known party repeats it."""
    if len(facts) < 2:  # hot path
        return list(facts)
    kept: list[Fact] = []
    known: dict[str, tuple[str | None, ...]] = {}
    for fact in sorted(facts, key=_order):
        data = fact.data
        says: tuple[str | None, ...]
        if fact.verb == "merged":
            about, says = f"merged {data['from']}", (data["into"],)
        else:
            about = f"identified {fact.subject}"
            before = known.get(about)
            same = before if before is not None and before[0] == data["id"] else (None, None, None)
            says = (data["id"], data.get("account") or same[1], data.get("name") or same[2])
        if known.get(about) != says:
            known[about] = says
            kept.append(fact)
    return kept
