"""The things that an interaction is made of, media items and activities, with what links them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.names import activity_name, item_name, mail_name, thread_name
from touchpoint.stitching.interactions.party_facts import Activity
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media import fold
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.media_item import MediaItem
from touchpoint.stitching.media.reported import is_believed
from touchpoint.stitching.ownership.claims import Claim, claim
from touchpoint.stitching.ownership.parents import named_items, parent_of
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
        refs.update(map(item_name, named_items(related)))
        if related.get("thread"):
            names.add(thread_name(related["thread"]))
    for fact in facts if email else ():
        refs.update(map(mail_name, _named_messages(fact)))
        if fact.data.get("message_id"):
            names.add(mail_name(fact.data["message_id"]))
        names.update(map(thread_name, islice(_named_messages(fact), 1)))
    correlations = [fact.correlation for fact in facts if fact.correlation is not None]
    return frozenset(names), frozenset(refs - names), frozenset(correlations) if correlations else NOTHING


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
