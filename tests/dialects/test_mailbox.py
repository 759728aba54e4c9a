"""Mailboxes: which message is of which item, whose it is, and when it came; nothing of a body or a subject."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from installation import offline
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
        ("offered", None, "m2@customer.example"),
    ]
    found = items(said)
    assert {item["thread_id"] for item in found.values()} == {"<m1@customer.example>"}
    first = found["m1@customer.example"]
    assert (first["end_reason"], first["direction"], first["ended_at"]) == (
        "replied",
        "inbound",
        "2026-01-05T09:31:00Z",
    )
    assert found["m2@customer.example"]["flags"] == ["timed_out"]  # nobody answered


def test_events_hold_neither_body_nor_subject() -> None:
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


def test_author_who_writes_for_a_shared_address_is_the_agent() -> None:
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


def test_message_without_an_id_has_the_same_event_id_each_time() -> None:
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
def test_unknown_record_is_reported(line: bytes) -> None:
    (said,) = translated(NAME, [line])
    assert isinstance(said, Unknown)
    assert said.dead_letter


US = {"From": "service@touchpoint.example", "To": "Carol <c@client.example>"}


def test_a_customer_whose_name_is_our_address_answers_nothing() -> None:
    said = one(From="service@touchpoint.example <dana@client.example>", In_Reply_To="<m1@client.example>")
    assert (said["type"], said["data"]["party"]["address"]) == ("email.offered", "mailto:dana@client.example")


def test_author_of_a_web_form_is_the_customer() -> None:
    form = {"From": "Form <web@internal.example>", "To": "service@touchpoint.example"}
    said = one(None, None, **form, Reply_To="Gil <gil@client.example>")
    assert (said["type"], said["data"]["direction"]) == ("email.offered", "inbound")
    assert said["data"]["party"] == {"address": "mailto:gil@client.example", "name": "Gil"}
    assert one(None, None, **form, Reply_To="b@internal.example")["type"] == "email.sent"
    assert (
        one(None, None, **US, Reply_To="Ticket <reply-7@desk.example>")["type"] == "email.sent"
    )  # it is written to a customer


@pytest.mark.parametrize(
    "headers",
    [
        {"References": "<r0@t> <m1@client.example>"},
        {"In_Reply_To": "m1@client.example"},
        {"In_Reply_To": 'Your message of "Mon, 5 Jan" <c@client.example> <m1@client.example>'},
        {"In_Reply_To": "<c@client.example>", "References": "<m1@client.example>"},
        {"In_Reply_To": "<m1@client.example> <c@client.example>"},
        {"In_Reply_To": "<x@y>", "References": "<m1@client.example> <x@y>"},  # its own id
    ],
)
def test_mail_answers_the_last_valid_id(headers: dict[str, str]) -> None:
    said = one(None, None, **US, **headers)
    assert (said["data"]["kind"], said["subject"]) == ("reply", "m1@client.example")


def test_an_address_is_never_the_id_of_an_item() -> None:
    said = one(None, None, **US, In_Reply_To="c@client.example", References="<C@client.example>")
    assert (said["data"]["kind"], said["subject"]) == ("new", "x@y")
    assert "c@client.example" not in one(From="c@client.example", Message_ID="<c@client.example>")["subject"]


def test_two_mails_of_one_message_id_are_two_and_each_has_its_answer() -> None:
    feed = own()
    first = one(feed, From="hal@one.example", Message_ID="<1@localhost>")
    second = one(feed, From="ivy@two.example", Message_ID="<1@localhost>")
    again = one(feed, From="Hal <hal@one.example>", Message_ID="<1@localhost>", Date="5 Jan 2026 10:00:00 +0100")
    assert first["subject"] == "1@localhost"
    assert "ext" not in first["data"]
    assert again["id"] == first["id"]  # the same message from another folder
    assert second["subject"] not in {"1@localhost", ""}
    assert second["data"]["ext"] == {"repeated_message_id": True}
    for number, (to, question) in enumerate((("hal@one.example", first), ("ivy@two.example", second))):
        answer = one(feed, From=US["From"], To=to, Message_ID=f"<a{number}@t>", In_Reply_To="<1@localhost>")
        assert answer["subject"] == question["subject"]


def test_two_mails_of_ours_with_one_message_id_are_two() -> None:
    feed = own()
    first = one(feed, None, **US, Message_ID="<1@t>")
    second = one(feed, None, **US, Message_ID="<1@t>", Date="Tue, 6 Jan 2026 09:00:00 +0000")
    assert first["subject"] != second["subject"]
    assert first["id"] != second["id"]


def threads(*mails: dict[str, str]) -> list[tuple[str | None, dict[str, Any]]]:
    """The interactions of a conversation: whose parent is which, and the thread of each item."""
    feed = own()
    lines = [
        record(**{"Date": f"Mon, 5 Jan 2026 09:{number:02}:00 +0000", "To": "service@touchpoint.example"} | mail)
        for number, mail in enumerate(mails)
    ]
    closed = offline(events(NAME, lines, feed)).values()
    starts = {each["interaction_id"]: each["media_items"][0]["media_item_id"] for each in closed}
    found = sorted(closed, key=lambda each: str(each["started_at"]))
    return [
        (starts.get(each["parent_interaction_id"]), {m["media_item_id"]: m["thread_id"] for m in each["media_items"]})
        for each in found
    ]


def test_two_mails_of_a_party_that_answer_what_nobody_has_are_one_interaction() -> None:
    """An invisible root, as ticket systems make one, or a message from before the capture."""
    mail = {"From": "a@x.example", "In_Reply_To": "<r0@t>", "References": "<r0@t>"}
    assert threads(mail | {"Message_ID": "<m2@x>"}, mail | {"Message_ID": "<m3@x>"}) == [
        (None, {"m2@x": "<r0@t>", "m3@x": "<r0@t>"})
    ]


def test_mail_of_another_person_in_a_thread_has_the_thread_as_parent() -> None:
    assert threads(
        {"From": "a@x.example", "Message_ID": "<m1@x>"},
        {"From": "b@x.example", "Message_ID": "<m2@x>", "In_Reply_To": "<m1@x>"},
    ) == [(None, {"m1@x": "<m1@x>"}), ("m1@x", {"m2@x": "<m1@x>"})]


def test_the_thread_is_known_from_what_was_answered_where_only_that_is_named() -> None:
    assert threads(
        {"From": "a@x.example", "Message_ID": "<m1@x>"},
        {**US, "Message_ID": "<r1@t>", "In_Reply_To": "<m1@x>", "To": "a@x.example"},
        {"From": "a@x.example", "Message_ID": "<m2@x>", "In_Reply_To": "<r1@t>"},
    ) == [(None, {"m1@x": "<m1@x>", "m2@x": "<m1@x>"})]


def test_of_several_answers_to_one_mail_each_counts() -> None:
    def answer(name: str, at: str) -> bytes:
        written = {"From": "service@touchpoint.example", "To": "fay@client.example", "Message-ID": f"<{name}@o>"}
        written |= {"Sender": f"{name}@internal.example", "In-Reply-To": "<q@client.example>"}
        return record(at, **written)

    asked = {"From": "fay@client.example", "To": "service@touchpoint.example", "Message-ID": "<q@client.example>"}
    lines = [record("2026-01-05T09:00:00Z", **asked)]
    lines += [answer("ann", "2026-01-05T09:30:00Z"), answer("ben", "2026-01-05T10:00:00Z")]
    (item,) = items(events(NAME, lines, own())).values()
    assert item["ended_at"] == "2026-01-05T10:00:00Z"
    assert set(item["agents"]) == {"ann@internal.example", "ben@internal.example"}
