"""Calls as a phone system reports them: menu, queue, ringing, talk with all that happens in it, and wrap-up."""

from __future__ import annotations

from touchpoint.simulate.faxes import send_fax
from touchpoint.simulate.scene import CRM, PBX, Scene
from touchpoint.simulate.script import MINUTE, SECOND, Item, Millis
from touchpoint.simulate.world import CALL_QUEUES, Agent

LINES = {queue: f"tel:+44800555010{n}" for n, queue in enumerate(CALL_QUEUES)}
"""The numbers of the centre itself."""


def inbound_call(scene: Scene) -> None:
    """A customer calls; who gives up in the queue may be called back."""
    queue = scene.dice.choices(list(CALL_QUEUES), list(CALL_QUEUES.values()))[0]
    withheld = scene.chance(0.03)
    call = Item(scene.paper, "call", PBX, correlation=scene.paper.name("case") if scene.chance(0.1) else None)
    party = {} if withheld else {"party": {"address": scene.customer.phone}}
    call.say(scene.at, "offered", direction="inbound", dialed=LINES[queue], **party)
    if not withheld:
        scene.identify(scene.customer.phone)
    at = menu(scene, call)
    if at is None:
        return
    answer = find_agent(scene, call, queue, at)
    if answer is None:
        if not withheld and scene.chance(0.5):
            call_back(scene, call)
        return
    agent, place, at = answer
    free_at = talk(scene, call, agent, at)
    scene.world.desks[queue].give_back(place, free_at)


def menu(scene: Scene, call: Item) -> Millis | None:
    """The voice menu: when the caller leaves it for a queue, or None where the call ends in it."""
    at = scene.at + scene.between(0.2, 1.5)
    call.say(at, "ivr_entered", flow="main")
    at += scene.between(6, 35)
    if scene.chance(0.04):
        hang_up(call, at, "customer")
        return None
    if scene.chance(0.05):
        at += scene.between(20, 60)
        call.say(at, "ivr_exited", reason="self_service")
        hang_up(call, at, "customer")
        return None
    call.say(at, "ivr_exited", reason="agent")
    return at


def find_agent(scene: Scene, call: Item, queue: str, at: Millis) -> tuple[Agent, int, Millis] | None:
    """Wait and ring until somebody answers: who, their place at the desk and when; None if nobody did."""
    desk = scene.world.desks[queue]
    call.say(at, "queued", queue=queue)
    patience = at + (scene.between(1, 4.5) if scene.chance(0.02) else scene.about(100) + 5 * SECOND)
    for _ in range(4):
        free_at, place = desk.take()
        agent = desk.agents[place]
        rings = max(at + scene.between(0.3, 2), free_at)
        picks_up = rings + scene.between(1.5, 11)
        if rings > patience:
            desk.give_back(place, free_at)
            give_up(scene, call, queue, patience)
            return None
        call.say(rings, "alerting", resource=agent.resource)
        if picks_up > patience or scene.chance(0.012):
            quits = min(patience, rings + scene.between(1, 8))
            call.say(quits, "alert_ended", resource=agent.resource, reason="canceled")
            hang_up(call, quits, "customer")
            desk.give_back(place, quits)
            return None
        if not scene.chance(0.06):
            call.say(picks_up, "answered", resource=agent.resource)
            call.say(picks_up, "dequeued", queue=queue, reason="answered")
            return agent, place, picks_up
        at = rings + 18 * SECOND
        call.say(at, "alert_ended", resource=agent.resource, reason="no_answer")
        desk.give_back(place, at + MINUTE)
    give_up(scene, call, queue, max(at, patience))
    return None


def give_up(scene: Scene, call: Item, queue: str, at: Millis) -> None:
    """The wait was too long: the caller hangs up, or leaves a message."""
    if scene.chance(0.25):
        call.say(at, "dequeued", queue=queue, reason="key")
        call.say(at, "voicemail_started")
        at += scene.between(8, 50)
        call.say(at, "voicemail_ended")
        hang_up(call, at, "customer")
        return
    if scene.chance(0.6):
        call.say(at, "dequeued", queue=queue, reason="abandoned")
    hang_up(call, at, "customer")


def hang_up(call: Item, at: Millis, by: str) -> None:
    call.say(at, "disconnected", by=by)
    call.say(at, "ended", reason="normal")


def call_back(scene: Scene, abandoned: Item) -> None:
    """Somebody calls the customer who gave up, mostly within a few minutes."""
    agent = scene.colleague()
    call = Item(scene.paper, "call", PBX)
    at = scene.at + scene.between(150, 480)
    party = {"address": scene.customer.phone}
    related = {"previous": abandoned.id}
    call.say(at, "dialing", direction="outbound", party=party, resource=agent.resource, attempt=1, related=related)
    at += scene.between(4, 20)
    if scene.chance(0.25):
        call.say(at, "failed", reason="no_answer", attempt=1)
        call.say(at, "ended", reason="no_answer")
        return
    call.say(at, "connected", resource=agent.resource)
    at += scene.about(150)
    finish(scene, call, agent, at)


def talk(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """What happens once an agent has answered; when that agent is free again."""
    plot = scene.dice.choices((plain, on_hold, consulted, sent_on, conference, quote), (50, 18, 7, 8, 4, 13))[0]
    return plot(scene, call, agent, at)


def finish(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """The call ends, mostly by the customer, and the agent wraps up; when the agent is free again."""
    if scene.chance(0.3):
        call.say(at, "released", resource=agent.resource)
        hang_up(call, at + scene.between(0.1, 1.5), "agent")
    else:
        hang_up(call, at, "customer")
    return scene.wrap_up(call, agent, at)


def plain(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """Question, answer; a note now and then."""
    at += scene.about(190)
    if scene.chance(0.3):
        scene.activity(at - 5 * SECOND, "note", call.id, agent)
    return finish(scene, call, agent, at)


def on_hold(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """The customer is put on hold, once or twice; a few hang up there."""
    for _ in range(scene.dice.choice((1, 1, 2))):
        at += scene.about(70)
        call.say(at, "held", resource=agent.resource)
        at += scene.about(40)
        if scene.chance(0.05):
            hang_up(call, at, "customer")
            return scene.wrap_up(call, agent, at)
        call.say(at, "retrieved", resource=agent.resource)
    return finish(scene, call, agent, at + scene.about(60))


def consulted(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """The agent asks another, who takes the call over or only knows the answer."""
    other = scene.colleague(agent)
    at += scene.about(80)
    call.say(at, "held", resource=agent.resource)
    at += scene.between(1, 3)
    call.say(at, "consult_started", resource=agent.resource, to={"resource": other.resource})
    at += scene.between(3, 10)
    call.say(at, "consult_answered", resource=agent.resource, to={"resource": other.resource})
    at += scene.about(30)
    if scene.chance(0.4):
        call.say(at, "consult_ended", resource=agent.resource, to={"resource": other.resource})
        call.say(at + SECOND, "retrieved", resource=agent.resource)
        return finish(scene, call, agent, at + scene.about(60))
    call.say(at, "transferred", resource=agent.resource, kind="attended", to={"resource": other.resource})
    finish(scene, call, other, at + scene.about(120))
    return scene.wrap_up(call, agent, at)


def sent_on(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """A blind transfer: to a colleague, or into another queue, where some give up."""
    at += scene.about(50)
    if scene.chance(0.5):
        other = scene.colleague(agent)
        call.say(at, "transferred", resource=agent.resource, kind="blind", to={"resource": other.resource})
        call.say(at + 200, "alerting", resource=other.resource)
        answered = at + scene.between(2, 12)
        call.say(answered, "answered", resource=other.resource)
        finish(scene, call, other, answered + scene.about(140))
        return scene.wrap_up(call, agent, at)
    queue = scene.dice.choice([each for each in CALL_QUEUES if agent not in scene.world.desks[each].agents])
    call.say(at, "transferred", resource=agent.resource, kind="blind", to={"queue": queue})
    answer = find_agent(scene, call, queue, at + 100)
    if answer is not None:
        other, place, answered = answer
        scene.world.desks[queue].give_back(place, finish(scene, call, other, answered + scene.about(140)))
    return scene.wrap_up(call, agent, at)


def conference(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """A second agent joins; one of the two leaves first. Some conferences are a supervisor listening in."""
    other = scene.colleague(agent)
    at += scene.about(90)
    if scene.chance(0.3):
        call.say(at, "joined", resource=other.resource, role="supervisor", mode="monitor")
        call.say(at + MINUTE, "left", resource=other.resource, role="supervisor")
        return finish(scene, call, agent, at + MINUTE + scene.about(60))
    call.say(at, "joined", resource=other.resource, role="agent", mode="normal")
    at += scene.about(60)
    leaves, stays = (agent, other) if scene.chance(0.5) else (other, agent)
    call.say(at, "left", resource=leaves.resource, role="agent")
    ended = finish(scene, call, stays, at + scene.about(40))
    return ended if stays is agent else scene.wrap_up(call, agent, at)


def quote(scene: Scene, call: Item, agent: Agent, at: Millis) -> Millis:
    """The customer asks for a quote: the agent makes it while they talk, faxes it afterwards and closes the matter."""
    opportunity = f"OPP-{call.id[-6:]}"
    at += scene.about(60)
    made = [{"type": "opportunity", "id": opportunity, "action": "created"}]
    scene.activity(at, "quote", call.id, agent, objects=made, outcome="quoted")
    free_at = finish(scene, call, agent, at + scene.about(60))
    fax, sent_at = send_fax(scene, agent, free_at + scene.between(40, 150), previous=call.id)
    scene.activity(sent_at + 3 * SECOND, "fax", fax.id, agent, objects=[made[0] | {"action": "updated"}])
    if scene.chance(0.7):
        closed = {"outcome": "quote_sent", "result": "opportunity", "reason": "quote", "follow_up": "call_next_week"}
        scene.paper.write(sent_at + scene.between(10, 40), "interaction.wrapped_up", CRM, call.id, dict(closed))
    return free_at
