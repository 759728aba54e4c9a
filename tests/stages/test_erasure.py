"""A person's erasure through the stages: told under every key, names gone from state, records untouched."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
from stage_cluster import SECRET, Cluster, records_of

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.ids import opaque
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.offline import stitch
from touchpoint.stitching.record_builder import address_id

Event = dict[str, Any]
MARY, OTHER, ADA = "tel:+441632960001", "mailto:mary@example.com", "tel:+441632960009"
END = "2026-12-01T00:00:00Z"


def event(kind: str, subject: str, at: str, **data: Any) -> Event:
    return {
        "specversion": "1.0", "id": f"{kind}/{subject}/{at}", "source": "test", "type": kind, "subject": subject,
        "time": f"2026-03-02T{at}Z", "data": data,
    }  # fmt: skip


def call(item: str, address: str, begin: str, end: str, name: str | None = None) -> list[Event]:
    party = {"address": address} | ({"name": name} if name else {})
    agent = {"id": "john", "name": "John Doe", "kind": "agent"}
    return [
        event("call.offered", item, begin, direction="inbound", party=party),
        event("call.answered", item, begin, resource=agent),
        event("call.ended", item, end),
    ]


def identified(address: str, party: str, at: str, name: str) -> Event:
    return event("party.identified", address, at, id=party, name=name, account="ACME")


def erasure(address: str, at: str, request: str = "gdpr-14") -> Event:
    return event("party.erasure_requested", address, at, request=request)


def opaque_id(address: str) -> str:
    return str(address_id(SECRET, "default", address))


KNOWN = [identified(MARY, "P1", "08:00:00", "Mary Jones"), identified(OTHER, "P1", "08:00:01", "Mary Jones"),
         identified(ADA, "P2", "08:00:02", "Ada Byron")]  # fmt: skip
OPEN = [*call("c1", MARY, "09:00:00", "11:00:00", "Mary Jones"), *call("c2", ADA, "09:00:00", "11:00:00", "Ada Byron")]
LATER = call("c3", MARY, "15:00:00", "15:10:00", "Mary Smith")


def run(*steps: list[Event]) -> Cluster:
    """Each step in full before the next."""
    cluster = Cluster(3, 1, DEFAULT)
    for events in steps:
        cluster.produce(events)
        cluster.run()
    cluster.finish(END)
    cluster.run()
    return cluster


def about(cluster: Cluster, item: str) -> Event:
    closed = [e["data"] for e in cluster.closed if e["type"] == "interaction.closed"]
    return next(data for data in closed if data["media_items"][0]["media_item_id"] == item)


def test_erasure_names_the_address_its_party_and_its_other_addresses_alone() -> None:
    cluster = run(KNOWN, OPEN[:2], [erasure(MARY, "10:00:00")])
    told = [e for e in cluster.closed if e["type"] == "party.erased"]
    assert {e["data"]["party"]["id"] for e in told} == {None, "P1"}
    named = [e["data"]["identity"]["addresses"][0][0] for e in told if e["data"]["identity"]["addresses"]]
    assert sorted(named) == sorted(opaque_id(address) for address in (MARY, OTHER))
    assert {e["data"]["erasure"]["party_key"] for e in told} == {
        opaque(SECRET, "default", value) for value in (MARY, OTHER, "P1")
    }
    assert {(e["data"]["erasure"]["request"], e["time"]) for e in told} == {("gdpr-14", "2026-03-02T10:00:00Z")}
    assert len(told) == 3
    assert not any(personal in str(told) for personal in ("Mary", "960001", "mary@"))


def test_erasure_closes_open_items_without_identity_and_later_ones_are_new() -> None:
    cluster = run(KNOWN, OPEN[:2], OPEN[3:5], [erasure(MARY, "10:00:00")], OPEN, LATER)
    before, after, other = (about(cluster, item) for item in ("c1", "c3", "c2"))
    assert before["party"] == {"address": None, "id": "P1", "name": None}
    assert before["identity"] == {"addresses": [], "agents": [["john", "John Doe"]], "erased": True}
    assert after["party"]["address"] == MARY
    assert after["identity"]["addresses"] == [[opaque_id(MARY), MARY]]
    assert other["party"] == {"address": ADA, "id": "P2", "name": "Ada Byron"}


def test_item_begun_before_an_erasure_closes_without_identity() -> None:
    cluster = run([erasure(MARY, "09:00:30")], call("c1", MARY, "09:00:00", "09:10:00", "Mary Jones"), LATER)
    assert about(cluster, "c1")["identity"]["erased"] is True
    assert about(cluster, "c3")["identity"]["addresses"] == [[opaque_id(MARY), MARY]]


def test_item_begun_before_an_erasure_by_party_id_closes_without_identity() -> None:
    cluster = run(KNOWN, [erasure(MARY, "10:00:00")], OPEN, LATER)
    assert about(cluster, "c1")["identity"] == {"addresses": [], "agents": [["john", "John Doe"]], "erased": True}
    assert about(cluster, "c3")["identity"]["addresses"] == [[opaque_id(MARY), MARY]]


def test_the_partys_other_addresses_are_told_also_when_nothing_of_theirs_is_open_any_more() -> None:
    cluster = Cluster(3, 1, DEFAULT)
    cluster.produce([*KNOWN, *call("c1", MARY, "09:00:00", "09:10:00")])
    cluster.finish("2026-03-03T00:00:00Z")
    cluster.run()
    assert about(cluster, "c1")["party"]["id"] == "P1"
    cluster.produce([erasure(MARY, "10:00:00") | {"time": "2026-03-03T08:00:00Z"}])
    cluster.run()
    told = [e["data"]["identity"]["addresses"] for e in cluster.closed if e["type"] == "party.erased"]
    named = [addresses[0][0] for addresses in told if addresses]
    assert sorted(named) == sorted(opaque_id(address) for address in (MARY, OTHER))


def test_erasures_are_forgotten_in_time() -> None:
    cluster = run([erasure(MARY, "09:00:30")])
    assert MARY.encode() not in names_in(cluster)


def test_the_closed_records_are_those_of_stitch() -> None:
    events = [*KNOWN, *OPEN, *LATER, erasure(MARY, "10:00:00")]
    cluster = run(KNOWN, OPEN[:2], [erasure(MARY, "10:00:00")], OPEN, LATER)
    assert hashes(records_of(cluster.closed)) == hashes(stitch(facts(events), DEFAULT, SECRET))


def facts(events: list[Event]) -> list[Any]:
    verdicts = [Decoder().decode(orjson.dumps(e)) for e in events]
    return [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]


def hashes(records: Any) -> dict[str, str]:
    return {record["interaction_id"]: record["content_hash"] for record in records}


def test_names_leave_the_state_of_what_is_open() -> None:
    cluster = Cluster(3, 1, DEFAULT)
    for events in (KNOWN, OPEN[:2], OPEN[3:5]):
        cluster.produce(events)
        cluster.run()
    assert b"Mary" in names_in(cluster)
    cluster.produce([erasure(MARY, "10:00:00")])
    cluster.run()
    assert b"Mary" not in names_in(cluster)
    assert b"Ada" in names_in(cluster)


def names_in(cluster: Cluster) -> bytes:
    return b"".join(v for (agent, _), state in cluster.states.items() if agent == "party" for v in state.values())


def test_a_repeated_request_is_told_once_while_its_party_is_known() -> None:
    cluster = run(KNOWN, [erasure(MARY, "10:00:00")], [erasure(MARY, "10:00:00")])
    assert len([e for e in cluster.closed if e["type"] == "party.erased"]) == 3
    assert cluster.dead == []


def test_every_request_is_told_whatever_the_clocks_say() -> None:
    """One system's clock is a day ahead of the other's, which asks later and seems to have asked before."""
    steps = [
        [erasure(MARY, "23:00:00", "ahead")],
        [erasure(MARY, "10:00:00", "gdpr-1")],
        [erasure(MARY, "10:00:00", "gdpr-2"), erasure(MARY, "10:00:00", "gdpr-1")],
    ]
    cluster = run(KNOWN, OPEN[:2], *steps, OPEN)
    told = Counter(e["data"]["erasure"]["request"] for e in cluster.closed if e["type"] == "party.erased")
    assert told == {"ahead": 3, "gdpr-1": 3, "gdpr-2": 3}, "the address, its party, and the party's other address"
    assert about(cluster, "c1")["identity"]["erased"] is True


def test_a_request_whose_clock_is_far_ahead_is_carried_out_as_of_its_append() -> None:
    cluster = run(KNOWN, OPEN[:2], [erasure(MARY, "10:00:00") | {"time": "2033-03-02T10:00:00Z"}], OPEN)
    assert cluster.dead == []
    told = [event for event in cluster.closed if event["type"] == "party.erased"]
    assert len(told) == 3
    assert {event["time"][:4] for event in told} == {"2027"}, "the append, not the time of the event"
    assert about(cluster, "c1")["identity"]["erased"] is True


def test_requests_without_a_name_are_told_apart_by_source_and_id_as_events_are() -> None:
    nameless = event("party.erasure_requested", MARY, "10:00:00")
    cluster = run([nameless], [nameless], [nameless | {"source": "another"}])
    told = [e["data"]["erasure"]["request"] for e in cluster.closed if e["type"] == "party.erased"]
    assert told == [f"{source} {nameless['id']}" for source in ("test", "another")]


def test_the_erasure_of_a_party_that_was_merged_reaches_both_sides() -> None:
    merge = event("party.merged", MARY, "08:30:00", **{"from": "P1", "into": "P9"})
    cluster = run(KNOWN, [merge], OPEN[:2], [erasure(OTHER, "10:00:00")], OPEN)
    assert cluster.dead == []
    told = [e["data"]["party"]["id"] for e in cluster.closed if e["type"] == "party.erased"]
    assert {"P1", "P9"} <= set(told)
    assert about(cluster, "c1")["identity"]["erased"] is True
    assert "erased" not in about(cluster, "c2")["identity"]


def test_an_address_is_erased_under_what_an_earlier_release_made_of_it_too() -> None:
    """0.1.0 kept Mexican mobiles with the 1 that was dialed then: the identity of that row is the same person's."""
    mexican, before = "tel:+525512345678", "tel:+5215512345678"
    cluster = run([erasure(mexican, "12:00:00")])
    (told,) = [each["data"] for each in cluster.closed if each["type"] == "party.erased"]
    ids = [known for known, _ in told["identity"]["addresses"]]
    assert ids[0] == opaque_id(mexican)
    assert opaque_id(before) in ids
