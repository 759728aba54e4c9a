"""One media item in the media agent: its facts, and the way that they take to its party.

What went somewhere first always goes there first; where it turns out to be another's, it is sent on from there,
or stays if it was closed there meanwhile. So a late identification never makes a second item of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from touchpoint.stages.messages import MOST_HOPS, ItemMessage, ParentQuery, PartyMessage, latest
from touchpoint.stages.protocol import Record
from touchpoint.stitching.facts import HOUR, UNREADABLE, Fact, Micros
from touchpoint.stitching.interactions.names import activity_of, item_name, item_of
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey, union
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import merge_facts
from touchpoint.stitching.ownership.aliases import Roots, alias_of
from touchpoint.stitching.ownership.claims import claim, claimed_key, identifications
from touchpoint.stitching.ownership.parents import parent_of, reference_times
from touchpoint.stitching.ownership.party_sorting import place
from touchpoint.stitching.verbs import ENDS

Sent = ItemMessage | PartyMessage | Fact
"""To another media item's partition, or to a party's; a fact by itself has been sent on too often, and goes nowhere."""

MOST_ASKED = 100
"""Questions about an item that are remembered, the latest: a mailing that everybody answers is asked for by each."""


class Dependent(msgspec.Struct, array_like=True):
    """An item or activity without a party of its own, that goes where the item goes which it names."""

    facts: list[Fact] = []
    route: PartyKey | None = None  # the party it went to first
    party: PartyKey | None = None  # whose it is now, as far as is known here
    own: PartyKey | None = None  # whose it says it is itself


class ItemState(msgspec.Struct, array_like=True):
    """An open media item."""

    facts: list[Fact] = []  # of its channel, its own and its aliases'
    controls: list[Fact] = []  # interaction.*
    route: PartyKey | None = None  # the party they went to first, and always go to first
    parent: str | None = None  # the media item through which they go, for want of a party
    party: PartyKey | None = None  # whose it is now
    root: str | None = None  # it is an alias of this
    dependents: dict[str, Dependent] = {}  # by name
    asks: list[ParentQuery] = []  # that wait for its party to be known
    last: Micros = 0
    stub: bool = False  # its facts are forgotten; only the way that they took is kept
    asked: list[ParentQuery] = []  # that were passed on; they are asked again if it turns out to be an alias


class Changes:
    """What a batch brought for one media item."""

    __slots__ = ("asks", "dependents", "facts", "hop", "records")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.dependents: list[ItemMessage] = []
        self.asks: list[ParentQuery] = []
        self.hop = 0
        self.records: list[Record] = []  # that brought it


class Item:
    """A media item at work: takes what a batch brought, says what is to be sent."""

    def __init__(self, tenant: str, item: str, state: ItemState, hop: int, limits: Limits) -> None:
        self._tenant, self._item, self.state, self._hop, self._limits = tenant, item, state, hop, limits
        self._alone = PartyKey(tenant, "anon", item)
        self._name = item_name(item)

    def take(self, changes: Changes) -> list[Sent]:
        """Add what is new and send it on. Nothing new, nothing sent."""
        state = self.state
        new = self._new(changes.facts)
        changed = self._add_dependents(changes.dependents)
        out: list[Sent] = []
        if new:
            out += self._send(new)
        out += self._forward_dependents(changed)
        out += self._forward_queries(changes.asks)
        times = [f.time for f in new] + [f.time for fs in changed.values() for f in fs] + [a.time for a in changes.asks]
        state.last = max(state.last, *times) if times else state.last
        return out

    @property
    def due(self) -> Micros:
        """When its facts are no longer needed here: an ended item's soon, another's when its age is reached."""
        state, limits = self.state, self._limits
        if state.stub:
            return state.last + limits.interaction_age
        if any(fact.verb in ENDS for fact in state.facts):
            return state.last + HOUR
        channel = limits.channels.get(state.facts[0].kind) if state.facts else None
        return state.last + HOUR + (channel.age if channel else limits.interaction_age)

    # --- its own facts ------------------------------------------------------------------------------------------

    def _new(self, facts: list[Fact]) -> list[Fact]:
        """Add facts to the item's; those that were new or changed something."""
        if not facts:
            return []
        state = self.state
        known = {(fact.source, fact.id): fact for fact in state.facts}
        before = dict(known)
        merge_facts(known, [fact for fact in facts if fact.kind != "interaction"], self._limits)
        state.facts = list(known.values())
        new = [fact for key, fact in known.items() if before.get(key) is not fact]
        controls = [fact for fact in facts if fact.kind == "interaction"]
        if controls:
            had = {(fact.source, fact.id): fact for fact in state.controls}
            state.controls = union(state.controls, controls)
            new += [fact for fact in state.controls if had.get((fact.source, fact.id)) != fact]
        return new

    def _send(self, new: list[Fact]) -> Iterator[Sent]:
        """New facts the way that the others took; all at first, to a root, and when it is none's alias."""
        state = self.state
        # a root may have none of the facts yet, however many batches ago this one had them: it is sent all of them, and
        # deduplicates; shown by test_messages_repeated_after_a_crash_have_the_same_content
        first = (state.route is None and state.parent is None) or state.root is not None
        if not state.stub:
            yield from self._resolve_route(new)
        if state.root is not None and self._hop < MOST_HOPS:
            yield ItemMessage(self._tenant, state.root, self._hop, [*state.facts, *state.controls])
            return
        if state.root is not None:  # its own facts are forgotten, so it can be no media item of its own
            yield from new
            return
        facts = [*state.facts, *state.controls] if first and not state.stub else new
        if state.parent is not None:
            yield ItemMessage(self._tenant, state.parent, self._hop, facts, self._name, state.party, state.route)
        elif state.route is not None:
            yield PartyMessage(
                state.route, 0, place(self._item, facts), rekey=_rekey(self._name, state.route, state.party)
            )
        else:
            return
        yield from self._send_identities_and_queries(facts)

    def _resolve_route(self, new: list[Fact]) -> Iterator[Sent]:
        """To its root if it is an alias; to its party; through its parent if it has none; else by itself."""
        state = self.state
        own = [fact for fact in state.facts if fact.subject == self._item and fact.verb != UNREADABLE]
        if not own:
            return  # only its aliases or others have spoken of it so far, or nothing could be read
        home = self._root(new)
        root = home if home != self._item and self._hop < MOST_HOPS else None
        if state.root is None:
            self._first_route([fact for fact in new if fact.subject == self._item], root)
        # before the facts go to the root: else the item would be open in two places, and close twice
        if root is not None and state.root is None:
            yield from self._withdraw()
        state.root = root
        if root is None:
            state.party = claimed_key(self._tenant, claim(own, self._limits)) or state.party

    def _root(self, new: list[Fact]) -> str:
        """What this is an alias of, or itself; looked up anew only where new facts may decide it otherwise."""
        state, limits = self.state, self._limits
        told = [fact.time for fact in state.facts if fact.verb == "alias"]
        if not told:
            return self._item
        # cost: each alias may take a fold of all facts before it (ownership/aliases.py), so not for every batch
        last = max(told)
        if all(fact.verb != "alias" and fact.time >= last for fact in new):
            return state.root or self._item
        return Roots(lambda item: alias_of(item, state.facts, limits)).of(self._item)

    def _first_route(self, own: list[Fact], root: str | None) -> None:
        """The first way, fact by fact as they came.

        After a crash they may come again in other batches, when some of it was sent already: it must go the same way.
        """
        state = self.state
        # race: were it decided by all facts of a batch, a crash after sending and before the changelog would let a
        # batch that falls otherwise choose another way, and the item would be in two parties; shown by
        # test_stages_agree_with_stitch.py
        for fact in own:
            if fact.kind == "interaction" or fact.verb == UNREADABLE:
                continue
            if fact.verb == "alias" and root is not None:
                return
            if state.party is None:
                state.party = claimed_key(self._tenant, claim([fact], self._limits))
            if state.parent is None and state.party is None and self._hop < MOST_HOPS:
                state.parent = parent_of(self._item, [fact])
            if state.parent is None and state.route is None:
                state.route = state.party or self._alone

    def _withdraw(self) -> Iterator[Sent]:
        """What turned out to be an alias is no media item where it went, and nobody there can tell of it."""
        self.state.asks, self.state.asked = [*self.state.asked, *self.state.asks], []
        if self.state.parent is not None:
            yield ItemMessage(
                self._tenant, self.state.parent, self._hop, [], self._name, None, self.state.route, gone=True
            )
        elif self.state.route is not None:
            yield PartyMessage(self.state.route, 0, PartyFacts(), [self._name])

    def _send_identities_and_queries(self, facts: list[Fact]) -> Iterator[Sent]:
        """What they say of addresses goes to the addresses; what they name of other items is asked there; both once."""
        says, names = identifications(facts, self._limits), reference_times(facts)
        if not says and not names:
            return
        new = {(fact.source, fact.id) for fact in facts}
        before = [fact for fact in self.state.facts if (fact.source, fact.id) not in new]
        said, asked = _first_said(identifications(before, self._limits)), reference_times(before)
        for known in says:
            if said.get(_content(known), known.time + 1) > known.time:
                yield PartyMessage(PartyKey(self._tenant, "address", known.subject), 0, PartyFacts(identity=[known]))
        for named, time in names.items():
            if named != self._item and not asked.get(named, time + 1) <= time:
                asker = self.state.route or self.state.party or self._alone
                yield ItemMessage(self._tenant, named, 0, [], ask=ParentQuery(named, time, self._item, asker, named))

    # --- those that travel with it ------------------------------------------------------------------------------

    def _add_dependents(self, messages: list[ItemMessage]) -> dict[str, list[Fact]]:
        """Take dependents' facts; those that are new, for each that anything is new of."""
        changed: dict[str, list[Fact]] = {}
        brought: dict[str, list[Fact]] = {}
        for message in messages:
            name = message.dependent or ""
            if message.gone:
                changed.setdefault(name, [])
                alias = self.state.dependents.setdefault(name, Dependent())
                alias.own, alias.route = GONE, alias.route or message.route
                continue
            dependent = self.state.dependents.setdefault(name, Dependent())
            brought.setdefault(name, []).extend(message.facts)
            dependent.route = dependent.route or message.route
            if message.party is not None and message.party != dependent.own:
                changed.setdefault(name, [])
            dependent.own = message.party or dependent.own
        for name, facts in brought.items():
            dependent = self.state.dependents[name]
            known = {(fact.source, fact.id): fact for fact in dependent.facts}
            dependent.facts = union(dependent.facts, facts)
            new = [fact for fact in dependent.facts if known.get((fact.source, fact.id)) != fact]
            if new:
                changed.setdefault(name, []).extend(new)
        return changed

    def _forward_dependents(self, changed: dict[str, list[Fact]]) -> Iterator[Sent]:
        """New facts of dependents, and all dependents if the item itself goes elsewhere now."""
        for name, dependent in self.state.dependents.items():
            away = self.state.root is not None or self.state.parent is not None
            if away and name != self._name and self._hop < MOST_HOPS:
                yield from self._forward_to_other(name, dependent, changed)
            else:
                yield from self._forward_along(name, dependent, changed)

    def _forward_to_other(self, name: str, dependent: Dependent, changed: dict[str, list[Fact]]) -> Iterator[Sent]:
        """The item itself has gone to another: so does its dependent."""
        other = self.state.root or self.state.parent or ""
        first = dependent.party is not None
        if first or name in changed:
            gone = dependent.own == GONE
            own = None if gone else dependent.own
            yield ItemMessage(self._tenant, other, self._hop, list(dependent.facts), name, own, dependent.route, gone)
            dependent.party = None

    def _forward_along(self, name: str, dependent: Dependent, changed: dict[str, list[Fact]]) -> Iterator[Sent]:
        if dependent.own == GONE:
            if name in changed and dependent.route is not None:
                yield PartyMessage(dependent.route, 0, PartyFacts(), [name])
            return
        ours = (self.state.party or self.state.route) if name != self._name else None
        thing = item_of(name) or activity_of(name) or name  # 0.1.0 did not mark the names of items
        alone = PartyKey(self._tenant, "anon", thing)
        party = dependent.own or ours or alone
        if dependent.route is None:
            # whether its item is known yet depends on how batches fall: it always sets out alone
            dependent.route, facts = alone, dependent.facts
        elif party != dependent.party or changed.get(name):
            facts = changed.get(name, [])
        else:
            return
        dependent.party = party
        yield PartyMessage(dependent.route, 0, place(thing, facts), rekey=_rekey(name, dependent.route, party))

    # --- questions about it -------------------------------------------------------------------------------------

    def _forward_queries(self, asks: list[ParentQuery]) -> Iterator[Sent]:
        """Questions about the item go where its facts went."""
        state = self.state
        waiting, state.asks = [*state.asks, *asks], []
        if not waiting or self._hop >= MOST_HOPS:
            return
        if state.root is not None:
            asks = [msgspec.structs.replace(ask, item=state.root) for ask in waiting]
            yield from (ItemMessage(self._tenant, state.root, self._hop, [], ask=ask) for ask in asks)
            return
        if state.parent is None and state.route is None:
            state.asks = latest(waiting)
            return
        state.asked = [*state.asked, *(ask for ask in waiting if ask not in state.asked)][-MOST_ASKED:]
        if state.parent is not None:
            yield from (ItemMessage(self._tenant, state.parent, self._hop, [], ask=ask) for ask in waiting)
        elif state.route is not None:
            yield PartyMessage(state.route, 0, PartyFacts(), asks=waiting)


GONE = PartyKey("", "gone", "")
"""The party of what turned out to be an alias."""


def _content(said: Fact) -> tuple[str, ...]:
    """What an identification says of which address; its data has texts only."""
    return (said.subject, *(text for name in sorted(said.data) for text in (name, said.data[name])))


def _first_said(said: Iterable[Fact]) -> dict[tuple[str, ...], Micros]:
    """When each was first said."""
    first: dict[tuple[str, ...], Micros] = {}
    for one in said:
        first[_content(one)] = min(one.time, first.get(_content(one), one.time))
    return first


def _rekey(name: str, route: PartyKey, party: PartyKey | None) -> dict[str, PartyKey]:
    return {name: party} if party is not None and party != route else {}
