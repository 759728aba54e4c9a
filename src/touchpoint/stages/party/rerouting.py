"""What leaves a party because it is another's: addresses identified, parties merged, late claims.

An address's mapping lives in the state of its own key, where whatever has only the address arrives first. What arrived
somewhere first always arrives there first: it is sent after the rest if that moved on, and is late if that was closed.
Whoever sends things on sends along what is known of identity, so that nobody who has them next knows less.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import accumulate, islice

import msgspec

from touchpoint.events.fields import MAX_ADDRESS, MAX_ID
from touchpoint.stages.messages import MOST_HOPS, PartyMessage
from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.names import activity_name, activity_of, item_name, item_of
from touchpoint.stitching.interactions.party_facts import Closed, PartyFacts, PartyKey
from touchpoint.stitching.interactions.walk import REMEMBERED
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.claims import Claim, claim
from touchpoint.stitching.ownership.identities import Identity
from touchpoint.stitching.ownership.parents import parent_of

MOST_MOVED = 1_000
MOST_MOVED_BYTES = 1024 * 1024

_To = Callable[[PartyKey], PartyMessage]


class Destination(msgspec.Struct, array_like=True, frozen=True):
    """Where something went, and when it began as far as was known then."""

    party: PartyKey
    start: Micros
    kept_until: Micros = 0  # of a backfill: known at least until then, however long ago it began


LARGEST_WAY = 4 * (2 * MAX_ID + MAX_ADDRESS) + 100
"""Bytes: of a name, a tenant and an address or id."""


def _size(name: str, way: Destination) -> int:
    texts = (name, way.party.tenant, way.party.value)
    return 30 + sum(len(text) if text.isascii() else 4 * len(text) for text in texts)


class Rerouting(msgspec.Struct, array_like=True):
    """Where the things of one key went."""

    moved: dict[str, Destination] = {}  # by the name of an item or activity; the latest MOST_MOVED
    into: PartyKey | None = None  # where everything goes, once the party was merged

    def forget(self, watermark: Micros, limits: Limits) -> None:
        """The ways that nothing can take any more: an age after it began it was over, after another it is forgotten."""
        oldest = watermark - 2 * limits.interaction_age
        for name, way in list(self.moved.items()):
            if way.start > oldest:
                continue
            if not way.kept_until:
                self.moved[name] = msgspec.structs.replace(way, kept_until=watermark + REMEMBERED)
            elif way.kept_until < watermark:
                del self.moved[name]

    def shed(self) -> bool:
        """Keep the latest ways of too many; whether there were too many."""
        before = len(self.moved)
        if before * LARGEST_WAY > MOST_MOVED_BYTES:
            held = accumulate(_size(name, way) for name, way in reversed(self.moved.items()))
            kept = min(MOST_MOVED, sum(1 for size in held if size <= MOST_MOVED_BYTES))
            self.moved = dict(list(self.moved.items())[before - kept :])
        return len(self.moved) < before

    def due(self, limits: Limits) -> Micros | None:
        """When all ways can be forgotten."""
        return max((max(w.start + 2 * limits.interaction_age, w.kept_until) for w in self.moved.values()), default=None)

    def split(
        self,
        key: PartyKey,
        facts: PartyFacts,
        touches: Collection[PartyMessage],
        known: Collection[Fact],
        limits: Limits,
    ) -> tuple[PartyFacts, list[PartyMessage]]:
        """(what stays, what leaves) of a party's facts, after some touches; `known`: its identity facts before them."""
        # progress is kept by hop up to the last: what went further could arrive behind the watermark and be late
        hop = max(each.hop for each in touches)
        if hop >= MOST_HOPS:
            return facts, []
        leaving: dict[PartyKey, PartyMessage] = {}

        def to(party: PartyKey) -> PartyMessage:
            return leaving.setdefault(party, PartyMessage(party, hop + 1, PartyFacts(identity=facts.identity)))

        if not facts.identity:
            return self._move_some(key, facts, touches, None, to), list(leaving.values())
        identity = Identity(facts.identity)
        if key.kind == "id" and identity.root(key.value) != key.value:
            # the first target stays: what was sent there is there, and its key sends on in turn if it was merged too
            self.into = self.into or PartyKey(key.tenant, "id", identity.root(key.value))
            stays = self._move_all(to(self.into), facts, touches)
        else:
            self.into = None
            stays = self._move_some(key, facts, touches, _OwnerResolver(key, facts.identity, identity, limits), to)
        # race: an item may reach the address before the identification and the party after it. Whoever has something of
        # the address is told each news, so that the order of the two does not matter (test_stages_agree_with_stitch)
        if facts.identity != known:
            before = {(fact.source, fact.id) for fact in known}
            news = [fact for fact in facts.identity if (fact.source, fact.id) not in before]
            remembered = stays.closed
            stays.closed = self._notify(key, remembered, news, identity, to)
            if len(stays.closed) < len(remembered):  # what came too late for them follows them
                stays = self._divide(stays, set(), to)
        return stays, list(leaving.values())

    def _move_all(self, into: PartyMessage, facts: PartyFacts, touches: Collection[PartyMessage]) -> PartyFacts:
        """A party that was merged keeps only the way to the other."""
        leaving = into.facts
        leaving.items, leaving.controls, leaving.activities = facts.items, facts.controls, facts.activities
        leaving.closed, leaving.parents = facts.closed, facts.parents
        for each in touches:
            into.gone.extend(each.gone)
            into.asks.extend(each.asks)
            into.rekey.update(each.rekey)
        return PartyFacts(identity=facts.identity)

    def _move_some(
        self, key: PartyKey, facts: PartyFacts, touches: Iterable[PartyMessage], whose: _OwnerResolver | None, to: _To
    ) -> PartyFacts:
        """Items that say later whose they are, and those of an address that is identified."""
        closed = {name for each in facts.closed for name in each.names}
        for each in touches:
            self._forward_later(each, key, facts, closed, to)
        before = set(self.moved)
        if whose is not None and whose.may_differ:
            for name, its in _named(facts):
                if name in self.moved:
                    self._move_along(name, its)
                elif name not in closed:
                    self._move(whose.of(name, its, self.moved), name, its)
        # race: the address that sent it here may still send later facts here, or send it on once more by an older word
        if key.kind == "id":
            for name in self.moved.keys() - before:
                to(self.moved[name].party).rekey[name] = self.moved[name].party  # should it have come from there
        return self._divide(facts, closed, to) if self.moved else facts

    def _forward_later(self, each: PartyMessage, key: PartyKey, facts: PartyFacts, closed: set[str], to: _To) -> None:
        """What concerns an item that has moved goes after it."""
        for name in each.gone:
            if name in self.moved:
                to(self.moved.pop(name).party).gone.append(name)
        for name, party in each.rekey.items():
            way = self.moved.get(name)
            if party.kind == "anon" and (way.party if way else key).kind != "anon":
                continue  # an old word, spoken again after a crash: it is known by now whose it is
            if party == key:
                self.moved.pop(name, None)  # it comes back
            elif way is not None:
                if way.party != party:
                    to(way.party).rekey[name] = party
            elif (its := _facts_of(name, facts)) is not None and name not in closed:
                self._move(party, name, its)
        for ask in each.asks:
            if (way := self.moved.get(item_name(ask.item))) is not None:
                to(way.party).asks.append(ask)

    def _divide(self, facts: PartyFacts, closed: set[str], to: _To) -> PartyFacts:
        stays = PartyFacts(identity=facts.identity, closed=facts.closed, parents=facts.parents)
        for reference in list(facts.parents):
            if (way := self.moved.get(item_name(reference.partition("\0")[0]))) is not None:
                to(way.party).facts.parents[reference] = facts.parents.pop(reference)
        for item, its in facts.items.items():
            self._place(item_name(item), closed, stays, to).items[item] = its
        for item, its in facts.controls.items():
            self._place(item_name(item), closed, stays, to).controls[item] = its
        for activity, its in facts.activities.items():
            self._place(activity_name(activity), closed, stays, to).activities[activity] = its
        return stays

    def _place(self, name: str, closed: set[str], stays: PartyFacts, to: _To) -> PartyFacts:
        way = self.moved.get(name) if name not in closed else None
        if way is None:
            return stays
        return to(way.party).facts

    def _notify(
        self, key: PartyKey, closed: list[Closed], news: Collection[Fact], identity: Identity, to: _To
    ) -> list[Closed]:
        """Whom something new of identity concerns is told; the first takes over what is remembered of an address."""
        for party in filter(None, (_concerned(key, fact) for fact in news)):
            away = to(party).facts
            if key.kind == "address":
                for each in closed:
                    for name in each.names:
                        self._move(party, name, (), each.instant)
                away.closed, closed = [*away.closed, *closed], []
        for way in self.moved.values():
            if key.kind == "id" or identity.party_of(key.value, way.start) != way.party.value:
                to(way.party)
        return closed

    def _move(self, party: PartyKey | None, name: str, its: Collection[Fact], start: Micros = 0) -> None:
        """Once something went to a party, the rest of it goes there too."""
        if party is not None:
            way = Destination(party, min((fact.time for fact in its), default=start))
            if name not in self.moved:
                for oldest in list(islice(self.moved, max(0, len(self.moved) + 1 - MOST_MOVED))):
                    del self.moved[oldest]
            self.moved[name] = way
            self._move_along(name, its)

    def _move_along(self, name: str, its: Collection[Fact]) -> None:
        """What is about one of its aliases goes there too."""
        if item_of(name) is not None:
            subjects = dict.fromkeys(item_name(fact.subject) for fact in its)
            self.moved |= {other: self.moved[name] for other in subjects if other not in self.moved}


class _OwnerResolver:
    """Whose things are that have an address, as far as is known now."""

    def __init__(self, key: PartyKey, facts: Collection[Fact], identity: Identity, limits: Limits) -> None:
        self._key, self._identity, self._limits = key, identity, limits
        others = (f for f in facts if f.verb == "identified" and identity.root(f.data["id"]) != key.value)
        self.may_differ = key.kind in ("address", "id") and any(True for _ in others)

    def of(self, name: str, its: Collection[Fact], moved: dict[str, Destination]) -> PartyKey | None:
        """The other party whose it is; None: it stays. What has no party of its own follows what it is about."""
        who = self._claim(name, its)
        if who.id is not None:
            return None
        if who.address is None:
            leader = self._leader(name, its)
            return moved[leader].party if leader in moved else None
        if self._key.kind == "address" and who.address != self._key.value:
            return None
        party = self._identity.party_of(who.address, min(fact.time for fact in its))
        if party is None or (self._key.kind == "id" and self._identity.root(party) == self._key.value):
            return None
        return PartyKey(self._key.tenant, "id", party)

    def _claim(self, name: str, its: Collection[Fact]) -> Claim:
        item = item_of(name)
        return claim(its if item is None else [f for f in its if f.subject == item], self._limits)

    def _leader(self, name: str, its: Collection[Fact]) -> str | None:
        """The name of the item that it is about, or that an item refers to."""
        item = item_of(name)
        if item is None:
            named = next((f.data.get("media_item") or f.subject for f in its), None)
        else:
            named = parent_of(item, its)
        return None if named is None else item_name(named)


def _concerned(key: PartyKey, fact: Fact) -> PartyKey | None:
    """Whom the key of an address or of a merged party has to tell of a new fact."""
    if key.kind == "address" and fact.verb == "identified" and fact.subject == key.value:
        return PartyKey(key.tenant, "id", fact.data["id"])
    if key.kind == "id" and fact.verb == "merged" and fact.data["from"] == key.value != fact.data["into"]:
        return PartyKey(key.tenant, "id", fact.data["into"])
    return None


def _named(facts: PartyFacts) -> Iterator[tuple[str, Collection[Fact]]]:
    """Items first: others follow them."""
    yield from ((item_name(item), its) for item, its in facts.items.items())
    yield from ((activity_name(activity), its) for activity, its in facts.activities.items())


def _facts_of(name: str, facts: PartyFacts) -> Collection[Fact] | None:
    """The facts of an open item or activity; None: it is not open."""
    item, activity = item_of(name), activity_of(name)
    if item is not None:
        return facts.items.get(item)
    return None if activity is None else facts.activities.get(activity)
