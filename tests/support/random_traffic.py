"""Small worlds of contradictory traffic: few parties, few items, everything that may connect them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
Tell = Callable[..., None]  # (at, type, subject, data, **attributes)

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADDRESSES = ("tel:+441632960001", "tel:+441632960002", "mailto:c@example.com")
PARTIES = ("P1", "P2", "P3")
AGENTS = ("ann", "bob")
VERBS = {
    "call": "offered queued alerting answered held retrieved transferred released disconnected ended "
    "wrapup_started wrapup_ended",
    "chat": "offered queued answered message message released ended",
    "fax": "dialing transmission_started transmission_failed transmitted ended",
    "email": "offered queued answered draft_started sent released ended",
}


def world(seed: int, identity: bool = True) -> list[Json]:
    """A few hours of events in order of event time."""
    dice = random.Random(seed)
    events: list[Json] = []

    def event(at: float, kind: str, subject: str | None, data: Json, **attributes: str) -> None:
        time = (START + timedelta(seconds=round(at, dice.choice((0, 3))))).isoformat()
        made = {"specversion": "1.0", "id": f"e{len(events)}", "source": dice.choice("xy"), "type": kind, "time": time}
        events.append(made | ({"subject": subject} if subject else {}) | attributes | {"data": data})

    items = [f"{channel[0]}{n}" for n, channel in enumerate(dice.choices(list(VERBS), k=dice.randint(1, 5)))]
    channels = {"c": ("call", "chat"), "f": ("fax",), "e": ("email",)}
    for item in items:
        _item(dice, event, item, dice.choice(channels[item[0]]), items)
    for n in range(dice.randint(0, 3)):
        _around(dice, event, f"a{n}", items)
    if identity:
        for _ in range(dice.randint(0, 2)):
            _identity(dice, event)
    return sorted(events, key=lambda made: (datetime.fromisoformat(made["time"]), made["id"]))


def _item(dice: random.Random, event: Tell, item: str, channel: str, items: list[str]) -> None:
    at = dice.choice((0, 500, 1_000, 4_000)) + dice.uniform(0, 900)
    party: Json = {}
    if dice.random() < 0.6:
        party["address"] = dice.choice(ADDRESSES)
    if dice.random() < 0.3:
        party["id"] = dice.choice(PARTIES)
    known_from = dice.choice((0, 0, 1, 3))
    correlation = {"correlationid": dice.choice("kl")} if dice.random() < 0.2 else {}
    for n, verb in enumerate(dice.choices(VERBS[channel].split(), k=dice.randint(1, 7))):
        data: Json = {"resource": {"id": dice.choice(AGENTS), "kind": "agent"}, "queue": dice.choice("QR")}
        if verb == "message":
            data = {"role": dice.choice(("customer", "agent"))}
        if verb == "transferred":
            data["to"] = {"resource": {"id": dice.choice(AGENTS)}}
        if party and n >= known_from:
            data["party"] = party
        if party and not known_from and dice.random() < 0.15:
            data["related"] = {dice.choice(("parent", "previous", "resumes")): dice.choice(items)}
        event(at, f"{channel}.{verb}", item, data, **correlation)
        at += dice.choice((0, 1, 20, 100, 700, 2_000))
    if dice.random() < 0.15:
        event(at, f"{channel}.alias", item, {"to": dice.choice(items)})


def _around(dice: random.Random, event: Tell, activity: str, items: list[str]) -> None:
    at = dice.uniform(0, 6_000)
    named = {"media_item": dice.choice(items)} if dice.random() < 0.6 else {}
    party = {"party": {"address": dice.choice(ADDRESSES)}} if not named or dice.random() < 0.2 else {}
    event(at, "activity.recorded", named.get("media_item"), {"activity": activity, "action": "note", **named, **party})
    if dice.random() < 0.5:
        verb = dice.choice(("wrapped_up", "close_requested"))
        event(dice.uniform(0, 6_000), f"interaction.{verb}", dice.choice(items), {"outcome": "done"})


def _identity(dice: random.Random, event: Tell) -> None:
    at = dice.uniform(0, 6_000)
    if dice.random() < 0.6:
        event(at, "party.identified", dice.choice(ADDRESSES), {"id": dice.choice(PARTIES), "account": "acme"})
    else:
        one, other = dice.sample(PARTIES, 2)
        event(at, "party.merged", ADDRESSES[0], {"from": one, "into": other})


def crowd(seed: int, worlds: int) -> list[Json]:
    """Several worlds at once: the same parties and correlationids, items of their own that name each other's."""
    dice = random.Random(seed)
    events: list[Json] = []
    for n in range(worlds):
        for event in world(seed * 1_000 + n):
            data = dict(event["data"])
            made = event | {"id": f"{n}/{event['id']}", "data": data}
            if "subject" in event and not event["type"].startswith("party."):
                made["subject"] = f"{event['subject']}-{n}"
            for name in ("activity", "media_item", "to"):
                if isinstance(data.get(name), str):
                    data[name] += f"-{n}"
            if "related" in data:
                data["related"] = {
                    kind: f"{item}-{n if dice.random() < 0.6 else dice.randrange(worlds)}"
                    for kind, item in data["related"].items()
                } | ({"thread": dice.choice("TUV")} if dice.random() < 0.5 else {})
            if event["type"].startswith("email.") and dice.random() < 0.5:
                data["message_id"] = f"m{n}@example.com"
                data["references"] = [f"m{dice.randrange(worlds)}@example.com" for _ in range(3)]
            if "correlationid" in event and dice.random() < 0.5:
                made["correlationid"] += str(dice.randrange(worlds))
            events.append(made)
    return sorted(events, key=lambda made: (datetime.fromisoformat(made["time"]), made["id"]))
