"""Handlers of the rows that speak of the customer's own track: 1-5, 17, 24, 25."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.row import Row
from touchpoint.stitching.media.segment_types import SegmentType
from touchpoint.stitching.media.timeline import Timeline


def offered(line: Timeline, fact: Fact, row: Row) -> None:
    if not line.spans:
        line.open_routing(fact, row.number)


def dialing(line: Timeline, fact: Fact, row: Row) -> None:
    _opened_with_resource(line, "dialing", fact, row)


def connected(line: Timeline, fact: Fact, row: Row) -> None:
    line.close_open("dialing", fact, row)
    line.open_routing(fact, row.number)


def is_agent(_line: Timeline, fact: Fact) -> bool:
    resource = fact.data.get("resource")
    return resource is not None and resource.get("kind", "agent") == "agent"


def agent_connected(line: Timeline, fact: Fact, row: Row) -> None:
    beside = bool(line.connected)
    line.close_open("dialing", fact, row)
    span = line.connect(fact.data["resource"]["id"], fact, row)
    if beside and span is not None:
        line.doubled.append(span)


def failed(line: Timeline, fact: Fact, row: Row) -> None:
    _closes_to_routing(line, "dialing", fact, row)


def ivr_entered(line: Timeline, fact: Fact, row: Row) -> None:
    _opened_with_resource(line, "ivr", fact, row)


def ivr_exited(line: Timeline, fact: Fact, row: Row) -> None:
    _closes_to_routing(line, "ivr", fact, row)


def queued(line: Timeline, fact: Fact, row: Row) -> None:
    enqueue(line, fact.data.get("queue"), fact, row)


def enqueue(line: Timeline, name: str | None, fact: Fact, row: Row) -> None:
    """Opens a queue, unless it is the one that is open; the first after a transfer carries it."""
    if line.is_open("queue"):
        if name is None or line.customer.queue == name:  # type: ignore[union-attr]
            return
        line.close_open("queue", fact, row)
    span = line.open_customer("queue", fact, row)
    if span is not None:
        span.queue = name
        line.last_queue = span
        if line.pending is not None:
            span.transferred_from, line.pending = line.pending, None


def dequeued(line: Timeline, fact: Fact, row: Row) -> None:
    name = fact.data.get("queue")
    if not line.is_open("queue") or name not in (None, line.customer.queue):  # type: ignore[union-attr]
        return
    line.close_open("queue", fact, row)
    if fact.data.get("reason") not in ("answered", "abandoned"):
        line.open_routing(fact, row.number)


def parked(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    for each in list(line.connected) if agent is None else [agent]:
        line.part(each, fact, row)
    line.open_customer("parked", fact, row)


def unparked(line: Timeline, fact: Fact, row: Row) -> None:
    _closes_to_routing(line, "parked", fact, row)


def voicemail_started(line: Timeline, fact: Fact, row: Row) -> None:
    if _opened_with_resource(line, "voicemail", fact, row):
        line.last_queue = None


def voicemail_ended(line: Timeline, fact: Fact, row: Row) -> None:
    _closes_to_routing(line, "voicemail", fact, row)


def transmission_started(line: Timeline, fact: Fact, row: Row) -> None:
    _opened_with_resource(line, "transmission", fact, row)


def transmission_failed(line: Timeline, fact: Fact, row: Row) -> None:
    _sign(line, fact)
    _closes_to_routing(line, "transmission", fact, row)


def transmitted(line: Timeline, fact: Fact, row: Row) -> None:
    _sign(line, fact)
    line.close_open("transmission", fact, row)


def _sign(line: Timeline, fact: Fact) -> None:
    """The transmission's agent, if only its result names them."""
    resource = fact.data.get("resource")
    if resource is not None and line.is_open("transmission") and line.customer.agent is None:  # type: ignore[union-attr]
        line.customer.agent = resource["id"]  # type: ignore[union-attr]


def _opened_with_resource(line: Timeline, type_: SegmentType, fact: Fact, row: Row) -> bool:
    span = line.open_customer(type_, fact, row)
    resource = fact.data.get("resource")
    if span is not None and resource is not None:
        span.agent = resource["id"]
    return span is not None


def _closes_to_routing(line: Timeline, type_: SegmentType, fact: Fact, row: Row) -> None:
    if line.close_open(type_, fact, row):
        line.open_routing(fact, row.number)
