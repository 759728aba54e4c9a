"""Who there is: customers with their addresses, agents at their desks. Numbers and domains are reserved for fiction."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import Any

from touchpoint.simulate.script import Millis

FIRST = """
    John Rhonda Amir Ingrid Chen Lucia Tomasz Aisha Peter Noor Greta Samuel Yuki Bea Oscar
    Leila Marcus Ada Viktor Rosa Idris Hanna Felix Priya Jonas Wanda Elias Carmen Niall Zofia
""".split()
LAST = """
    Doe Miller Haddad Larsen Wei Moretti Nowak Khan Fischer Rahman Olsen Okafor Tanaka Hart Lind
    Farouk Stone Byron Petrov Vidal Bello Keller Brandt Nair Weber Kowal Roth Ortega Byrne Wolska
""".split()

# the numbers that Ofcom keeps free for drama: a thousand each
NUMBERS = ("441632960", "447700900", "442079460", "441134960", "441144960", "441154960", "441164960", "441174960")
DOMAINS = ("example.com", "example.org", "example.net")

CALL_QUEUES = {"sales": 0.35, "service": 0.3, "billing": 0.2, "support": 0.15}
DESKS = {  # desk: its share of all contacts and minutes of work on one
    **{queue: (0.56 * share, 6.0) for queue, share in CALL_QUEUES.items()},
    "webchat": (0.18, 5.0),
    "mailroom": (0.15, 12.0),
    "faxdesk": (0.09, 4.0),
}


@dataclass(frozen=True)
class Agent:
    """Somebody who works at a desk."""

    id: str
    name: str

    @property
    def resource(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "kind": "agent"}


@dataclass
class Customer:
    """Somebody who contacts us; `number` is the phone's and, for those who have one, the fax's."""

    id: str
    name: str
    account: str
    number: str
    mail: str
    known: bool  # the CRM knows them
    duplicate: bool  # ... and knows them twice, once by mail
    contacts: int = 0

    @property
    def phone(self) -> str:
        return f"tel:+{self.number}"

    @property
    def fax(self) -> str:
        return f"fax:+{self.number}"


@dataclass
class Desk:
    """Agents that serve one queue, the one that is free earliest first."""

    agents: list[Agent]
    free: list[tuple[Millis, int]] = field(default_factory=list)

    def take(self) -> tuple[Millis, int]:
        """The agent that is free earliest: since or from when, and their place at the desk."""
        return heapq.heappop(self.free)

    def give_back(self, place: int, free_at: Millis) -> None:
        heapq.heappush(self.free, (free_at, place))


class World:
    """The centre and its customers, as big as its volume (contacts an hour) asks for."""

    def __init__(self, dice: random.Random, volume: float, hours: float) -> None:
        self.desks: dict[str, Desk] = {}
        names = [(first, LAST[(n + row) % len(LAST)]) for row in range(len(LAST)) for n, first in enumerate(FIRST)]
        hired = 0
        for desk, (share, minutes) in DESKS.items():
            number = int(volume * share * minutes / 60 * 1.02) + 1
            agents = [self._agent(*names[n % len(names)], n // len(names)) for n in range(hired, hired + number)]
            hired += number
            self.desks[desk] = Desk(agents, [(0, place) for place in range(number)])
        count = min(len(NUMBERS) * 1_000, max(20, int(volume * hours * 0.7)))
        self.customers = [self._customer(dice, n) for n in dice.sample(range(len(NUMBERS) * 1_000), count)]

    @staticmethod
    def _agent(first: str, last: str, again: int) -> Agent:
        number = str(again + 1) if again else ""
        return Agent(f"{first}.{last}{number}".lower(), f"{first} {last}{' ' + number if number else ''}")

    @staticmethod
    def _customer(dice: random.Random, n: int) -> Customer:
        first, last = dice.choice(FIRST), dice.choice(LAST)
        return Customer(
            id=f"C{100_000 + n}",
            name=f"{first} {last}",
            account=f"A{20_000 + n // 3}",
            number=f"{NUMBERS[n // 1_000]}{n % 1_000:03d}",
            mail=f"mailto:{first}.{last}{n}@{dice.choice(DOMAINS)}".lower(),
            known=dice.random() < 0.7,
            duplicate=dice.random() < 0.03,
        )
