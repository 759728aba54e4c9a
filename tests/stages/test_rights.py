"""What a topic may say: types belong to topics; a topic may be bound to tenants, and in what it says of parties."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from canonical_events import accepted, smallest_event
from stage_cluster import Cluster

from touchpoint.events import Accepted
from touchpoint.events.catalogue import event_types
from touchpoint.kafka.topic_rights import topic_rights
from touchpoint.settings import SettingsError, load_settings
from touchpoint.stages.dead_letter_records import CAUSE, CODE
from touchpoint.stitching.limits import DEFAULT

Event = dict[str, Any]
INPUTS = ("calls", "emails", "faxes", "chats", "texts", "activities", "parties", "vendor:pbx.ami")
TOPICS = {"call": "calls", "email": "emails", "fax": "faxes", "chat": "chats", "sms": "texts", "activity": "activities",
          "interaction": "activities", "party": "parties"}  # fmt: skip
MARY = "tel:+441632960001"
WRAPUPS = ("wrapup_started", "wrapup_ended")


def settings(**topics: Any) -> Any:
    return load_settings(
        {}, channels={"sms": {"topic": "texts"}}, dialect_topics={"pbx.ami": {"dialect": "asterisk-ami"}}, topics=topics
    )


def carries(topic: str, type_: str) -> bool:
    kind, _, verb = type_.partition(".")
    return kind == "source" or TOPICS[kind] == topic or (verb in WRAPUPS and topic == "activities")


@pytest.mark.parametrize("topic", sorted({*TOPICS.values()}))
def test_a_topic_carries_its_types_and_heartbeats_and_no_others(topic: str) -> None:
    for type_ in event_types(["sms"]):
        letters = Sent(topic, smallest_event(type_)).letters
        assert [letter["code"] for letter in letters] == ([] if carries(topic, type_) else ["type"]), type_


def test_a_dialect_gives_events_of_channels_and_heartbeats_and_no_others() -> None:
    rights = topic_rights(settings())["vendor:pbx.ami"]
    for type_ in event_types(["sms"]):
        verdict = rights.judge(Accepted(accepted(smallest_event(type_))))
        assert isinstance(verdict, Accepted) == (
            type_.split(".")[0] in ("call", "email", "fax", "chat", "sms", "source")
        )


class Sent:
    """One partition, to which events were sent on one topic, and what became of them."""

    def __init__(self, topic: str, *events: Event, **topics: Any) -> None:
        feeds = {"vendor:pbx.ami": (settings().dialect_topics["pbx.ami"], 1)}
        self.cluster = Cluster(1, 1, DEFAULT, [t for t in INPUTS if t not in feeds], feeds, settings(**topics))
        self.send(topic, *events)

    def send(self, topic: str, *events: Event) -> None:
        for event in events:
            self.cluster.put(topic, (event.get("subject") or "").encode(), orjson.dumps(event))
        self.cluster.read()

    @property
    def letters(self) -> list[dict[str, str]]:
        every = [{name: value or b"" for name, value in letter.headers} for letter in self.cluster.dead]
        return [{"code": headers[CODE].decode(), "cause": headers[CAUSE].decode()} for headers in every]

    def closed(self) -> list[Event]:
        self.cluster.finish("2026-12-01T00:00:00Z")
        self.cluster.run()
        return [event["data"] for event in self.cluster.closed if event["type"] == "interaction.closed"]

    def told(self) -> list[str]:
        self.cluster.run()
        return [event["type"] for event in self.cluster.closed]


def call(item: str, **party: str) -> list[Event]:
    offered = smallest_event("call.offered", id="1", subject=item, data={"party": party, "direction": "inbound"})
    return [offered, smallest_event("call.ended", id="2", subject=item, time="2026-01-05T09:05:00Z")]


def test_producer_of_calls_can_neither_erase_merge_identify_nor_close() -> None:
    sent = Sent("calls", *call("c1", address=MARY)[:1])
    sent.send(
        "calls",
        smallest_event("party.erasure_requested", subject=MARY),
        smallest_event("party.merged", data={"from": "P1", "into": "EVIL"}),
        smallest_event("party.identified", subject=MARY, data={"id": "EVIL"}),
        smallest_event("interaction.close_requested", subject="c1"),
    )
    assert [letter["code"] for letter in sent.letters] == ["type"] * 4
    assert "topic calls carries call.*, source.*, and no party.* events; send it to topic parties" in str(sent.letters)
    assert "send it to topic activities" in str(sent.letters)
    assert sent.told() == []
    (row,) = sent.closed()
    assert row["closed_by"] == "quiet"
    assert row["party"] == {"address": MARY, "id": None, "name": None}
    assert row["identity"]["addresses"][0][1] == MARY


def test_an_unreadable_event_flags_no_item_of_another_topic() -> None:
    sent = Sent("calls", *call("c1", address=MARY))
    broken = smallest_event("call.alerting", subject="c1", data={"resource": 7})
    sent.send("emails", broken)
    assert [letter["code"] for letter in sent.letters] == ["type"]
    (row,) = sent.closed()
    assert (
        row["media_items"][0]["flags"]
        == Sent("calls", *call("c1", address=MARY)).closed()[0]["media_items"][0]["flags"]
    )


def test_a_topic_bound_to_tenants_speaks_of_no_other() -> None:
    ours, theirs = (
        {**event, "tenant": tenant} for tenant in ("acme", "other") for event in call("c1", address=MARY)[:1]
    )
    heartbeat = smallest_event("source.heartbeat", subject=None, tenant="third")
    sent = Sent("calls", ours, theirs, heartbeat, calls={"tenants": ["acme", "default"]})
    assert [letter["code"] for letter in sent.letters] == ["tenant", "tenant"]
    assert "topic calls" in sent.letters[0]["cause"]
    assert "other" not in sent.letters[0]["cause"], "a tenant may be a person's name"
    assert {row["tenant"] for row in sent.closed()} == {"acme"}


@pytest.mark.parametrize(
    ("identity", "known", "party"),
    [
        ("all", {"P1"}, {"address": MARY, "id": "P1", "name": "Mary"}),
        ("address", {None}, {"address": MARY, "id": None, "name": None}),
        ("none", {None}, {"address": None, "id": None, "name": None}),
    ],
)
def test_identity_asserted_by_a_topic_counts_as_far_as_it_is_allowed(
    identity: str, known: set[str | None], party: Event
) -> None:
    sent = Sent("calls", *call("c1", address=MARY, id="P1", name="Mary"), calls={"identity": identity})
    sent.send("emails", smallest_event("email.offered", subject="e1", id="9", data={"party": {"address": MARY}}))
    assert sent.letters == []
    rows = {row["media_items"][0]["media_item_id"]: row for row in sent.closed()}
    assert rows["c1"]["party"] == party
    assert {row["party_id"] for row in rows.values()} == known, "whether the call identified the address"


def test_an_activity_too_says_no_more_of_a_party_than_its_topic_may() -> None:
    data = {"activity": "a1", "action": "note", "party": {"address": MARY, "id": "P1"}}
    sent = Sent(
        "activities", smallest_event("activity.recorded", subject=None, data=data), activities={"identity": "address"}
    )
    (row,) = sent.closed()
    assert row["party"] == {"address": MARY, "id": None, "name": None}


@pytest.mark.parametrize("identity", ["none", "address"])
@pytest.mark.parametrize("verb", ["identified", "merged", "erasure_requested"])
def test_parties_may_be_closed_too(identity: str, verb: str) -> None:
    sent = Sent("parties", smallest_event(f"party.{verb}"), parties={"identity": identity})
    assert [letter["code"] for letter in sent.letters] == ["identity"]
    assert sent.told() == []


def test_a_heartbeat_in_a_topic_with_a_dialect_is_of_its_tenants() -> None:
    beat = smallest_event("source.heartbeat", subject=None, tenant="other")
    assert [each["code"] for each in Sent("vendor:pbx.ami", beat, **{"pbx.ami": {"tenants": ["acme"]}}).letters] == [
        "tenant"
    ]
    assert Sent("vendor:pbx.ami", {**beat, "tenant": "acme"}, **{"pbx.ami": {"tenants": ["acme"]}}).letters == []


def test_rights_of_a_topic_that_is_no_input_are_a_mistake() -> None:
    with pytest.raises(
        SettingsError, match=r"TOUCHPOINT_TOPICS: 'call' is not an input topic; these are: activities, calls"
    ):
        load_settings({}, topics={"call": {"identity": "none"}})
    with pytest.raises(SettingsError, match="TOUCHPOINT_TOPICS__CALLS__IDENTITY"):
        load_settings({}, topics={"calls": {"identity": "some"}})


def test_the_environment_binds_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHPOINT_TOPICS", '{"calls": {"tenants": "a, b", "identity": "address"}}')
    bound = load_settings().topics["calls"]
    assert (bound.tenants, bound.identity) == (("a", "b"), "address")
