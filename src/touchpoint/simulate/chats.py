"""Chats: a bot first, an agent where it does not suffice, and customers who fall silent. No text is ever carried."""

from __future__ import annotations

from touchpoint.simulate.scene import CHAT, Scene
from touchpoint.simulate.script import SECOND, Item, Millis
from touchpoint.simulate.world import Agent

BOT = {"id": "bot-ada", "name": "Ada", "kind": "bot"}


def inbound_chat(scene: Scene) -> None:
    """A visitor of the web site or a known customer opens a chat."""
    chat = Item(scene.paper, "chat", CHAT)
    visitor = scene.chance(0.3)
    address = f"chat:web/{chat.id[-6:]}" if visitor else scene.customer.mail
    chat.say(scene.at, "offered", direction="inbound", party={"address": address})
    if not visitor:
        scene.identify(scene.customer.mail)
    at = with_bot(scene, chat)
    if scene.chance(0.04):
        end(chat, at, "customer")
        return
    served = scene.chance(0.2)
    chat.say(at, "ivr_exited", reason="self_service" if served else "agent")
    if served:
        end(chat, at, "customer")
        return
    chat.say(at, "queued", queue="webchat")
    desk = scene.world.desks["webchat"]
    free_at, place = desk.take()
    agent = desk.agents[place]
    rings = max(at + scene.between(0.5, 3), free_at)
    if rings > at + scene.between(60, 200):
        desk.give_back(place, free_at)
        end(chat, at + scene.between(30, 60), "customer")
        return
    chat.say(rings, "alerting", resource=agent.resource)
    at = rings + scene.between(1, 8)
    chat.say(at, "answered", resource=agent.resource)
    at = with_agent(scene, chat, agent, at)
    desk.give_back(place, scene.wrap_up(chat, agent, at))


def with_bot(scene: Scene, chat: Item) -> Millis:
    """Some questions and the bot's answers; when the customer has had enough of it."""
    at = scene.at + 500
    chat.say(at, "ivr_entered", flow="bot", resource=BOT)
    for _ in range(scene.dice.randint(1, 4)):
        at += scene.between(5, 30)
        chat.say(at, "message", role="customer", length=scene.dice.randint(2, 160))
        at += scene.between(0.4, 1.5)
        chat.say(at, "message", role="bot", resource=BOT, length=scene.dice.randint(30, 220))
    return at + scene.between(2, 10)


def with_agent(scene: Scene, chat: Item, agent: Agent, at: Millis) -> Millis:
    """The conversation; one in twelve customers goes away from the keyboard for a while. When it ended."""
    away = scene.dice.randint(1, 4) if scene.chance(0.08) else None
    for turn in range(scene.dice.randint(2, 9)):
        at += scene.between(6, 40)
        chat.say(at, "message", role="agent", resource=agent.resource, length=scene.dice.randint(10, 300))
        at += scene.between(6 * 60, 11 * 60) if turn == away else scene.between(5, 50)
        chat.say(at, "message", role="customer", length=scene.dice.randint(2, 200))
    if scene.chance(0.15):
        order = {"type": "order", "id": f"ORD-{chat.id[-6:]}", "action": "created"}
        scene.activity(at, "order", chat.id, agent, objects=[order])
    at += scene.between(4, 30)
    if scene.chance(0.4):
        chat.say(at, "released", resource=agent.resource)
        at += SECOND
    end(chat, at, "customer" if scene.chance(0.8) else "agent")
    return at


def end(chat: Item, at: Millis, by: str) -> None:
    chat.say(at, "disconnected", by=by)
    chat.say(at, "ended", reason="normal")
