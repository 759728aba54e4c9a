"""What is said of a record names no number and no address, wherever the producer put it, and steers no terminal."""

from __future__ import annotations

import re
import time

import pytest

from touchpoint.events.masking import LONGEST, mask

DIGITS = "441632960055"


@pytest.mark.parametrize(
    "text",
    [
        "+441632960055", "441632960055", "+44 1632 960055", "+44 (0) 1632 - 960 055", "(01632) 960055", "01632/960055",
        "01.63.29.60.55", "0044-1632960055", "44_1632_960055", "44\u200d16\u200d32960055", "44\u00a01632\u00a0960055",
        "٤٤١٦٣٢٩٦٠٠٥٥", "9600555", "960-05-55",
        "x441632960055y", "tel:+441632960055", "tel%3A5551", "tel:112", "sip:alice",
        "sip:alice@example.com;user=phone", "SIPS:Alice", "mailto:alice", "alice@example.com", "alice%40example.com",
        "alice＠example.com", "Alice.O'Hara@example.com", "fax:+4416", "chat:web/alice", "20:26 441632960055",
        "2026-01-05 441632960055", "2026-01-05T09:00:00.441632960055Z",
        "44163296-0055-0000-0000-000000000000", "4" * 64,
        "1632.960.055.441", "a@b@c",
    ],
)  # fmt: skip
def test_text_that_looks_like_a_number_or_an_address_is_masked(text: str) -> None:
    for around in ("{}", "ext.{} is wrong", "'call.offered {}' is not an event type", "({})", "a.{}.b_ms", "x: {}, y"):
        said = mask(around.format(text))
        assert "<number>" in said or "<address>" in said
        assert not re.search(r"\d{7}", said)
        assert "alice" not in said.lower()
        assert "960" not in said


@pytest.mark.parametrize(
    "text",
    [
        "the record has 12,582,912 bytes; at most 262,144 (256 KiB)", "an event happens in the years 1970 to 9998",
        "time is '9999-12-31T23:59:60Z'", "2026-01-05 09:00:00.123456+01:00", "2026-01-05T09:00Z", "2026-01-05",
        "of a party event it is one: tel:, mailto:, sip: ...", "6f1d3c1e-7a43-5d0b-9c55-2b1f0f6f8a11",
        "0123456789abcdef" * 4, "192.168.100.10:9092 refuses us",
        "calls/3/120", "call, email, fax, chat; version 1.10.3",
        "data.objects.0.id is missing", "Grüße, 东京, naïve", "",
    ],
)  # fmt: skip
def test_days_amounts_ids_of_ours_and_words_stay(text: str) -> None:
    assert mask(text) == text


def test_masked_text_has_no_terminal_escapes() -> None:
    assert mask("a\x1b[31mb\u202ec\u2066d\x07e\x9bf\r\n\ud800\u2028") == (
        r"a\x1b[31mb\u202ec\u2066d\x07e\x9bf\r\n\ud800\u2028"
    )
    every = "".join(map(chr, range(0x11000)))
    assert all(mask(every[at : at + 100]).isprintable() for at in range(0, len(every), 100))


def test_masked_text_is_at_most_a_line() -> None:
    for text in ("\x1b", "a ", "é"):
        assert len(mask(text * 100_000)) == LONGEST


@pytest.mark.parametrize(
    "part", ["a", "1.", "(", "+ ", "@", "a@", "tel:", "2026-", "1" * 6 + ",", "%40", "\x1b", "1   "]
)
def test_masking_costs_little_for_any_text(part: str) -> None:
    began = time.process_time()
    for _ in range(100):
        mask(part * 100_000)
    assert time.process_time() - began < 2.0
