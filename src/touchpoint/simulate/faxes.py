"""Faxes, in both directions: pages, lines that drop, second attempts."""

from __future__ import annotations

from touchpoint.simulate.scene import FAX, Scene
from touchpoint.simulate.script import SECOND, Item, Millis
from touchpoint.simulate.world import Agent


def inbound_fax(scene: Scene) -> None:
    """A customer's fax arrives and somebody at the fax desk deals with it."""
    fax = Item(scene.paper, "fax", FAX)
    station = "fax:+448005550199"
    fax.say(scene.at, "offered", direction="inbound", party={"address": scene.customer.fax}, dialed=station)
    scene.identify(scene.customer.phone)
    at, received = transmission(scene, fax, scene.at, pages=scene.dice.randint(1, 6), attempt=1, drops=0.08)
    if not received:
        fax.say(at, "ended", reason="line_dropped")
        return
    fax.say(at, "queued", queue="faxdesk")
    desk = scene.world.desks["faxdesk"]
    free_at, place = desk.take()
    agent = desk.agents[place]
    at = max(at + scene.between(20, 120), free_at)
    fax.say(at, "answered", resource=agent.resource)
    at += scene.about(150)
    if scene.chance(0.5):
        order = {"type": "order", "id": f"ORD-{fax.id[-6:]}", "action": "created"}
        scene.activity(at, "order", fax.id, agent, objects=[order], outcome="ordered")
    fax.say(at, "released", resource=agent.resource)
    fax.say(at, "ended", reason="done")
    desk.give_back(place, scene.wrap_up(fax, agent, at))


def send_fax(scene: Scene, agent: Agent, at: Millis, previous: str) -> tuple[Item, Millis]:
    """An agent's fax to the customer, tried up to three times; the item and when it was over."""
    fax = Item(scene.paper, "fax", FAX)
    pages = scene.dice.randint(1, 4)
    party = {"address": scene.customer.fax}
    related = {"previous": previous}
    sent = False
    for attempt in (1, 2, 3):
        told = {"direction": "outbound", "party": party, "related": related} if attempt == 1 else {}
        fax.say(at, "dialing", attempt=attempt, resource=agent.resource, **told)
        at += scene.between(5, 14)
        if scene.chance(0.1):
            fax.say(at, "failed", attempt=attempt, reason="busy")
        else:
            at, sent = transmission(scene, fax, at, pages, attempt, drops=0.15, agent=agent)
            if sent:
                break
        at += scene.between(20, 25)
    fax.say(at, "ended", reason="sent" if sent else "gave_up")
    return fax, at


def transmission(
    scene: Scene, fax: Item, at: Millis, pages: int, attempt: int, drops: float, agent: Agent | None = None
) -> tuple[Millis, bool]:
    """One attempt to carry the pages over: when it ended, and whether all arrived."""
    told = {"attempt": attempt, "total_pages": pages, "resource": agent.resource if agent else None}
    fax.say(at, "transmission_started", **told)
    breaks = scene.dice.randrange(pages) if scene.chance(drops) else None
    for page in range(pages):
        at += scene.between(9, 30)
        if page == breaks:
            fax.say(at, "transmission_failed", pages=page, reason="line_dropped", **told)
            return at, False
        fax.say(at, "page", pages=page + 1, total_pages=pages)
    at += SECOND
    fax.say(at, "transmitted", pages=pages, **told)
    return at, True
