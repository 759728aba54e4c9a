"""Mailboxes: which message is of which item, whose it is, and when it came; nothing of a body or a subject."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from vendor_feed import events, fixture, items, said_of, translated

from touchpoint.dialects import Feed, Unknown

NAME = "mailbox"


def own() -> Feed:
    return Feed(own=frozenset({"mailto:service@touchpoint.example", "@internal.example"}))


def record(received: str | None = None, **headers: str) -> bytes:
    """One message as capture has it; `Message_ID` is the header Message-ID."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return orjson.dumps({"header": "\n".join(lines), "received": received})


def one(feed: Feed | None = None, received: str | None = None, **headers: str) -> dict[str, Any]:
    headers = {"From": "a@b.example", "Date": "Mon, 5 Jan 2026 09:00:00 +0000", "Message_ID": "<x@y>"} | headers
    return events(NAME, [record(received, **headers)], feed or own())[0]


def test_a_conversation_is_an_item_for_each_question_and_its_answers_are_of_it() -> None:
    said = events(NAME, fixture("mbox"), own())
    assert [(*row, each["subject"]) for row, each in zip(said_of(said, "kind"), said, strict=True)] == [
        ("offered", None, "m1@customer.example"),
        ("sent", "auto_reply", "m1@customer.example"),
        ("sent", "reply", "m1@customer.example"),
        ("ended", None, "m1@customer.example"),
        ("offered", None, "m2@customer.example"),
    ]
    found = items(said)
    assert {item["thread_id"] for item in found.values()} == {"<m1@customer.example>"}
    first = found["m1@customer.example"]
    assert (first["end_reason"], first["direction"], first["ended_at"]) == (
        "answered",
        "inbound",
        "2026-01-05T09:31:00Z",
    )
    assert found["m2@customer.example"]["flags"] == ["timed_out"]  # nobody answered


def test_nothing_of_a_body_or_a_subject_is_in_an_event() -> None:
    text = orjson.dumps(events(NAME, fixture("mbox"), own())).decode()
    assert not [word for word in ("question", "goes on", "From here", "not-a-header", "Thanks") if word in text]


def test_mbox_single_messages_and_what_capture_has_are_the_same_events() -> None:
    lines = fixture("mbox")
    begins = [n for n, line in enumerate(lines) if line.startswith(b"From ") and b"2026" in line] + [len(lines)]
    whole = events(NAME, lines, own())
    feed = own()
    single = [each for a, b in pairwise(begins) for each in events(NAME, lines[a + 1 : b], feed)]
    assert single == whole


def test_a_message_arrived_when_our_own_server_took_it() -> None:
    stamp = "by mail.example; Mon, 5 Jan 2026 10:00:02 +0100"
    assert one(received="2026-01-07T00:00:00Z", Received=stamp)["time"] == "2026-01-05T09:00:02.000000Z"
    assert one(received="2026-01-07T00:00:00Z")["time"] == "2026-01-07T00:00:00.000000Z"
    assert one()["time"] == "2026-01-05T09:00:00.000000Z"
    assert one(Received="by mail.example; garbage", Date="Mon, 5 Jan 2026 09:00:01 GMT")["time"][17:19] == "01"


def test_who_wrote_for_a_shared_address_is_the_agent() -> None:
    said = one(From="service@touchpoint.example", Sender="John <John@internal.example>", To="Mary <mary@c.example>")
    assert said["data"]["resource"] == {"id": "john@internal.example", "name": "John", "kind": "agent"}
    assert said["data"]["party"] == {"address": "mailto:mary@c.example", "name": "Mary"}


def test_among_our_own_it_is_internal() -> None:
    said = one(From="a@internal.example", To="b@internal.example")
    assert (said["type"], said["data"]["direction"]) == ("email.sent", "internal")


def test_the_address_that_was_written_to_is_ours_among_several() -> None:
    said = one(To="x@c.example, Service <SERVICE@touchpoint.example>")
    assert said["data"]["dialed"] == "mailto:service@touchpoint.example"


def test_an_answer_to_our_own_answer_is_of_the_same_item() -> None:
    feed = own()
    common = {"From": "service@touchpoint.example", "To": "m@c.example"}
    one(feed, **common, Message_ID="<r1@t>", In_Reply_To="<m1@c>")
    assert one(feed, **common, Message_ID="<r2@t>", In_Reply_To="<r1@t>")["subject"] == "m1@c"


def test_without_a_message_id_the_message_is_still_the_same_each_time() -> None:
    first, again, other = one(Message_ID=""), one(Message_ID=""), one(Message_ID="", To="b@c")
    assert first["id"] == again["id"] != other["id"]


def test_a_message_id_that_is_too_long_for_an_item_is_one_by_its_digest() -> None:
    said = one(Message_ID=f"<{'x' * 300}@y>")
    assert len(said["subject"]) == 64
    assert said["data"]["message_id"] == f"<{'x' * 300}@y>"


@pytest.mark.parametrize("name", ["=?bad?q?x?=", "=?utf-8?q?=FF=FE?=", "=?unknown-8bit?q?x?="])
def test_a_name_that_cannot_be_decoded_hinders_nothing(name: str) -> None:
    assert one(From=f"{name} <a@b.example>")["data"]["party"]["address"] == "mailto:a@b.example"


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b'{"header": 5}', b'{"header": ""}', record(From="a@b.c"), record(From="nobody")]
)
def test_what_is_not_understood_is_said(line: bytes) -> None:
    (said,) = translated(NAME, [line])
    assert isinstance(said, Unknown)
    assert said.dead_letter
