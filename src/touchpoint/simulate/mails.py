"""Emails: a question, its answer, and now and then the thread that follows."""

from __future__ import annotations

from touchpoint.simulate.scene import MAIL, Scene
from touchpoint.simulate.script import SECOND, Item, Millis
from touchpoint.simulate.world import Agent


def inbound_mail(scene: Scene) -> None:
    """A customer writes; most are answered, some write again, some mails need nothing."""
    scene.identify(scene.customer.mail)
    desk = scene.world.desks["mailroom"]
    at = scene.at
    answers_to: str | None = None
    thread: list[str] = []
    while True:
        free_at, place = desk.take()
        at, reply, message = correspond(scene, desk.agents[place], at, free_at, answers_to, thread)
        desk.give_back(place, at)
        if reply is None or not scene.chance(0.2):
            return
        thread += [message, reply]
        answers_to = reply
        at += scene.about(900)


def correspond(
    scene: Scene, agent: Agent, at: Millis, free_at: Millis, answers_to: str | None, thread: list[str]
) -> tuple[Millis, str | None, str]:
    """One message of the customer's and what an agent does with it: when, and the ids of reply and message."""
    mail = Item(scene.paper, "email", MAIL)
    message = f"<{mail.id}@mail.example.com>"
    party = {"address": scene.customer.mail, "name": scene.customer.name}
    written = {"message_id": message, "in_reply_to": answers_to, "references": list(thread) or None}
    mail.say(at, "offered", direction="inbound", party=party, dialed="mailto:service@touchpoint.example", **written)
    if answers_to is None and scene.chance(0.5):
        receipt = f"<auto-{mail.id}@touchpoint.example>"
        mail.say(at + SECOND, "sent", kind="auto_reply", message_id=receipt, in_reply_to=message)
    mail.say(at + 2 * SECOND, "queued", queue="mailroom")
    at = max(at + scene.between(60, 400), free_at)
    mail.say(at, "answered", resource=agent.resource)
    if scene.chance(0.12):
        at += scene.between(10, 60)
        mail.say(at, "released", resource=agent.resource, reason="no_reply_needed")
        mail.say(at, "ended", reason="no_reply_needed")
        return at, None, message
    at += scene.between(15, 90)
    mail.say(at, "draft_started", resource=agent.resource)
    at += scene.about(240)
    reply = f"<re-{mail.id}@touchpoint.example>"
    mail.say(at, "sent", kind="reply", resource=agent.resource, message_id=reply, in_reply_to=message)
    if scene.chance(0.6):
        mail.say(at, "ended", reason="answered")
    return at, reply, message
