"""A scene: one customer's story, with the dice and the paper that it is written with."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from touchpoint.simulate.script import MINUTE, SECOND, CloudEvent, Item, Millis, Paper, instant
from touchpoint.simulate.world import Agent, Customer, World

PBX, MAIL, FAX, CHAT, CRM, SHOP = "sim/pbx", "sim/mail", "sim/fax", "sim/chat", "sim/crm", "sim/shop"

DISPOSITIONS = (
    ("resolved", "answered", "question"),
    ("resolved", "changed", "address"),
    ("sold", "order", "renewal"),
    ("open", "promised", "complaint"),
    ("forwarded", "second_line", "fault"),
)


@dataclass
class Scene:
    """One customer's story from `at` on."""

    world: World
    dice: random.Random
    paper: Paper
    customer: Customer
    at: Millis

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def between(self, least: float, most: float) -> Millis:
        """A span of so many seconds."""
        return int(self.dice.uniform(least, most) * SECOND)

    def about(self, seconds: float) -> Millis:
        """A span around so many seconds, with the long tail of talk and work; at most 40 minutes."""
        return min(int(seconds * self.dice.lognormvariate(0, 0.6) * SECOND), 40 * MINUTE)

    def colleague(self, *others: Agent) -> Agent:
        """Somebody at another place than `others`."""
        desk = self.world.desks[self.dice.choice(sorted(self.world.desks))]
        candidates = [agent for agent in desk.agents if agent not in others]
        return self.dice.choice(candidates) if candidates else self.colleague(*others)

    def wrap_up(self, item: Item, agent: Agent, at: Millis) -> Millis:
        """After-contact work as systems report it: mostly both ends, sometimes the end alone, sometimes nothing."""
        work = self.about(35)
        outcome, result, reason = self.dice.choice(DISPOSITIONS)
        told: dict[str, Any] = {"outcome": outcome, "result": result, "reason": reason}
        if self.chance(0.08):
            return at
        if self.chance(0.12):
            item.say(at + work, "wrapup_ended", resource=agent.resource, duration_ms=work, **told)
            return at + work
        item.say(at, "wrapup_started", resource=agent.resource)
        item.say(at + work, "wrapup_ended", resource=agent.resource, **told)
        return at + work

    def identify(self, address: str) -> None:
        """The CRM finds a customer at their first contact; one that it knows twice is merged at the second."""
        customer, first = self.customer, self.customer.contacts == 0
        customer.contacts += 1
        if not customer.known:
            return
        at = self.at + self.between(0.5, 4)
        if first:
            for each in (customer.phone, customer.mail):
                twin = customer.duplicate and each == customer.mail
                id_ = f"{customer.id}-2" if twin else customer.id
                identity = {"id": id_, "account": customer.account, "name": customer.name}
                self.paper.write(at, "party.identified", CRM, each, identity)
        elif customer.duplicate and customer.contacts == 2:
            merge = {"from": f"{customer.id}-2", "into": customer.id}
            self.paper.write(at, "party.merged", CRM, address, merge)

    def activity(self, at: Millis, action: str, item: str | None, agent: Agent | None, **data: Any) -> None:
        """A business activity that is recorded when it is done."""
        id_ = self.paper.name("act")
        told: CloudEvent = {"activity": id_, "action": action, "ended": instant(at)}
        if item is None:
            told["party"] = {"address": self.customer.mail}
        else:
            told["media_item"] = item
        if agent is not None:
            told["resource"] = agent.resource
        self.paper.write(at, "activity.recorded", SHOP if agent is None else CRM, item, told | data)
