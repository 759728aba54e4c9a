"""What goes wrong when: a pure function of a seed. No disk runs full: a worker keeps nothing on one."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """A fault; its value is how the report calls it."""

    KILL = "worker killed (-9)"
    STOP = "worker stopped (SIGTERM)"
    ADD = "worker added"
    REMOVE = "worker removed"
    FREEZE = "worker frozen beyond its session"
    PAUSE = "worker frozen within its session"
    BROKER_RESTART = "broker restarted"
    BROKER_KILL = "broker killed (-9) and started again"
    BROKER_FREEZE = "broker frozen beyond the sessions"
    POSTGRES_RESTART = "PostgreSQL restarted"
    POSTGRES_CRASH = "PostgreSQL crashed and started again"
    POSTGRES_DOWN = "PostgreSQL stopped for longer than a rebalance may take"
    DISCONNECT = "PostgreSQL connections ended in the middle of transactions"
    LOCK = "PostgreSQL table locked for seconds"


class Fault(NamedTuple):
    """One fault. `pick` chooses its victim; `lasts` is in seconds, where it has a duration."""

    at: float  # seconds after the beginning of the round
    kind: Kind
    pick: int
    lasts: float


FEWEST, MOST, AT_FIRST = 2, 4, 3
"""Workers."""
SESSION, REBALANCE = 4.0, 8.0
"""The workers' settings, in seconds: what is frozen beyond its session, and what lasts longer than a rebalance."""

# a broker that is back is not yet back for everybody: much more of it, and there would be nothing else
WEIGHTS = {
    Kind.KILL: 26, Kind.STOP: 10, Kind.ADD: 7, Kind.REMOVE: 7, Kind.FREEZE: 7, Kind.PAUSE: 4,
    Kind.BROKER_RESTART: 1, Kind.BROKER_KILL: 2, Kind.BROKER_FREEZE: 1,
    Kind.POSTGRES_RESTART: 5, Kind.POSTGRES_CRASH: 5, Kind.POSTGRES_DOWN: 3, Kind.DISCONNECT: 9, Kind.LOCK: 5,
}  # fmt: skip
LASTS = {
    Kind.FREEZE: (SESSION * 1.5, SESSION * 2),
    Kind.PAUSE: (0.3, SESSION * 0.4),
    Kind.BROKER_KILL: (0.0, 3.0),
    Kind.BROKER_FREEZE: (SESSION * 1.5, SESSION * 2),
    Kind.POSTGRES_CRASH: (0.0, 3.0),
    Kind.POSTGRES_DOWN: (REBALANCE * 1.25, REBALANCE * 2),
    Kind.LOCK: (2.0, 8.0),
}
LONG = {Kind.POSTGRES_DOWN: (90.0, 150.0), Kind.BROKER_FREEZE: (20.0, 30.0)}
"""Once in a long round. What producers hold back while the broker is away so long must not be late afterwards."""

OF_THREE = WEIGHTS | {Kind.BROKER_RESTART: 4, Kind.BROKER_KILL: 8, Kind.BROKER_FREEZE: 4}
"""With three brokers one of them is an ordinary loss: the other two go on."""

TOGETHER = 0.35  # the share of faults that come with the one before
MEAN_GAP, MEAN_GAP_OF_THREE = 2.5, 4.0  # seconds between the others; a replica has to catch up


def schedule(seed: int, faults: int, long: bool = False, brokers: int = 1) -> list[Fault]:
    """So many faults, in order of time; every kind occurs if there are as many. `long`: some last once longer."""
    weights, mean = (WEIGHTS, MEAN_GAP) if brokers == 1 else (OF_THREE, MEAN_GAP_OF_THREE)
    dice = random.Random(seed)
    longer = dict(LONG) if long else {}
    kinds = list(Kind)[:faults]
    kinds += dice.choices(list(weights), list(weights.values()), k=faults - len(kinds))
    dice.shuffle(kinds)
    at, plan = 0.0, []
    for kind in within_bounds(kinds):
        at += dice.uniform(0.0, 0.4) if dice.random() < TOGETHER else dice.uniform(0.5, 2 * mean)
        span = longer.pop(kind, None) or LASTS.get(kind, (0.0, 0.0))
        plan.append(Fault(round(at, 3), kind, dice.randrange(MOST * 3), round(dice.uniform(*span), 3)))
    return plan


def within_bounds(kinds: list[Kind]) -> list[Kind]:
    """Added and removed such that there are never fewer or more workers than there may be."""
    workers, bounded = AT_FIRST, []
    for kind in kinds:
        if kind is Kind.ADD and workers == MOST:
            kind = Kind.REMOVE  # noqa: PLW2901 - the other way
        elif kind is Kind.REMOVE and workers == FEWEST:
            kind = Kind.ADD  # noqa: PLW2901 - the other way
        workers += (kind is Kind.ADD) - (kind is Kind.REMOVE)
        bounded.append(kind)
    return bounded
