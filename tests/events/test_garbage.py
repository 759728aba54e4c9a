"""Nothing that may stand in a topic stops the decoder: a verdict with a cause that a person understands, always."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from canonical_events import DECODER, accepted, as_record, refused, smallest_event
from hypothesis import given
from hypothesis import strategies as st

from touchpoint.events import Accepted, DeadLetter, Skipped, event_types
from touchpoint.stitching.facts import Fact

GOOD = smallest_event("call.answered", data={"resource": {"id": "john"}, "queue": "sales"})
RECORD = as_record(GOOD)


@pytest.mark.parametrize(
    ("record", "code", "cause"),
    [
        (b"", "not_json", "the record is empty"),
        (b" \n", "not_json", "the record is empty"),
        (b"\x00\x01\x02\x03", "not_json", "the record is not JSON: "),
        (b"\xff\xfe{\x00}\x00", "not_json", "the record is not UTF-8: byte 0"),
        (RECORD[:-1], "not_json", "the record is not JSON: "),
        (RECORD[: len(RECORD) // 2], "not_json", "the record is not JSON: "),
        (RECORD + RECORD, "not_json", "the record is not JSON: "),
        (b"hello", "not_json", "the record is not JSON: "),
        (b"null", "not_json", "the record is not a JSON object but null"),
        (b"17", "not_json", "the record is not a JSON object but a number"),
        (b'"text"', "not_json", "the record is not a JSON object but text"),
        (b"true", "not_json", "the record is not a JSON object but a boolean"),
        (b"[" + RECORD + b"]", "mode", "send one event a record"),
        (b"[]", "mode", "send one event a record"),
        (b"{}", "missing", "this is not a CloudEvent: it has no specversion, id, source, type, time"),
        (b'{"order":5}', "missing", "this is not a CloudEvent"),
        (b"[" * 100_000, "not_json", "the record is not JSON: depth limit"),
        (RECORD.replace(b'"sales"', b"NaN"), "not_json", "the record is not JSON: "),
        (RECORD.replace(b'"sales"', b"-Infinity"), "not_json", "the record is not JSON: "),
        (RECORD.replace(b'"queue":"sales"', b'"x":1e999'), "not_json", "infinity"),
        (RECORD.replace(b"sales", b"\\ud83d"), "not_json", "surrogate"),
        (RECORD.replace(b"sales", b"\xed\xa0\xbd"), "not_json", "the record is not UTF-8: byte "),
        (RECORD.replace(b"sales", b"\xc3\x28"), "not_json", "the record is not UTF-8: byte "),
        (RECORD.replace(b"sales", b"a\x01b"), "not_json", "control character"),
        (RECORD.replace(b"sales", b"a\\u0000b"), "value", "data.queue holds the character NUL"),
        (RECORD.replace(b"john", b"a\\u0000b"), "value", "data.resource.id holds the character NUL"),
        (RECORD.replace(b'"queue"', b'"a\\u0000b"'), "value", "a name in data holds the character NUL"),
        (RECORD.replace(b'"queue":"sales"', b'"x":9223372036854775808'), "value", "data.x is a number beyond 64 bits"),
        (RECORD.replace(b'"queue":"sales"', b'"x":' + b"9" * 5_000), "not_json", "infinity"),
        (RECORD.replace(b'"queue":"sales"', b'"x":' + b"9" * 50), "value", "data.x is a number beyond 64 bits"),
        (RECORD.replace(b'"queue":"sales"', b'"x":-1e300'), "value", "data.x is a number beyond 64 bits"),
        (RECORD.replace(b'"queue"', b'"resource"'), "not_json", "the name 'resource' stands twice in one object"),
        (b'{"id":"a",' + RECORD[1:], "not_json", "the name 'id' stands twice in one object"),
        (RECORD.replace(b'"data"', b'"data_base64":"e30=","data"'), "mode", "data_base64 is not read"),
        (
            RECORD.replace(b'"data"', b'"datacontenttype":"text/plain","data"'),
            "mode",
            "data is 'text/plain'; only JSON",
        ),
        (RECORD.replace(b'"data"', b'"datacontenttype":7,"data"'), "mode", "data is a number; only JSON"),
        (RECORD.replace(b'"call.answered"', b'["call.answered"]'), "value", "type must be text, not a list"),
        (RECORD.replace(b'"call.answered"', b'{"a":1}'), "value", "type must be text, not an object"),
        (RECORD.replace(b'"call.answered"', b"7"), "value", "type must be text, not a number"),
        (RECORD.replace(b'"call.answered"', b"null"), "missing", "it has no type"),
        (RECORD.replace(b'"e1"', b"1"), "value", "id must be text, not a number"),
        (RECORD.replace(b'"e1"', b'""'), "value", "id is empty"),
        (RECORD.replace(b'"2026-01-05T09:00:00Z"', b"1767603600"), "value", "time must be text, not a number"),
        (b"x" * (10 << 20), "too_large", "the record has 10,485,760 bytes; at most 262,144 (256 KiB)"),
    ],
)
def test_garbage_is_a_dead_letter_that_says_why(record: bytes, code: str, cause: str) -> None:
    letter = refused(record)
    assert letter.code == code
    assert cause in letter.cause
    assert len(letter.cause) < 400


def test_a_ten_mib_event_is_refused_by_its_size() -> None:
    assert refused(smallest_event("call.summary", data={"x": ["y" * 1000] * 10_000})).code == "too_large"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\t", "\n: ")])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_duplicate_names_are_found_however_the_json_is_spaced(separators: tuple[str, str], ensure_ascii: bool) -> None:
    event = GOOD | {"data": {"resource": {"id": "jöhn, \": the 'first'"}, "reason": '": ", ', "x": 1e5, "é": 'a\\", "'}}
    text = json.dumps(event, separators=separators, ensure_ascii=ensure_ascii)
    assert accepted(text.encode()) == accepted(event)
    comma, colon = separators
    for twice in (
        f'{{"id"{colon}"z"{comma}' + text[1:],
        text.replace('"reason"', '"x"'),
        text.replace('"reason"', '"\\u0078"'),
    ):
        assert "stands twice in one object" in refused(twice.encode()).cause


def test_an_escaped_backslash_before_u0000_is_not_a_nul() -> None:
    assert accepted(RECORD.replace(b"sales", b"a\\\\u0000b")).data["queue"] == "a\\u0000b"


def test_a_large_event_with_a_nul_or_a_deep_value_is_refused_too() -> None:
    big = GOOD | {"data": GOOD["data"] | {"pad": ["x" * 1_000] * 8, "deep": {"a": [{"b": "c\x00"}]}}}
    assert refused(big).cause.startswith("data.deep.a.b holds the character NUL")


# ---- fuzz: never an exception, always a verdict; what is accepted survives its encoding ----------------------------

ODD_TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "anonymous", "2026-01-05T09:00:00Z", "\x00", "tel:+44", "a@b", "sip:", "fax:1", "\u202e", "9" * 300]
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**63, -(2**63), 2**64])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "direction party resource queue reason related campaign reported ext dialed message_id references flow priority to "
    "role mode kind attempt pages length by duration_ms outcome activity action media_item started ended objects "
    "from from_ into id account address name parent started_at hold_ms x_at"
).split()
DATA = st.dictionaries(
    st.sampled_from(FIELDS) | ODD_TEXT,
    JSON | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    max_size=6,
)
ATTRIBUTES = (
    "specversion id source type time subject sequence recordedtime correlationid tenant dataschema datacontenttype "
    "dialect data odd"
).split()


def verdict_holds(value: bytes | None, headers: Any = (), key: bytes | None = None) -> None:
    """A verdict came, it was not the last resort, and a fact is as good after a round trip."""
    verdict = DECODER.decode(value, headers, key)
    if isinstance(verdict, DeadLetter):
        assert verdict.code != "internal", verdict
        assert verdict.cause
        verdict.cause.encode()
    elif isinstance(verdict, Accepted):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(verdict.fact), type=Fact) == verdict.fact
        assert b"\\u0000" not in msgspec.json.encode(verdict.fact)
        assert type(verdict.fact) is Fact
    else:
        assert verdict == Skipped("tombstone")


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=8))
def test_random_bytes_get_a_verdict(value: bytes | None, key: bytes | None) -> None:
    verdict_holds(value, (), key)


@given(JSON)
def test_random_json_gets_a_verdict(tree: Any) -> None:
    verdict_holds(json.dumps(tree).encode())


@given(
    st.sampled_from(event_types()),
    DATA,
    st.dictionaries(st.sampled_from(ATTRIBUTES) | ODD_TEXT, JSON, max_size=2),
    st.booleans(),
)
def test_a_valid_event_with_odd_parts_gets_a_verdict(
    name: str, data: dict[str, Any], attributes: dict[str, Any], onto: bool
) -> None:
    event = smallest_event(name)
    event["data"] = {**event.get("data", {}), **data} if onto else {**data, **event.get("data", {})}
    verdict_holds(json.dumps(event | attributes).encode())


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_valid_record_with_flipped_bytes_gets_a_verdict(seed: int, flips: int) -> None:
    rng = random.Random(seed)
    record = bytearray(as_record(smallest_event(rng.choice(event_types()))))
    for _ in range(flips):
        record[rng.randrange(len(record))] = rng.randrange(256)
    verdict_holds(bytes(record[: rng.choice([len(record), rng.randrange(len(record))])]))


HEADER_NAMES = st.sampled_from(["content-type", *(f"ce_{name}" for name in ATTRIBUTES)]) | st.text(max_size=5)
HEADER_VALUES = st.binary(max_size=12) | st.sampled_from(
    [b"application/json", b"call.ended", b"1.0", b"2026-01-05T09:00:00Z"]
)


@given(st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=8), DATA)
def test_random_headers_get_a_verdict(headers: list[tuple[str, bytes]], data: dict[str, Any]) -> None:
    verdict_holds(json.dumps(data).encode(), headers)


def test_an_object_of_too_many_fields_is_refused_whether_known_or_not() -> None:
    many = {f"k{n}": 1 for n in range(1_001)}
    for event in (
        GOOD | many,
        GOOD | {"data": GOOD["data"] | {"ext": many}},
        GOOD | {"data": GOOD["data"] | {"x": many}},
    ):
        assert "fields; at most 1000" in refused(event).cause


def test_a_key_of_many_bytes_is_refused_whatever_they_are() -> None:
    for key in (b"k" * 5_000, b"\xff" * 5_000):
        assert DECODER.decode(RECORD, (), key) == DeadLetter(
            "the record's key has 5,000 bytes; at most 4096", "too_large"
        )


@pytest.mark.parametrize(
    "address", ["mailto:<" + "(" * 980 + "@", "<" * 990 + "@", "a@b" + '"<' * 480, "tel:+44" + ";" * 990]
)
def test_an_address_that_is_nothing_but_brackets_is_nobodys_and_no_fault_of_ours(address: str) -> None:
    verdict = DECODER.decode(as_record(GOOD | {"data": GOOD["data"] | {"party": {"address": address}}}))
    assert isinstance(verdict, Accepted), verdict
