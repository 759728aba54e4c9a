"""What leaves a party because it is another's: addresses identified, parties merged (stitching.md, 3).

An address's mapping lives in the state of its own key, where whatever has only the address arrives first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import msgspec

from touchpoint.stitching.facts import Fact, FactKey
from touchpoint.stitching.interactions.identity import Identity
from touchpoint.stitching.interactions.model import PartyFacts, PartyKey

MOST_HOPS = 8
MOST_MOVED = 1_000


class Leaving(msgspec.Struct):
    """Facts on their way to another party."""

    key: PartyKey
    facts: PartyFacts
    gone: list[str]  # media items that turned out to be nobody's there


_To = Callable[[str], Leaving]


class Directory(msgspec.Struct, array_like=True):
    """Where the things of one key went."""

    moved: dict[str, str] = {}  # media item or activity -> party id; the latest MOST_MOVED
    told: list[FactKey] = []  # identifications that their party knows of

    def part(
        self, key: PartyKey, facts: PartyFacts, gone: Collection[str], hop: int
    ) -> tuple[PartyFacts, list[Leaving]]:
        """(what stays, what leaves) of a party's facts; `gone` follows what left before."""
        if not facts.identity or hop >= MOST_HOPS:
            return facts, []
        identity = Identity(facts.identity)
        stays = PartyFacts(identity=facts.identity)
        if key.kind == "id":
            into = identity.root(key.value)
            if into == key.value:
                return facts, []
            return stays, [Leaving(PartyKey(key.tenant, "id", into), facts, list(gone))]
        if key.kind == "address":
            return stays, list(self._by_party(key, facts, identity, gone))
        return facts, []

    def _by_party(
        self, key: PartyKey, facts: PartyFacts, identity: Identity, gone: Collection[str]
    ) -> Iterator[Leaving]:
        leaving: dict[str, Leaving] = {}

        def to(party: str) -> Leaving:
            return leaving.setdefault(party, Leaving(PartyKey(key.tenant, "id", party), PartyFacts(), []))

        for item in gone:
            if item in self.moved:
                to(self.moved.pop(item)).gone.append(item)
        for item in {**facts.items, **facts.controls}:
            its = facts.items.get(item, [])
            away = to(self._party_of(item, key, its, identity)).facts
            away.items |= {item: its} if its else {}
            away.controls |= {item: facts.controls[item]} if item in facts.controls else {}
        for activity, its in facts.activities.items():
            to(self._party_of(f"activity:{activity}", key, its, identity)).facts.activities[activity] = its
        self._tell(facts, to)
        for each in leaving.values():
            each.facts.identity = facts.identity
            each.facts.parents = facts.parents
            yield each

    def _tell(self, facts: PartyFacts, to: _To) -> None:
        """A party is told of a new identification, and takes over what is remembered of the address."""
        for fact in facts.identity:
            if (fact.source, fact.id) not in self.told:
                self.told = [*self.told, (fact.source, fact.id)]
                to(fact.data["id"]).facts.closed = facts.closed

    def _party_of(self, name: str, key: PartyKey, facts: list[Fact], identity: Identity) -> str:
        """Once something went to a party, the rest of it goes there too."""
        known = self.moved.get(name)
        if known is None:
            known = identity.party_of(key.value, min((fact.time for fact in facts), default=0))
            assert known is not None, "an address with an identification is somebody's"
            self.moved = {**dict(list(self.moved.items())[1 - MOST_MOVED :]), name: known}
        return known
