"""What the fold of a media item yields. Instants are `Micros`, durations integer milliseconds."""

from __future__ import annotations

import msgspec

from touchpoint.stitching.facts import Micros


class Segment(msgspec.Struct, frozen=True):
    """One lifecycle segment (contract, 4), in timeline order; `parent` is the index of its with_agent."""

    type: str
    track: str  # "customer" or the resource id
    depth: int
    parent: int | None
    started_at: Micros
    ended_at: Micros
    queue: str | None
    resource_id: str | None
    end_reason: str | None
    conference: bool
    transferred_from: str | None
    provenance: str  # observed derived aggregate inferred
    opened_by: str | None  # event id
    closed_by: str | None  # event id
    opened_rule: int | None  # row of the rule table; None: a general rule
    closed_rule: int | None


class ResourceFigures(msgspec.Struct, frozen=True):
    """One agent's own figures in one media item."""

    talk_ms: int
    hold_ms: int
    acw_ms: int | None  # None: not known, which is not zero
    handle_ms: int
    first_at: Micros  # start of the earliest with_agent, else transmission or wrap-up
    connected: bool  # had a with_agent
    bot: bool


class MediaItem(msgspec.Struct, frozen=True):
    """The fold of one media item's facts, as if no further fact ever came; `complete_at` says when that is settled."""

    media_item_id: str
    channel: str
    direction: str | None
    dialed: str | None
    campaign: str | None
    thread_id: str | None
    started_at: Micros
    ended_at: Micros
    latest: Micros  # the end including wrap-ups
    settled_at: Micros  # as `complete_at`, if no further wrap-up may begin
    complete_at: Micros  # the instant at which it is complete if nothing further comes
    final: bool  # completed by (a), ended or disconnected
    queue_wait_ms: int
    ring_ms: int
    talk_ms: int
    hold_ms: int
    acw_ms: int | None
    handle_ms: int
    speed_of_answer_ms: int | None
    abandoned: str | None  # in_ivr in_queue while_ringing on_hold
    transferred: bool
    conferenced: bool
    end_reason: str | None
    pages: int | None
    messages_customer: int
    messages_agent: int
    first_response_ms: int | None
    flags: tuple[str, ...]  # sorted
    segments: tuple[Segment, ...]
    resources: dict[str, ResourceFigures]
