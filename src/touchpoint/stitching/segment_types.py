"""THE TABLE of segment types: all that the product knows of each.

Its track, what it nests in, whether it covers the timeline, which figure it adds to, how it is shown, the values of the
JSON Schema and the lists of docs/reference/rules.md are read from here. Which events open and close it: rules.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

SegmentType = Literal[
    "ivr", "routing", "queue", "dialing", "parked", "voicemail", "transmission", "awaiting_customer",
    "alerting", "with_agent", "monitor", "wrap_up", "hold", "consult", "drafting", "gap",
]  # fmt: skip

Figure = Literal["queue_wait", "ring", "connected", "hold", "wrap_up", "presence"]
"""What a segment adds to (stitching.md 2, Durations); presence: its agent has a part in the item, without a length."""


class SegmentRow(msgspec.Struct, frozen=True, gc=False):
    """One segment type."""

    track: Literal["customer", "agent"]  # on the customer track one segment at most is open
    meaning: str
    nests_in: SegmentType | None = None  # it closes with what it nests in
    covers_timeline: bool = False  # it is known where the customer is, as on the customer track always: no gap
    counts_as: Figure | None = None
    outlives_item: bool = False  # the item's end does not close it
    # on the customer track
    has_queue: bool = False  # it is of the event's queue; an event of another queue does not speak of it
    agent_from: Literal["nobody", "opening", "either"] = "nobody"  # which events' resource is its agent
    beside_agent: Literal["never", "always", "fax"] = "never"  # whether it may open while an agent is connected
    # on an agent's track
    alone: bool = False  # it never overlaps with another such on its track
    unnamed: Literal["nobody", "only_connected", "only_open"] = "nobody"  # whose an event without resource closes
    paired: bool = False  # both agents have one
    label: str | None = None  # in the story of an item; None: it is no station of it


SEGMENT_TYPES: Mapping[SegmentType, SegmentRow] = {
    "ivr": SegmentRow(
        "customer", "self service: a menu or a bot", agent_from="opening", label="menu"),
    "routing": SegmentRow(
        "customer", "between two others: nobody has the customer"),
    "queue": SegmentRow(
        "customer", "waiting in a queue", counts_as="queue_wait", has_queue=True,
        beside_agent="always", label="queue"),
    "dialing": SegmentRow(
        "customer", "an outbound attempt, until it is answered or fails", agent_from="opening"),
    "parked": SegmentRow(
        "customer", "parked for anyone to pick up", label="parked"),
    "voicemail": SegmentRow(
        "customer", "speaking to voicemail", agent_from="opening", label="voicemail"),
    "transmission": SegmentRow(
        "customer", "one attempt to transmit a fax", counts_as="presence",
        agent_from="either", beside_agent="fax", label="transmission"),
    "awaiting_customer": SegmentRow(
        "customer", "the agent's last word in a chat is unanswered",
        label="waiting for the customer"),
    "alerting": SegmentRow(
        "agent", "offered to an agent, not yet answered", counts_as="ring"),
    "with_agent": SegmentRow(
        "agent", "connected to an agent, or assigned", covers_timeline=True, counts_as="connected", alone=True,
        unnamed="only_connected", label="with an agent"),
    "monitor": SegmentRow(
        "agent", "an agent or supervisor listens or coaches; never handling", alone=True),
    "consult": SegmentRow(
        "agent", "an agent asks another; of who is asked it stands by itself", nests_in="with_agent",
        unnamed="only_connected", paired=True),
    "hold": SegmentRow(
        "agent", "the agent put the customer on hold", nests_in="with_agent", counts_as="hold",
        unnamed="only_connected"),
    "drafting": SegmentRow(
        "agent", "the agent writes an answer", nests_in="with_agent", unnamed="only_connected"),
    "wrap_up": SegmentRow(
        "agent", "after-contact work", counts_as="wrap_up", outlives_item=True, alone=True, unnamed="only_open"),
    "gap": SegmentRow(
        "customer", "nothing is known of this time; no event opens it"),
}  # fmt: skip

GAP: SegmentType = "gap"
COVERING: frozenset[SegmentType] = frozenset(
    type_ for type_, row in SEGMENT_TYPES.items() if row.track == "customer" or row.covers_timeline
)
CUSTOMER_TRACK: tuple[SegmentType, ...] = tuple(
    type_ for type_, row in SEGMENT_TYPES.items() if row.track == "customer" and type_ != GAP
)
"""What an event may open on the customer track."""
NESTED: tuple[SegmentType, ...] = tuple(type_ for type_, row in SEGMENT_TYPES.items() if row.nests_in is not None)
CLOSED_BY_END: tuple[SegmentType, ...] = tuple(
    type_ for type_, row in SEGMENT_TYPES.items() if not row.outlives_item and type_ != GAP
)
OWN_TRACK: tuple[SegmentType, ...] = tuple(
    type_ for type_, row in SEGMENT_TYPES.items() if row.track == "agent" and row.nests_in is None
)
"""On an agent's track, not inside a with_agent."""
WITHIN_AGENT: tuple[SegmentType, ...] = tuple(type_ for type_ in NESTED if not SEGMENT_TYPES[type_].paired)
