"""The stream: customers arrive at random, each plays a scene, and the events of all come out in order of event time."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterator
from datetime import datetime

from touchpoint.simulate.calls import inbound_call
from touchpoint.simulate.chats import inbound_chat
from touchpoint.simulate.faxes import inbound_fax
from touchpoint.simulate.mails import inbound_mail
from touchpoint.simulate.scene import Scene
from touchpoint.simulate.script import CloudEvent, Millis, Paper, Written
from touchpoint.simulate.world import World

HOUR: Millis = 3_600_000


def web_order(scene: Scene) -> None:
    """An order in the shop: an activity with nobody on the line."""
    order = {"type": "order", "id": scene.paper.name("order"), "action": "created"}
    scene.activity(scene.at, "order", None, None, objects=[order], outcome="ordered")
    scene.identify(scene.customer.mail)


SCENES: dict[Callable[[Scene], None], float] = {
    inbound_call: 0.56,
    inbound_chat: 0.18,
    inbound_mail: 0.14,
    inbound_fax: 0.08,
    web_order: 0.04,
}


def simulate(seed: int, start: datetime, hours: float = 1.0, volume: float = 300.0) -> Iterator[CloudEvent]:
    """Canonical events of `hours` hours from `start`, `volume` contacts an hour, in order of event time.

    `start` has an offset. A contact that began within the hours is played to its end, so the last events come
    somewhat later. Equal arguments give equal events, others other ids. Memory is that of the open contacts.
    """
    dice = random.Random(seed)
    paper = Paper(hashlib.sha256(f"{seed}/{start.timestamp()}/{float(hours)}/{float(volume)}".encode()).hexdigest()[:6])
    world = World(dice, volume, hours)
    waiting: list[Written] = []
    for at in arrivals(dice, int(start.timestamp() * 1_000), hours, volume):
        while waiting and waiting[0][0] < at:
            yield heapq.heappop(waiting)[2]
        play = dice.choices(list(SCENES), list(SCENES.values()))[0]
        play(Scene(world, dice, paper, dice.choice(world.customers), at))
        for written in paper.take():
            heapq.heappush(waiting, written)
    while waiting:
        yield heapq.heappop(waiting)[2]


def arrivals(dice: random.Random, start: Millis, hours: float, volume: float) -> Iterator[Millis]:
    """When contacts begin: at random, so many an hour on average."""
    at, end = float(start), start + hours * HOUR
    while (at := at + dice.expovariate(volume / HOUR)) < end:
        yield int(at)
