"""Who a mail is from and which ids it names, as mail programs write it, the same on every Python."""

from __future__ import annotations

import random
import time

import pytest

from touchpoint.dialects.mail_headers import message_ids, people

SPOKEN = "help@our.example"
PEOPLE: list[tuple[str, list[tuple[str | None, str]]]] = [
    ("Dana @ Acme <dana@client.example>", [("Dana @ Acme", "dana@client.example")]),
    (f"{SPOKEN} <dana@client.example>", [(SPOKEN, "dana@client.example")]),
    (f'"{SPOKEN}" <dana@client.example>', [(SPOKEN, "dana@client.example")]),
    (f"dana@client.example ({SPOKEN})", [(SPOKEN, "dana@client.example")]),
    (f'"{SPOKEN}" dana@client.example', [(None, "dana@client.example")]),
    (f"<{SPOKEN}> <dana@client.example>", [(f"<{SPOKEN}>", "dana@client.example")]),
    (f"({SPOKEN}) Dana <dana@client.example>", [("Dana", "dana@client.example")]),
    ('"Ray, Gil" <gil@client.example>, b@c.example', [("Ray, Gil", "gil@client.example"), (None, "b@c.example")]),
    ("Ray, Gil <gil@client.example>, b@c.example", [("Ray, Gil", "gil@client.example"), (None, "b@c.example")]),
    ('"a <b@c.example>" <d@e.example>', [("a <b@c.example>", "d@e.example")]),
    ('"Dana <dana@client.example>', [("Dana", "dana@client.example")]),
    ("Team: a@x.example, B <b@x.example>; c@y.example",
     [(None, "a@x.example"), ("B", "b@x.example"), (None, "c@y.example")]),
    ("undisclosed-recipients:;", []),
    ("<@a.example,@b.example:user@c.example>", [(None, "user@c.example")]),
    ('"john doe"@x.example', [(None, '"john doe"@x.example')]),
    ("=?utf-8?q?a=2C_b?= <a@b.example>", [("a, b", "a@b.example")]),
    ("=?utf-8?q?a=40b?= <c@d.example>", [("a@b", "c@d.example")]),
    ("Dana\r\n\t<DANA@Client.Example>", [("Dana", "dana@client.example")]),
    ("Gil <mailto:gil@client.example>", [("Gil", "gil@client.example")]),
    ("Gil <gil@client.example", [(None, "gil@client.example")]),
    ("a@b@c.example", []),
    ("nobody", []),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("header", "found"), PEOPLE)
def test_the_address_is_what_stands_in_the_last_brackets(header: str, found: list[tuple[str | None, str]]) -> None:
    assert people([header]) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<a@b> <c@d>", ["a@b", "c@d"]),
        ("<a@b><c@d>", ["a@b", "c@d"]),
        ("a@b", ["a@b"]),
        ("a@b, c@d", ["a@b", "c@d"]),
        ('Your message of "Mon, 5 Jan" <e1@x>', ["e1@x"]),
        ("<12345>", ["12345"]),
        ("12345", []),
        ("", []),
    ],
)
def test_ids_have_brackets_or_at_least_an_at(text: str, found: list[str]) -> None:
    assert message_ids(text) == found


@pytest.mark.parametrize("text", ["(", '"', "<", "a@", ",", "a,", "\\", '"\\', "(()", "@", "x", ":", '"a" ', "a@b,"])
def test_a_header_of_one_thing_again_and_again_costs_no_more_than_its_length(text: str) -> None:
    """As fast as it may be, four times the text costs four times as much, and not sixteen times."""

    def cost(length: int) -> float:
        header = (text * length)[:length]
        begin = time.process_time()
        people([header, header + "@"])
        message_ids(header + "@")
        return time.process_time() - begin

    assert cost(40_000) < 8 * cost(10_000) + 0.1


def test_mail_headers_of_any_form_never_raise() -> None:
    dice = random.Random(7)
    for _ in range(5_000):
        text = "".join(dice.choice('a@<>"(),;: \\=?\n\tb.é\udcff') for _ in range(dice.randint(0, 40)))
        people([text])
        message_ids(text)
