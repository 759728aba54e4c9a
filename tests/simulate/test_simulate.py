"""The simulated traffic is legal, repeatable, fictional and rich enough to show what the product does."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import orjson
import pytest

from touchpoint.events import Accepted, Decoder
from touchpoint.producer.routing import address
from touchpoint.simulate import simulate

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
FICTIONAL = re.compile(
    r"(tel|fax):\+44(1632960|7700900|2079460|113496|114496|115496|116496|117496|800555)\d+|mailto:.+@(example\.(com|org|net)|touchpoint\.example)"
    r"|chat:web/\d+"
)


@pytest.fixture(scope="module")
def hours() -> list[dict[str, Any]]:
    return list(simulate(1, START, hours=4, volume=300))


def test_simulation_gives_the_same_bytes_for_the_same_seed() -> None:
    first, second = (b"\n".join(orjson.dumps(e) for e in simulate(7, START, 1, 300)) for _ in range(2))
    assert first == second


def test_simulations_of_two_seeds_share_no_event() -> None:
    first, second = ({(e["source"], e["id"]) for e in simulate(seed, START, 1, 300)} for seed in (1, 2))
    assert len(first) > 1_000
    assert first.isdisjoint(second)


def test_every_event_is_accepted(hours: list[dict[str, Any]]) -> None:
    decoder = Decoder()
    verdicts = [decoder.decode(orjson.dumps(event)) for event in hours]
    assert [v for v in verdicts if not isinstance(v, Accepted)] == []


def test_events_come_in_order_of_event_time_each_once(hours: list[dict[str, Any]]) -> None:
    times = [event["time"] for event in hours]
    assert times == sorted(times)
    assert len({(e["source"], e["id"]) for e in hours}) == len(hours)


def test_every_address_is_reserved_for_fiction(hours: list[dict[str, Any]]) -> None:
    found = set(re.findall(r'"((?:tel|fax|mailto|chat):[^"]+)"', orjson.dumps(hours).decode()))
    assert len(found) > 300
    assert [a for a in found if not FICTIONAL.fullmatch(a)] == []


def test_simulation_offers_about_as_many_contacts_as_asked_for(hours: list[dict[str, Any]]) -> None:
    orders = sum(e["type"] == "activity.recorded" and "subject" not in e for e in hours)
    begun = sum(e["type"].endswith(".offered") for e in hours) + orders
    assert 0.9 * 1_200 < begun < 1.2 * 1_200  # emails that answer a reply come on top


def test_the_seeds_case_occurs_a_quote_on_the_phone_then_a_fax(hours: list[dict[str, Any]]) -> None:
    quoted = {e["subject"] for e in hours if e["type"] == "activity.recorded" and e["data"]["action"] == "quote"}
    faxed = [e for e in hours if e["type"] == "fax.dialing" and e["data"].get("related", {}).get("previous") in quoted]
    wrapped = {e["subject"] for e in hours if e["type"] == "interaction.wrapped_up"}
    assert len(quoted) >= 20
    assert len(faxed) == len(quoted)
    assert wrapped < quoted


@pytest.mark.parametrize(
    ("type_", "field", "value"),
    [
        ("call.dequeued", "reason", "abandoned"),
        ("call.alert_ended", "reason", "no_answer"),
        ("call.alert_ended", "reason", "canceled"),
        ("call.transferred", "kind", "blind"),
        ("call.transferred", "kind", "attended"),
        ("call.consult_ended", None, None),
        ("call.voicemail_started", None, None),
        ("call.joined", "mode", "monitor"),
        ("call.joined", "role", "agent"),
        ("call.dialing", "direction", "outbound"),
        ("call.failed", None, None),
        ("call.held", None, None),
        ("call.wrapup_ended", "outcome", "resolved"),
        ("email.sent", "kind", "auto_reply"),
        ("email.sent", "kind", "reply"),
        ("fax.transmission_failed", None, None),
        ("fax.failed", "reason", "busy"),
        ("fax.page", None, None),
        ("chat.message", "role", "bot"),
        ("party.identified", None, None),
        ("party.merged", None, None),
    ],
)
def test_traffic_shows_every_phenomenon(
    hours: list[dict[str, Any]], type_: str, field: str | None, value: str | None
) -> None:
    assert any(e["type"] == type_ and (field is None or e["data"].get(field) == value) for e in hours)


def test_simulated_emails_include_answers_to_our_answers(hours: list[dict[str, Any]]) -> None:
    replies = {e["data"]["message_id"] for e in hours if e["type"] == "email.sent" and e["data"]["kind"] == "reply"}
    answers = [e for e in hours if e["type"] == "email.offered" and e["data"].get("in_reply_to")]
    assert answers
    assert all(e["data"]["in_reply_to"] in replies for e in answers)


def test_simulated_chats_include_silences_of_over_five_minutes(hours: list[dict[str, Any]]) -> None:
    said: dict[str, list[datetime]] = {}
    for event in hours:
        if event["type"].startswith("chat."):
            said.setdefault(event["subject"], []).append(datetime.fromisoformat(event["time"]))
    silences = [b - a for times in said.values() for a, b in pairwise(times)]
    assert any(silence > timedelta(minutes=5) for silence in silences)


def test_agents_are_named_and_work_at_several_desks(hours: list[dict[str, Any]]) -> None:
    agents = Counter(e["data"]["resource"]["name"] for e in hours if e["type"].endswith(".answered"))
    assert len(agents) >= 15
    assert {e["data"]["queue"] for e in hours if e["type"].endswith(".queued")} >= {"sales", "billing", "webchat"}


def test_a_week_is_not_made_before_its_first_event_is_read() -> None:
    first = next(simulate(1, START, hours=24 * 7, volume=300))
    assert START <= datetime.fromisoformat(first["time"]) < START + timedelta(minutes=5)


@pytest.mark.parametrize("volume", [1, 10, 60])
def test_a_small_centre_with_one_agent_a_desk_works_too(volume: float) -> None:
    decoder = Decoder()
    events = list(simulate(1, START, hours=2_000 / volume, volume=volume))
    assert len(events) > 10_000
    assert all(isinstance(decoder.decode(orjson.dumps(event)), Accepted) for event in events)


def test_a_longer_run_begins_as_it_goes_on() -> None:
    assert len(list(islice(simulate(1, START, hours=1_000, volume=2_000), 5_000))) == 5_000


def test_simulated_events_have_the_topic_and_key_of_the_contract(hours: list[dict[str, Any]]) -> None:
    topics = {"call": "calls", "email": "emails", "fax": "faxes", "chat": "chats", "party": "parties"}
    for event in hours:
        kind = event["type"].split(".")[0]
        key = event.get("subject") or event["data"]["party"]["address"]
        assert address(event) == (topics.get(kind, "activities"), key)
