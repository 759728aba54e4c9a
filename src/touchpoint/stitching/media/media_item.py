"""What the fold of a media item yields. Instants are `Micros`, durations integer milliseconds.

What the record shows unchanged is written in record.py, once, and inherited.
"""

from __future__ import annotations

import msgspec

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.record import MediaItemMembers, SegmentMembers


class Segment(SegmentMembers, frozen=True, kw_only=True):
    """One lifecycle segment (contract, 4), in timeline order; `parent` is the index of its with_agent."""

    parent: int | None
    started_at: Micros
    ended_at: Micros


class ResourceFigures(msgspec.Struct, frozen=True):
    """One agent's own figures in one media item."""

    talk_ms: int
    hold_ms: int
    acw_ms: int | None  # None: not known, which is not zero
    handle_ms: int
    first_at: Micros  # start of the earliest with_agent, else transmission or wrap-up
    connected: bool  # had a with_agent
    bot: bool


class MediaItem(MediaItemMembers, frozen=True, kw_only=True):
    """The fold of one media item's facts, as if no further fact ever came; `complete_at` says when that is settled."""

    dialed: str | None
    started_at: Micros
    ended_at: Micros
    latest: Micros  # the end including wrap-ups
    settled_at: Micros  # as `complete_at`, if no further wrap-up may begin
    complete_at: Micros  # the instant at which it is complete if nothing further comes
    final: bool  # completed by (a), ended or disconnected
    segments: tuple[Segment, ...]
    resources: dict[str, ResourceFigures]
