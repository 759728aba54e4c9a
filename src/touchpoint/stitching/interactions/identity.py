"""Whose an item is, as of an instant: addresses identified, parties merged (stitching.md, 3, party key)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import ordered


class Claim(NamedTuple):
    """What an item's own events say of its party."""

    id: str | None = None
    address: str | None = None
    name: str | None = None


class Known(NamedTuple):
    """One identification: from `time` on, an address is party `id`."""

    time: Micros
    id: str
    account: str | None
    name: str | None


NOBODY = Claim()


def claim(facts: Collection[Fact], limits: Limits) -> Claim:
    """First id, address and name in fact order; the organisation's own addresses are nobody's."""
    carriers = [fact for fact in facts if "party" in fact.data]
    if not carriers:
        return NOBODY
    party_id = address = name = None
    for fact in carriers if len(carriers) == 1 else ordered(carriers):
        party = fact.data["party"]
        party_id = party_id or party.get("id")
        name = name or party.get("name")
        own = party.get("address")
        if address is None and own is not None and own not in limits.own_addresses:
            address = own
    return Claim(party_id, address, name)


def identification(fact: Fact, limits: Limits) -> Fact | None:
    """An event with both id and address identifies that address: the party.identified that it implies.

    Not one that many share, such as a switchboard: who one of them was says nothing of the next.
    """
    party = fact.data.get("party")
    if party is None or fact.kind == "party":
        return None
    party_id, address = party.get("id"), party.get("address")
    if party_id is None or address is None or address in limits.own_addresses | limits.unstitched_addresses:
        return None
    known = {key: value for key, value in party.items() if key != "address"}
    return Fact(fact.time, "party", "identified", fact.source, fact.id, address, fact.tenant, data=known)


def _order(fact: Fact) -> tuple[Micros, str, str, str, str]:
    """By time; by content in the end, since two items may have used one id for what is not the same."""
    return (fact.time, fact.source, fact.id, fact.subject, repr(fact.data))


class Identity:
    """The identifications and merges of some party.* facts."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._known: dict[str, list[Known]] = {}
        self._into: dict[str, str] = {}
        for fact in sorted(facts, key=_order):
            if fact.verb == "identified":
                data = fact.data
                known = Known(fact.time, data["id"], data.get("account"), data.get("name"))
                self._known.setdefault(fact.subject, []).append(known)
            elif fact.verb == "merged":
                self._merge(fact.data["from"], fact.data["into"])

    def _merge(self, source: str, into: str) -> None:
        """A party merged into one that leads back to it adds nothing: the cycle is already one party."""
        if self.root(into) != self.root(source):
            self._into[self.root(source)] = self.root(into)

    def root(self, party_id: str) -> str:
        """The party that `party_id` was merged into, and so on."""
        while party_id in self._into:
            party_id = self._into[party_id]
        return party_id

    def party_of(self, address: str, start: Micros) -> str | None:
        """Whom an address stood for at `start`, else the first that it was identified as later."""
        at_start = later = None
        for known in self._known.get(address, ()):
            if known.time <= start:
                at_start = known.id
            elif later is None:
                later = known.id
        return at_start or later

    def latest(self, party_id: str) -> Known | None:
        """The last account and name told of a party or of those merged into it."""
        account = name = None
        last: Known | None = None
        every = (known for knowns in self._known.values() for known in knowns if self.root(known.id) == party_id)
        for known in sorted(every, key=lambda k: k.time):
            account, name, last = known.account or account, known.name or name, known
        return None if last is None else Known(last.time, party_id, account, name)


def telling(facts: Iterable[Fact]) -> list[Fact]:
    """Identifications and merges without those that say what was known: every call of a known party repeats it."""
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
