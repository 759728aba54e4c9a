"""Every flag that a media item or its interaction can carry, with its meaning. It tells a reader what to doubt."""

from __future__ import annotations

from enum import StrEnum


class Flag(StrEnum):
    AFTER_END = "after_end"
    AMBIGUOUS_TIME = "ambiguous_time"
    CLOCK_SKEW = "clock_skew"
    ILLEGAL_ORDER = "illegal_order"
    INSTANT_IGNORED = "instant_ignored"
    MISSING_ANSWER = "missing_answer"
    MISSING_START = "missing_start"
    PARTY_LIMIT = "party_limit"
    PARTY_UNKNOWN = "party_unknown"
    REPORTED_MISMATCH = "reported_mismatch"
    SHORT_ABANDON = "short_abandon"
    TIMED_OUT = "timed_out"
    TIMELINE_GAP = "timeline_gap"
    TRUNCATED = "truncated"
    UNPAIRED_HOLD = "unpaired_hold"
    UNREADABLE_EVENT = "unreadable_event"
    WRAPUP_UNFINISHED = "wrapup_unfinished"


MEANINGS: dict[Flag, str] = {
    Flag.AFTER_END: "an event after the item's end would have opened a segment; it opened none",
    Flag.AMBIGUOUS_TIME: "a local time of the hour that comes twice, and nothing tells which of the two: the first was "
    "taken",
    Flag.CLOCK_SKEW: "the source's clocks contradict each other: a span would have been negative and counts as 0",
    Flag.ILLEGAL_ORDER: "an event that the state of the item did not allow; it was ignored",
    Flag.INSTANT_IGNORED: "an event told an instant that is later than itself, or earlier by more than an "
    "interaction's age; it does not count",
    Flag.MISSING_ANSWER: "an agent transferred or released the item without ever having answered it",
    Flag.MISSING_START: "the first known event is not one with which an item begins",
    Flag.PARTY_LIMIT: "the party had more open at once than it may (2,000, configurable): of all its interactions this "
    "one had the oldest media item or activity, and closed",
    Flag.PARTY_UNKNOWN: "the source contradicts itself on who the customer is, or does not say whom it called; the "
    "item has no party",
    Flag.REPORTED_MISMATCH: "the source's own summary differs from what was observed by more than 2 seconds",
    Flag.SHORT_ABANDON: "the customer gave up after less than 5 seconds of waiting (configurable)",
    Flag.TIMED_OUT: "no event said that the item was over; it ends at its last event",
    Flag.TIMELINE_GAP: "nothing is known of a part of the item; that part is a segment of type gap",
    Flag.TRUNCATED: "the item has more events than are kept (2,000, configurable); the later ones do not count",
    Flag.UNPAIRED_HOLD: "an agent took the customer back without having put them on hold",
    Flag.UNREADABLE_EVENT: "an event of the item could not be read, and is a dead letter; what it said is missing",
    Flag.WRAPUP_UNFINISHED: "an agent's wrap-up began and never ended; its length is not known",
}


def flag_meaning(flag: str) -> str:
    """What a flag says about a media item."""
    return MEANINGS[Flag(flag)] if flag in set(Flag) else "not a flag of this version"
