"""What an event that cannot be accepted still tells: which media item's it is, so that the item can be flagged."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, TypeGuard

from touchpoint.events.condense import Fields, message_id
from touchpoint.events.fields import MAX_ID, MAX_TEXT
from touchpoint.events.instants import INSTANT_PATTERN, micros
from touchpoint.events.verdicts import Rejected
from touchpoint.stitching.facts import UNREADABLE, Fact


def unreadable(attributes: Fields, channels: Collection[str]) -> Fact | None:
    """That an event of this media item could not be read; None where the event does not say so much.

    It is no fact of the event's own source, so the event counts as news should it be sent again and then be accepted.
    """
    type_, time = attributes.get("type"), attributes.get("time")
    subject, source, id_ = (attributes.get(name) for name in ("subject", "source", "id"))
    tenant = attributes.get("tenant") or "default"
    kind, _, verb = type_.partition(".") if isinstance(type_, str) else ("", "", "")
    if kind not in channels or not isinstance(time, str) or not _instant(time):
        return None
    if not (_is_id(subject) and _is_id(id_) and _is_id(tenant) and _is_id(source, MAX_TEXT)):
        return None  # what the contract asks of them (contract.md, 2)
    known_as = message_id(source, id_) if verb == "message" else id_
    try:
        return Fact(micros(time, "time"), kind, UNREADABLE, f"{source}#{UNREADABLE}", known_as, subject, tenant)
    except Rejected:
        return None


_instant = re.compile(INSTANT_PATTERN).search


def _is_id(value: Any, most: int = MAX_ID) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable()
