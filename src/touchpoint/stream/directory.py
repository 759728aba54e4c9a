"""What leaves a party because it is another's: addresses identified, parties merged, late claims.

An address's mapping lives in the state of its own key, where whatever has only the address arrives first. What arrived
somewhere first always arrives there first: it is sent after the rest if that moved on, and is late if that was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from touchpoint.stitching.facts import Fact, FactKey
from touchpoint.stitching.interactions.identity import Identity
from touchpoint.stitching.interactions.model import Closed, PartyFacts, PartyKey
from touchpoint.stream.touches import Touch

MOST_HOPS = 8
MOST_MOVED = 1_000

_To = Callable[[PartyKey], Touch]


class Directory(msgspec.Struct, array_like=True):
    """Where the things of one key went."""

    moved: dict[str, PartyKey] = {}  # media item, or "activity:" and its id; the latest MOST_MOVED
    told: list[FactKey] = []  # identifications that their party knows of

    def remember(self, identity: Collection[Fact]) -> None:
        """Only what is still known needs to be known as told."""
        known = {(fact.source, fact.id) for fact in identity}
        self.told = [key for key in self.told if key in known]

    def part(self, key: PartyKey, facts: PartyFacts, touches: Collection[Touch]) -> tuple[PartyFacts, list[Touch]]:
        """(what stays, what leaves) of a party's facts, after some touches."""
        hop = max(each.hop for each in touches)
        if hop >= MOST_HOPS:
            return facts, []
        leaving: dict[PartyKey, Touch] = {}

        def to(party: PartyKey) -> Touch:
            return leaving.setdefault(party, Touch(party, hop + 1, PartyFacts()))

        identity = Identity(facts.identity)
        if key.kind == "id" and identity.root(key.value) != key.value:
            into = to(PartyKey(key.tenant, "id", identity.root(key.value)))
            stays = self._all(into, facts, touches)
        else:
            stays = self._some(key, facts, touches, identity, to)
        return stays, list(leaving.values())

    def _all(self, into: Touch, facts: PartyFacts, touches: Collection[Touch]) -> PartyFacts:
        """A party that was merged keeps only the way to the other."""
        leaving = into.facts
        leaving.items, leaving.controls, leaving.activities = facts.items, facts.controls, facts.activities
        leaving.identity, leaving.closed, leaving.parents = facts.identity, facts.closed, facts.parents
        for each in touches:
            into.gone.extend(each.gone)
            into.asks.extend(each.asks)
            into.rekey.update(each.rekey)
        return PartyFacts(identity=facts.identity)

    def _some(
        self, key: PartyKey, facts: PartyFacts, touches: Iterable[Touch], identity: Identity, to: _To
    ) -> PartyFacts:
        """Items that say later whose they are, and those of an address that is identified."""
        closed = {name for each in facts.closed for name in each.names}
        for each in touches:
            self._follow(each, facts, closed, to)
        known = key.kind == "address" and bool(facts.identity)
        if known:
            for item in {**facts.items, **facts.controls}:
                self._identify(item, key, facts.items.get(item, ()), identity, closed)
            for activity, its in facts.activities.items():
                self._identify(f"activity:{activity}", key, its, identity, closed)
        stays = self._divide(facts, closed, to) if self.moved else facts
        if known:
            stays.closed = self._tell(key, facts, to)
        return stays

    def _follow(self, each: Touch, facts: PartyFacts, closed: set[str], to: _To) -> None:
        """What concerns an item that has moved goes after it."""
        for item in each.gone:
            if item in self.moved:
                to(self.moved.pop(item)).gone.append(item)
        for item, party in each.rekey.items():
            if item in self.moved:
                if self.moved[item] != party:
                    to(self.moved[item]).rekey[item] = party
            elif _is_open(item, facts) and item not in closed and party != each.key:
                self._move(item, party)
        for ask in each.asks:
            if ask.item in self.moved:
                to(self.moved[ask.item]).asks.append(ask)

    def _divide(self, facts: PartyFacts, closed: set[str], to: _To) -> PartyFacts:
        stays = PartyFacts(identity=facts.identity, closed=facts.closed, parents=facts.parents)
        for name in [name for name in facts.parents if name.partition("\0")[0] in self.moved]:
            to(self.moved[name.partition("\0")[0]]).facts.parents[name] = facts.parents.pop(name)
        for item, its in facts.items.items():
            self._place(item, closed, stays, to).items[item] = its
        for item, its in facts.controls.items():
            self._place(item, closed, stays, to).controls[item] = its
        for activity, its in facts.activities.items():
            self._place(f"activity:{activity}", closed, stays, to).activities[activity] = its
        return stays

    def _place(self, name: str, closed: set[str], stays: PartyFacts, to: _To) -> PartyFacts:
        party = self.moved.get(name) if name not in closed else None
        if party is None:
            return stays
        away = to(party).facts
        away.identity = stays.identity
        return away

    def _tell(self, key: PartyKey, facts: PartyFacts, to: _To) -> list[Closed]:
        """A party is told of a new identification, and takes over what is remembered of the address."""
        closed = facts.closed
        for fact in facts.identity:
            if fact.verb == "identified" and fact.subject == key.value and (fact.source, fact.id) not in self.told:
                self.told = [*self.told, (fact.source, fact.id)]
                away = to(PartyKey(key.tenant, "id", fact.data["id"])).facts
                away.identity, away.closed, closed = facts.identity, closed, []
        return closed

    def _identify(
        self, name: str, key: PartyKey, facts: Collection[Fact], identity: Identity, closed: Collection[str]
    ) -> None:
        if name in closed or name in self.moved:
            return
        party = identity.party_of(key.value, min((fact.time for fact in facts), default=0))
        if party is not None:
            self._move(name, PartyKey(key.tenant, "id", party))

    def _move(self, name: str, party: PartyKey) -> None:
        """Once something went to a party, the rest of it goes there too."""
        self.moved = {**dict(list(self.moved.items())[1 - MOST_MOVED :]), name: party}


def _is_open(name: str, facts: PartyFacts) -> bool:
    return name in facts.items or name.removeprefix("activity:") in facts.activities
