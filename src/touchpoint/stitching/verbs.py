"""The verbs of events, in their order, and what several of them have in common.

A verb that is not named here is an error of types, wherever the core writes it. What an event does to a media item is
in the rule table (media/rules.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Verb = Literal[
    "alias", "offered", "dialing", "failed", "connected", "ivr_entered", "ivr_exited", "queued", "alerting",
    "alert_ended", "dequeued", "voicemail_started", "voicemail_ended", "unparked", "answered", "joined", "parked",
    "held", "retrieved", "transmission_started", "page", "transmission_failed", "transmitted", "draft_started",
    "draft_discarded", "sent", "message",
    "consult_started", "consult_answered", "consult_ended", "transferred", "left", "released",
    "disconnected", "ended", "wrapup_started", "wrapup_ended", "summary",
]  # fmt: skip
"""Of a media item's events, in the order of their rank: which of two of one instant goes first (stitching.md, 1)."""

OtherVerb = Literal[
    "recorded", "started", "opened", "wrapped_up", "close_requested", "identified", "merged", "erasure_requested",
    "heartbeat", "flushed", "unreadable",
]  # fmt: skip
"""Of activities, interactions, parties and sources, and of what could not be read."""

FactVerb = Verb | OtherVerb

VERBS: tuple[Verb, ...] = get_args(Verb)

Verbs = frozenset[FactVerb]

STARTS: Verbs = frozenset({"offered", "dialing", "connected", "sent", "draft_started", "transmission_started"})
"""An item begins with one of these; with any other first event it is flagged `missing_start`."""
ENDS: Verbs = frozenset({"disconnected", "ended"})
"""After these an item's events open nothing."""
WRAPUPS: Verbs = frozenset({"wrapup_started", "wrapup_ended"})
AFTERWARDS: Verbs = WRAPUPS | {"summary"}
"""What is told of an item after its end."""
CLOSING: Verbs = ENDS | AFTERWARDS
CONNECTS: Verbs = frozenset({"answered", "joined", "connected", "draft_started"})
"""The event's agent has the item from now on."""
RELEASES: Verbs = frozenset({"released", "transferred", "left", "parked"})
"""The event's agent gives the item away."""

GIVEN_REASONS: Mapping[Verb, tuple[str, ...]] = {
    "dequeued": tuple("answered abandoned timeout empty key overflow withdrawn transferred callback".split()),
    "alert_ended": ("no_answer", "rejected", "busy", "canceled", "rescinded", "failed", "bridge_failed"),
    "disconnected": ("agent", "system", "network"),
}
"""What the contract lets an event give as the reason of what it closes; of `disconnected`, who did it."""
