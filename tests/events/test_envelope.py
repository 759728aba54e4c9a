"""The envelope of contract.md 2: both content modes, times, limits, versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from canonical_events import DECODER, accepted, as_record, refused, smallest_event

from touchpoint.events import Accepted, DeadLetter, Skipped

FULL: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7f3a/4",
    "source": "/pbx/löndon",
    "type": "call.answered",
    "time": "2026-01-05T09:00:50.125001+01:00",
    "subject": "c1",
    "sequence": "000004",
    "correlationid": "k1",
    "recordedtime": "2026-01-05T08:00:51Z",
    "tenant": "t1",
    "dialect": "asterisk-ami",
    "dataschema": "urn:touchpoint:call.answered:1.7",
    "traceparent": "00-4bf9",
    "data": {"resource": {"id": "john", "kind": "agent"}, "vip": True},
}


def binary(
    event: dict[str, Any], content_type: str | None = "application/json"
) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The event in binary mode."""
    headers = [(f"ce_{name}", value.encode()) for name, value in event.items() if name != "data"]
    if content_type is not None:
        headers.append(("content-type", content_type.encode()))
    return (json.dumps(event["data"]).encode() if "data" in event else b""), headers


def test_every_attribute_reaches_the_fact() -> None:
    fact = accepted(FULL)
    assert (fact.kind, fact.verb, fact.source, fact.id) == ("call", "answered", "/pbx/löndon", "7f3a/4")
    assert datetime.fromtimestamp(fact.time / 1e6, UTC) == datetime(2026, 1, 5, 8, 0, 50, 125001, UTC)
    assert fact.recorded == 1767600051_000000
    assert (fact.subject, fact.tenant, fact.sequence, fact.correlation) == ("c1", "t1", "000004", "k1")
    assert fact.dialect == "asterisk-ami"
    assert fact.data == {"resource": {"id": "john", "kind": "agent"}}
    assert fact.ext == {"traceparent": "00-4bf9", "data": {"vip": True}}


def test_absent_attributes_take_their_defaults() -> None:
    fact = accepted(smallest_event("call.ended"))
    assert fact.tenant == "default"
    assert (fact.sequence, fact.recorded, fact.correlation, fact.dialect) == (None, None, None, None)
    assert (fact.data, fact.ext) == ({}, {})


def test_null_and_empty_optional_attributes_are_absent() -> None:
    plain = accepted(smallest_event("call.ended"))
    names = ("sequence", "correlationid", "tenant", "dialect", "dataschema")
    for nothing in (None, ""):
        assert accepted(smallest_event("call.ended") | dict.fromkeys(names, nothing)) == plain
    assert accepted(smallest_event("call.ended") | {"recordedtime": None, "data": None}) == plain


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/json", None])
def test_binary_and_structured_mode_give_the_same_fact(content_type: str | None) -> None:
    structured = DECODER.decode(as_record(FULL), [("content-type", b"application/cloudevents+json; charset=UTF-8")])
    assert isinstance(structured, Accepted)
    assert DECODER.decode(as_record(FULL)) == structured
    assert DECODER.decode(*binary(FULL, content_type)) == structured


def test_headers_of_others_do_not_matter_and_names_may_be_capitalised() -> None:
    value, headers = binary(FULL)
    capitalised = [(name.title(), text) for name, text in headers]
    others = [("traceparent", b"\xff\xfe"), ("traceparent", b"twice"), ("x", b"")]
    assert DECODER.decode(value, [*others, *capitalised]) == DECODER.decode(as_record(FULL))
    assert DECODER.decode(as_record(FULL), others) == DECODER.decode(as_record(FULL))
    # a producer that calls a whole event plain JSON
    assert DECODER.decode(as_record(FULL), [("content-type", b"application/json")]) == DECODER.decode(as_record(FULL))


def test_a_binary_event_may_have_no_data() -> None:
    value, headers = binary(smallest_event("call.ended"))
    assert value == b""
    assert DECODER.decode(value, headers) == DECODER.decode(as_record(smallest_event("call.ended")))


def test_a_null_value_is_a_tombstone_and_skipped() -> None:
    assert DECODER.decode(None) == Skipped("tombstone")
    assert DECODER.decode(None, [("ce_id", b"\xff")], b"\xff") == Skipped("tombstone")


@pytest.mark.parametrize(
    ("headers", "code", "cause"),
    [
        ([("content-type", b"application/cloudevents-batch+json")], "mode", "batched content mode is not used"),
        ([("content-type", b"application/cloudevents+avro")], "mode", "use application/cloudevents+json"),
        ([("ce_id", b"1"), ("content-type", b"application/avro")], "mode", "data is 'application/avro'; only JSON"),
        ([("ce_id", b"1"), ("ce_id", b"2")], "mode", "the header 'ce_id' stands twice"),
        ([("ce_id", b"1"), ("CE_ID", b"1")], "mode", "the header 'ce_id' stands twice"),
        ([("ce_id", b"\xc3\x28")], "not_json", "the header 'ce_id' is not UTF-8"),
        ([("ce_id", b"a\x00b")], "value", "the header 'ce_id' holds the character NUL"),
        ([("ce_id", b"1"), ("ce_data", b"{}")], "mode", "ce_data is not read"),
        ([("ce_x", b"a" * 4097)], "too_large", "the header 'ce_x' has more than 4096 bytes"),
        ([("x", b"a" * 262_144)], "too_large", "the record has 262,147 bytes; at most 262,144 (256 KiB)"),
        ([("ce_id", b"1")], "missing", "this is not a CloudEvent: it has no specversion, source, type, time"),
    ],
)
def test_headers_that_cannot_be_read_are_a_dead_letter(headers: list[tuple[str, bytes]], code: str, cause: str) -> None:
    verdict = DECODER.decode(b"{}", headers)
    assert isinstance(verdict, DeadLetter)
    assert verdict.code == code
    assert cause in verdict.cause


def test_a_key_must_be_utf_8_and_may_be_anything_else() -> None:
    record = as_record(FULL)
    assert DECODER.decode(record, key=b"c\xff") == DeadLetter("the record's key is not UTF-8: byte 1", "key")
    for key in (None, b"", b"other", "ключ".encode()):
        assert isinstance(DECODER.decode(record, key=key), Accepted)


# ---- time -----------------------------------------------------------------------------------------------------------

AT_NINE = 1767603600_000000


@pytest.mark.parametrize(
    ("time", "after_nine"),
    [
        ("2026-01-05T09:00:00Z", 0),
        ("2026-01-05t09:00:00z", 0),
        ("2026-01-05 09:00:00Z", 0),
        ("2026-01-05T09:00:00-00:00", 0),
        ("2026-01-05T14:45:00+05:45", 0),
        ("2026-01-04T21:00:00-12:00", 0),
        ("2026-01-05T09:00:00.000001Z", 1),
        ("2026-01-05T09:00:00.5Z", 500_000),
        ("2026-01-05T09:00:00.123456789Z", 123_456),
        ("2026-01-05T09:00:00.9999999Z", 999_999),
        ("2026-01-05T08:59:60Z", 0),
        ("2026-01-05T08:59:60.25+00:00", 250_000),
    ],
)
def test_a_time_is_rfc_3339_to_the_microsecond(time: str, after_nine: int) -> None:
    assert accepted(smallest_event("call.ended", time=time)).time - AT_NINE == after_nine


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z"])
def test_earliest_and_latest_instants_are_accepted(time: str) -> None:
    assert accepted(smallest_event("source.heartbeat", time=time)).time >= 0


@pytest.mark.parametrize(
    ("time", "cause"),
    [
        ("2026-01-05T09:00:00", "time has no offset: '2026-01-05T09:00:00'; write RFC 3339 with an offset"),
        ("2026-01-05T09:00:00.5", "time has no offset"),
        ("2026-01-05", "time is not an instant"),
        ("20260105T090000Z", "time is not an instant"),
        ("2026-W01-1T09:00:00Z", "time is not an instant"),
        ("1767603600", "time is not an instant"),
        ("yesterday", "time is not an instant"),
        ("2026-01-05T09:00:00 Europe/London", "time is not an instant"),
        ("2026-01-05T09:00:00Z\n", "time is not an instant"),
        ("٢٠٢٦-01-05T09:00:00Z", "time is not an instant"),
        ("", "time is not an instant"),
        ("2026-02-30T09:00:00Z", "which is not a day and an hour that exist"),
        ("2026-01-05T24:00:00Z", "which is not a day and an hour that exist"),
        ("2026-01-05T09:60:00Z", "which is not a day and an hour that exist"),
        ("2026-01-05T09:00:61Z", "which is not a day and an hour that exist"),
        ("2026-01-05T09:00:00+24:00", "which is not a day and an hour that exist"),
        ("2026-01-05T09:00:00+01:99", "time is not an instant"),
        ("0000-01-01T00:00:00Z", "which is not a day and an hour that exist"),
        ("0001-01-01T00:00:00Z", "an event happens in the years 1970 to 9998"),
        ("0001-01-01T00:00:00+14:00", "an event happens in the years 1970 to 9998"),
        ("1969-12-31T23:59:59Z", "an event happens in the years 1970 to 9998"),
        ("9999-01-01T00:00:00Z", "an event happens in the years 1970 to 9998"),
        ("9999-12-31T23:59:60Z", "time is '9999-12-31T23:59:60Z'"),
        ("9999-12-31T23:59:59-12:00", "an event happens in the years 1970 to 9998"),
    ],
)
def test_a_time_that_cannot_be_placed_is_a_dead_letter(time: str, cause: str) -> None:
    letter = refused(smallest_event("call.ended", time=time))
    assert letter.code == "time"
    assert cause in letter.cause


def test_a_recorded_time_obeys_the_same_rule() -> None:
    letter = refused(smallest_event("call.ended", recordedtime="2026-01-05T09:00:00"))
    assert (letter.code, letter.cause[:27]) == ("time", "recordedtime has no offset:")


# ---- limits and types -----------------------------------------------------------------------------------------------


def test_a_record_of_256_kib_is_accepted_and_one_byte_more_is_not() -> None:
    event = smallest_event("call.summary", data={"rows": [["x" * 4_000]] * 64, "pad": [""]})
    short = 262_144 - len(as_record(event))
    event["data"]["pad"] = ["y" * 4_000] * (short // 4_003) + ["y" * (short % 4_003)]
    assert len(as_record(event)) == 262_144
    assert accepted(event).ext["data"]["rows"][63] == ["x" * 4_000]
    event["id"] += "2"
    assert refused(event) == DeadLetter("the record has 262,145 bytes; at most 262,144 (256 KiB)", "too_large")


def test_an_id_of_200_characters_is_accepted_and_one_more_is_not() -> None:
    long = "ü" * 201
    for name in ("id", "source", "subject", "sequence", "correlationid", "tenant"):
        accepted(smallest_event("call.ended", **{name: long[:200]}))
        letter = refused(smallest_event("call.ended", **{name: long}))
        assert (letter.code, letter.cause) == ("too_large", f"{name} has 201 characters; at most 200")
    for path, data in [
        ("data.queue", {"queue": long}),
        ("data.resource.id", {"resource": {"id": long}}),
        ("data.party.id", {"party": {"id": long}}),
        ("data.related.parent", {"related": {"parent": long}}),
    ]:
        assert refused(smallest_event("call.ended", data=data)).cause == f"{path} has 201 characters; at most 200"


@pytest.mark.parametrize("letter", ["x", "ü", "\U0001f4de"])
def test_a_text_of_4_kib_is_accepted_and_more_is_not_wherever_it_stands(letter: str) -> None:
    fits = letter * (4_096 // len(letter.encode()))
    accepted(smallest_event("call.ended", data={"reason": fits, "unknown": [fits]}))
    for data in ({"reason": fits + "x"}, {"unknown": [fits + "x"]}, {"ext": {"a": {"b": fits + "x"}}}, {fits + "x": 1}):
        assert refused(smallest_event("call.ended", data=data)).code == "too_large"


def test_lists_and_nesting_are_limited() -> None:
    objects = [{"type": "order", "id": str(n)} for n in range(1_001)]
    event = smallest_event("activity.ended", data={"activity": "a1", "objects": objects})
    assert "1001 elements; at most 1000" in refused(event).cause
    assert "1001 elements; at most 1000" in refused(smallest_event("call.ended", data={"x": [0] * 1_001})).cause
    for depth, fits in ((29, True), (33, False), (900, False)):
        nested = b'{"x":' + b"[" * depth + b"]" * depth + b"}"
        record = as_record(smallest_event("call.ended", data={})).replace(b'"data":{}', b'"data":' + nested)
        assert isinstance(DECODER.decode(record), Accepted) is fits


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        ({"queue": 5}, "data.queue must be text, not a number"),
        ({"queue": True}, "data.queue must be text, not a boolean"),
        ({"queue": ["a"]}, "data.queue must be text, not a list"),
        ({"resource": "john"}, "data.resource must be an object, not text"),
        ({"resource": {"id": 7}}, "data.resource.id must be text, not a number"),
        ({"resource": {"id": ""}}, "data.resource.id is empty"),
        ({"resource": {"id": "a", "kind": "human"}}, "data.resource.kind is 'human'; allowed: agent, bot, system"),
        ({"resource": {"id": "a", "kind": 1}}, "data.resource.kind is a number; allowed: agent, bot, system"),
        ({"duration_ms": "5"}, "data.duration_ms must be a whole number, not text"),
        ({"duration_ms": True}, "data.duration_ms must be a whole number, not a boolean"),
        ({"duration_ms": 1.0}, "data.duration_ms must be a whole number, not a decimal number"),
        ({"duration_ms": -1}, "data.duration_ms must be at least 0"),
        ({"duration_ms": 2**62}, "data.duration_ms must be at most 316,224,000,000"),
        ({"reported": {"hold_ms": "3"}}, "data.reported.hold_ms must be a whole number, not text"),
        (
            {"reported": {"ring_ms": True}},
            "data.reported.ring_ms must be a whole number of milliseconds, not a boolean",
        ),
        ({"reported": {"ring_ms": -5}}, "data.reported.ring_ms must be 0 to 316,224,000,000 milliseconds"),
        ({"reported": {"left_at": 5}}, "data.reported.left_at is not an instant: int"),
        ({"reported": {"started_at": "2026-01-05T09:00:00"}}, "data.reported.started_at has no offset"),
        ([], "data must be an object, not a list"),
        ("{}", "data must be an object, not text"),
        (7, "data must be an object, not a number"),
    ],
)
def test_a_wrong_type_is_a_dead_letter_that_names_the_field(data: Any, cause: str) -> None:
    assert cause in refused(smallest_event("call.wrapup_ended", data=data)).cause


@pytest.mark.parametrize("specversion", ["0.3", "1.1", 1, 1.0, None])
def test_unknown_specversion_is_a_dead_letter(specversion: Any) -> None:
    letter = refused(smallest_event("call.ended") | {"specversion": specversion})
    assert letter.cause.startswith("specversion is ")


@pytest.mark.parametrize(
    ("dataschema", "fits"),
    [
        ("urn:touchpoint:call.ended:1", True),
        ("urn:touchpoint:call.ended:1.9", True),
        ("https://example.com/events/v1", True),
        ("https://example.com/events/1.4.2", True),
        ("https://example.com/events/v1.json#/x", True),
        ("https://example.com:8080/events", True),
        ("https://example.com/schema.json", True),
        ("urn:touchpoint:call.ended:2", False),
        ("urn:touchpoint:call.ended:0.9", False),
        ("https://example.com/events/v2", False),
        ("https://example.com/events/2.0/", False),
        ("https://example.com/events/10", False),
    ],
)
def test_an_unknown_major_version_is_a_dead_letter_and_an_unknown_minor_one_is_not(dataschema: str, fits: bool) -> None:
    event = smallest_event("call.ended", dataschema=dataschema)
    if fits:
        accepted(event)
    else:
        assert refused(event).code == "schema"


def test_a_cause_never_quotes_a_person_s_name_or_address() -> None:
    secret = "Zebedee <zebedee@example.com>"
    spoiled: list[dict[str, Any]] = [
        {"party": secret},
        {"party": {"address": [secret]}},
        {"party": {"name": {"first": secret}}},
        {"party": {"name": secret * 400}},
        {"party": {"address": secret * 40}},
        {"party": {"address": f"{secret}\x00"}},
        {"to": secret},
        {"to": {"address": [secret]}},
    ]
    for data in spoiled:
        assert "ebedee" not in refused(smallest_event("call.transferred", data=data)).cause
    assert "ebedee" not in refused(smallest_event("call.offered", data={"dialed": [secret]})).cause
    assert "ebedee" not in refused(smallest_event("party.identified", subject="Zebedee")).cause
    assert "ebedee" not in refused(as_record(smallest_event("call.ended", subject=secret))[:-1]).cause
