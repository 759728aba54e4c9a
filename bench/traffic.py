"""The streams that are measured, seeded: contacts as `touchpoint simulate` makes them, or only plain calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import islice

from touchpoint.simulate import simulate
from touchpoint.simulate.script import CloudEvent, Item, Paper, Written
from touchpoint.simulate.traffic import arrivals

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOURS = 24.0
CONTACTS_AN_HOUR = 2_000.0
CALLS_AN_HOUR = 4_000.0
CUSTOMERS = 8_000


def contacts(seed: int) -> Iterator[CloudEvent]:
    """Calls, chats, mails and faxes with identifications, transfers, wrap-ups, activities and requests."""
    return simulate(seed, START, HOURS, CONTACTS_AN_HOUR)


def calls(seed: int) -> Iterator[CloudEvent]:
    """Nine events a call, and the party's id is known from the first: the simplest traffic there is."""
    dice, paper = random.Random(seed), Paper(f"plain{seed}")
    waiting: list[Written] = []
    for at in arrivals(dice, int(START.timestamp() * 1_000), HOURS, CALLS_AN_HOUR):
        while waiting and waiting[0][0] < at:
            yield heappop(waiting)[2]
        one_call(dice, paper, at)
        for written in paper.take():
            heappush(waiting, written)
    while waiting:
        yield heappop(waiting)[2]


def one_call(dice: random.Random, paper: Paper, at: int) -> None:
    """A menu, a queue, an agent who answers, talks and is done."""
    number = dice.randrange(CUSTOMERS)
    party = {"address": f"tel:+4420794{number:05d}", "id": f"C{number}"}
    agent = {"id": f"agent-{dice.randrange(400)}", "kind": "agent"}
    call = Item(paper, "call", "bench/pbx")
    call.say(at, "offered", direction="inbound", party=party, dialed="tel:+448005550100")
    call.say(at + 500, "ivr_entered", flow="main")
    at += dice.randrange(5_000, 30_000)
    call.say(at, "ivr_exited", reason="agent")
    call.say(at, "queued", queue="service")
    at += dice.randrange(1_000, 90_000)
    call.say(at, "alerting", resource=agent)
    at += dice.randrange(1_500, 10_000)
    call.say(at, "answered", resource=agent)
    call.say(at, "dequeued", queue="service", reason="answered")
    at += dice.randrange(30_000, 600_000)
    call.say(at, "released", resource=agent)
    call.say(at + 200, "ended", reason="normal")


PROFILES: dict[str, Callable[[int], Iterator[CloudEvent]]] = {"contacts": contacts, "calls": calls}


def first(profile: str, count: int, seed: int) -> list[CloudEvent]:
    """The first so many events of a profile. Raises ValueError if it has fewer."""
    events = list(islice(PROFILES[profile](seed), count))
    if len(events) < count:
        raise ValueError(f"the profile {profile} has {len(events)} events, not {count}: ask for fewer")
    return events
