"""The things that an interaction is made of, media items and activities, with what links them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.identity import Claim, Identity, claim
from touchpoint.stitching.interactions.model import Activity, PartyKey
from touchpoint.stitching.interactions.names import activity_name, item_name, mail_name, thread_name
from touchpoint.stitching.interactions.parents import followed
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media import fold
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.model import MediaItem
from touchpoint.stitching.media.reported import is_believed
from touchpoint.stitching.verbs import FactVerb, Verbs

WRAPPED_UP: FactVerb = "wrapped_up"
REQUESTS: Verbs = frozenset({WRAPPED_UP, "close_requested"})
NOTHING: frozenset[str] = frozenset()


class Entity(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A media item or an activity on its party's time line."""

    id: str
    tenant: str
    facts: tuple[Fact, ...]
    item: MediaItem | None
    activity: Activity | None
    claim: Claim
    started_at: Micros
    ended_at: Micros
    latest: Micros  # with wrap-ups
    settled_at: Micros  # as `complete_at`, if no further wrap-up may begin
    complete_at: Micros
    reach: Micros  # the last instant at which another may still begin and be linked by time (3.5)
    by_time: bool  # email is not
    correlations: frozenset[str]
    names: frozenset[str]  # what others may refer to it by
    refs: frozenset[str]  # what it refers to
    parent: str | None  # name of the media item whose party is its own, for want of one
    controls: tuple[Fact, ...] = ()
    request: Micros | None = None  # the first close_requested or wrapped_up
    wrapped_up: Micros | None = None  # the first wrapped_up
    first_event: Micros = 0  # the earliest time of its facts, whatever instants they tell

    @property
    def order(self) -> tuple[Micros, bool, str]:
        """Earliest first; items before activities; ties by id."""
        return (self.started_at, self.item is None, self.id)


def item_entity(
    item_id: str, facts: Collection[Fact], controls: Collection[Fact], limits: Limits, silences: Silences
) -> Entity:
    """A media item: its fold, and the links that its facts carry."""
    item = fold(item_id, facts, limits, silences)
    channel = limits.channel(item.channel)
    names, refs, correlations = _links(item_id, facts, channel.like == "email")
    email = channel.stitch_gap == 0
    requests = [control.time for control in controls if control.verb in REQUESTS]
    reach = item.complete_at + channel.linger if email else max(item.ended_at + channel.stitch_gap, item.latest)
    own = [fact for fact in facts if fact.subject == item_id]
    parent = parent_of(item_id, own)
    return Entity(
        item_id,
        own[0].tenant,
        tuple(facts),
        item,
        None,
        claim(own, limits),
        item.started_at,
        item.ended_at,
        item.latest,
        item.settled_at,
        item.complete_at,
        reach,
        not email,
        correlations,
        names,
        refs,
        None if parent is None else item_name(parent),
        tuple(controls),
        min(requests, default=None),
        min((control.time for control in controls if control.verb == WRAPPED_UP), default=None),
        min([fact.time for fact in facts]),
    )


def _links(item_id: str, facts: Collection[Fact], email: bool) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    names = set(map(item_name, {item_id, *[fact.subject for fact in facts]}))
    refs: set[str] = set()
    for related in [fact.data["related"] for fact in facts if "related" in fact.data]:
        refs.update(map(item_name, _items_of(related)))
        if related.get("thread"):
            names.add(thread_name(related["thread"]))
    for fact in facts if email else ():
        refs.update(map(mail_name, _named_messages(fact)))
        if fact.data.get("message_id"):
            names.add(mail_name(fact.data["message_id"]))
        names.update(map(thread_name, islice(_named_messages(fact), 1)))
    correlations = [fact.correlation for fact in facts if fact.correlation is not None]
    return frozenset(names), frozenset(refs - names), frozenset(correlations) if correlations else NOTHING


def _items_of(related: Mapping[str, str]) -> list[str]:
    """The media items that an event refers to: parent, previous, resumes."""
    return [related[kind] for kind in ("parent", "previous", "resumes") if related.get(kind)]


def reference_times(facts: Iterable[Fact]) -> dict[str, Micros]:
    """The media items that an item's events refer to, and when each was first named."""
    named: dict[str, Micros] = {}
    for fact in facts:
        if "related" in fact.data:
            for item in _items_of(fact.data["related"]):
                named[item] = min(fact.time, named.get(item, fact.time))
    return named


def _named_messages(fact: Fact) -> Iterator[str]:
    """The messages that a mail names. Two that name the same first are of one thread, whoever has it."""
    yield from fact.data.get("references") or ()
    if fact.data.get("in_reply_to"):
        yield fact.data["in_reply_to"]


def fold_activity(activity_id: str, facts: Collection[Fact], limits: Limits) -> Activity:
    """An activity recorded twice has the later's fields; an unended one is over after `limits.activity_age`."""
    merged: dict[str, object] = {}
    inner = sorted(facts, key=lambda f: (f.time, f.source, f.id))
    for fact in inner:
        merged |= fact.data
    started = min([f.time for f in inner] + [f.data["started"] for f in inner if _counts("started", f, limits)])
    ended = max([f.time for f in inner] + [f.data["ended"] for f in inner if _counts("ended", f, limits)])
    is_open = inner[-1].verb == "started" or all(f.verb == "started" for f in inner)
    return Activity(
        activity_id,
        merged.get("media_item") or next((f.subject for f in inner if f.subject), None),  # type: ignore[arg-type]
        merged.get("action"),  # type: ignore[arg-type]
        (merged.get("resource") or {}).get("id"),  # type: ignore[attr-defined]
        started,
        ended,
        started + limits.activity_age if is_open else ended,
        merged.get("outcome"),  # type: ignore[arg-type]
        merged.get("result"),  # type: ignore[arg-type]
        merged.get("reason"),  # type: ignore[arg-type]
        tuple((o["type"], o["id"], o.get("action")) for o in merged.get("objects") or ()),  # type: ignore[attr-defined]
        (Flag.INSTANT_IGNORED,) if any(_is_ignored(f, limits) for f in inner) else (),
    )


def _is_ignored(fact: Fact, limits: Limits) -> bool:
    return any(name in fact.data and not _counts(name, fact, limits) for name in ("started", "ended"))


def _counts(name: str, fact: Fact, limits: Limits) -> bool:
    return name in fact.data and is_believed(fact.data[name], fact.time, fact.time, limits)


def activity_entity(activity_id: str, facts: Collection[Fact], limits: Limits) -> Entity:
    """An activity: linked to its media item, else by time."""
    activity = fold_activity(activity_id, facts, limits)
    correlations = frozenset(fact.correlation for fact in facts if fact.correlation is not None)
    about = item_name(activity.media_item) if activity.media_item else None
    return Entity(
        activity_id,
        next(iter(facts)).tenant,
        tuple(facts),
        None,
        activity,
        claim(facts, limits),
        activity.started_at,
        activity.ended_at,
        activity.ended_at,
        activity.complete_at,
        activity.complete_at,
        max(activity.ended_at + limits.activity_gap, activity.ended_at),
        True,
        correlations,
        frozenset({activity_name(activity_id)}),
        NOTHING if about is None else frozenset({about}),
        about,
        first_event=min([fact.time for fact in facts]),
    )


def parent_of(item: str, facts: Collection[Fact]) -> str | None:
    """The media item that an item without a party takes its party from: the first that its own events refer to."""
    related = [fact for fact in facts if "related" in fact.data and fact.subject == item]
    if not related:  # hot path
        return None
    named = reference_times(related)
    named.pop(item, None)
    return min(named, key=lambda name: (named[name], name), default=None)


def party_keys(
    identity: Identity,
    by_name: Mapping[str, Entity],
    closed: Callable[[Entity], PartyKey | None],
    settled: Callable[[Entity], PartyKey | None] = lambda _: None,
) -> Callable[[Entity], PartyKey]:
    """What gives each entity's party: tenant and party id once identified, else the address, else the parent's.

    `closed`: under which key its parent closed, if it did. `settled`: the key of one where that is known already, so
    that a chain of parents is not followed to its end for each thing that is added to it.
    """
    known: dict[Entity, PartyKey | None] = {}

    def own(one: Entity) -> PartyKey | None:
        return _own_key(one, identity) or settled(one)

    def parent(one: Entity) -> Entity | None:
        return by_name.get(one.parent) if one.parent is not None else None

    def alone(one: Entity) -> PartyKey:
        return _since(closed(one), one.started_at, identity) or _alone(one)

    return lambda entity: own(entity) or followed(entity, own, parent, alone, known)


def _alone(entity: Entity) -> PartyKey:
    """The party of what has none: an activity's is marked with a NUL character, so that no media item's id is it.

    State is kept under the id of either, as release 0.1.0 did: two parties of one key of the table are still two.
    """
    value = entity.id if entity.item is not None else f"\0{entity.id}"
    return PartyKey(entity.tenant, "anon", value)


def _own_key(entity: Entity, identity: Identity) -> PartyKey | None:
    who, tenant = entity.claim, entity.tenant
    if who.id:
        return PartyKey(tenant, "id", identity.root(who.id))
    return _since(PartyKey(tenant, "address", who.address), entity.started_at, identity) if who.address else None


def _since(key: PartyKey | None, time: Micros, identity: Identity) -> PartyKey | None:
    """The party that another key stands for at a time."""
    if key is None or key.kind == "anon":
        return key
    party_id = key.value if key.kind == "id" else identity.party_of(key.value, time)
    return key if party_id is None else PartyKey(key.tenant, "id", identity.root(party_id))
