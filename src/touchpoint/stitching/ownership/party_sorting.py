"""Facts sorted by the party that they concern (stitching.md, 3): what both `stitch` and the stages do with a fact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.claims import claim, claimed_key, identifications
from touchpoint.stitching.ownership.identities import new_identifications
from touchpoint.stitching.ownership.parents import parent_of, resolve_by_parent

ItemKey = tuple[str, str]
"""(tenant, media item id)"""


def place(item: str, facts: Iterable[Fact]) -> PartyFacts:
    """Facts of one media item, with its controls and activities, each in its place."""
    placed = PartyFacts(items={}, controls={}, activities={})
    for fact in facts:
        if fact.kind == "interaction":
            placed.controls.setdefault(item, []).append(fact)
        elif fact.kind == "activity":
            placed.activities.setdefault(fact.data["activity"], []).append(fact)
        else:
            placed.items.setdefault(item, []).append(fact)
    return placed


class Parties:
    """Sorts items and activities into the parties between which identity may move them."""

    def __init__(
        self,
        items: Mapping[ItemKey, list[Fact]],
        controls: Mapping[ItemKey, list[Fact]],
        activities: Mapping[ItemKey, list[Fact]],
        identity: list[Fact],
        limits: Limits,
        root_of: Callable[[str, str], str],
    ) -> None:
        self._items, self._controls, self._activities = items, controls, activities
        self._limits, self._root_of = limits, root_of
        self._claims = {key: claim([f for f in facts if f.subject == key[1]], limits) for key, facts in items.items()}
        self._identity = identity + [known for facts in self._speakers() for known in identifications(facts, limits)]
        self._followed: dict[ItemKey, PartyKey | None] = {}
        self._homes = {key: self._home(key) for key in items}
        self._activity_homes = {key: self._activity_home(key, facts) for key, facts in activities.items()}
        self._into: dict[PartyKey, PartyKey] = {}
        self._join()

    def _speakers(self) -> Iterator[list[Fact]]:
        yield from self._items.values()
        yield from self._activities.values()

    def all(self) -> list[PartyFacts]:
        """The facts of each party; a party is of one tenant."""
        parties: dict[PartyKey, PartyFacts] = {}

        def at(key: PartyKey) -> PartyFacts:
            key = self._cluster(key)
            if key not in parties:
                parties[key] = PartyFacts(items={}, controls={}, activities={}, identity=[])
            return parties[key]

        for key, home in self._homes.items():
            at(home).items[key[1]] = self._items[key]
        for key, home in self._activity_homes.items():
            at(home).activities[key[1]] = self._activities[key]
        for key, facts in self._controls.items():
            at(self._homes.get(key, PartyKey(key[0], "anon", key[1]))).controls[key[1]] = facts
        self._identify(parties)
        return list(parties.values())

    def _identify(self, parties: dict[PartyKey, PartyFacts]) -> None:
        for fact in self._identity:
            for key in {self._cluster(key) for key in _spoken_of(fact)}:
                if key in parties:
                    parties[key].identity.append(fact)
        for party in parties.values():
            party.identity = new_identifications(party.identity)

    def _home(self, key: ItemKey) -> PartyKey:
        """The key that an item's own events give, else its parent's, else its own."""
        return resolve_by_parent(
            key, self._claimed, self._parent, lambda one: PartyKey(one[0], "anon", one[1]), self._followed
        )

    def _claimed(self, key: ItemKey) -> PartyKey | None:
        return claimed_key(key[0], self._claims[key])

    def _parent(self, key: ItemKey) -> ItemKey | None:
        named = parent_of(key[1], self._items[key])
        parent = (key[0], self._root_of(key[0], named)) if named is not None else None
        return parent if parent in self._items else None

    def _activity_home(self, key: ItemKey, facts: list[Fact]) -> PartyKey:
        own = claimed_key(key[0], claim(facts, self._limits))
        if own is not None:
            return own
        named = {self._root_of(key[0], f.data.get("media_item") or f.subject) for f in facts}
        homes = [self._homes[key[0], item] for item in sorted(named) if (key[0], item) in self._homes]
        return homes[0] if homes else PartyKey(key[0], "anon", key[1])

    def _join(self) -> None:
        """Whatever identity may move between two keys has to be looked at together."""
        used = {*self._homes.values(), *self._activity_homes.values()}
        for fact in self._identity:
            keys = _spoken_of(fact)
            if keys and (fact.verb == "merged" or keys[0] in used):
                first, second = (self._cluster(key) for key in keys)
                if first != second:
                    self._into[first] = second

    def _cluster(self, key: PartyKey) -> PartyKey:
        """What stands for all keys that were joined with this one; the way there is shortened for the next."""
        into = self._into
        while (following := into.get(key)) is not None:
            into[key] = key = into.get(following, following)
        return key


def _spoken_of(fact: Fact) -> tuple[PartyKey, ...]:
    """The two keys that an identification or a merge connects."""
    if fact.verb == "identified":
        return PartyKey(fact.tenant, "address", fact.subject), PartyKey(fact.tenant, "id", fact.data["id"])
    if fact.verb == "merged":
        return PartyKey(fact.tenant, "id", fact.data["from"]), PartyKey(fact.tenant, "id", fact.data["into"])
    return ()
