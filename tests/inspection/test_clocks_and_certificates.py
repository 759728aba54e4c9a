"""What `touchpoint check` says of the brokers' clocks and of certificates that end."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from aiokafka import ConsumerRecord

from touchpoint.inspection.broker_clock_check import compare_clocks
from touchpoint.inspection.certificate_check import judge_certificates, not_after

NOW = 1_795_800_000.0
DAY = 86_400.0


def stamped(seconds: float, by_the_broker: bool = True) -> ConsumerRecord[bytes, bytes]:
    time, kind = int((NOW + seconds) * 1000), int(by_the_broker)
    return ConsumerRecord("links", 0, 7, time, kind, None, b"", None, 0, 0, ())


@pytest.mark.parametrize(
    ("stamps", "has_workers", "state", "said"),
    [
        ([-1.0, -400.0], True, "ok", "agrees"),
        ([-400.0, 90.0], True, "note", "90 s ahead of our clock"),
        ([90.0], False, "note", "90 s ahead of our clock"),
        ([-120.0], True, "note", "120 s behind our clock"),
        ([-120.0], False, "skipped", "only a worker that runs can tell"),
        ([], True, "skipped", "no worker has had anything stamped"),
    ],
)
def test_a_stamp_of_the_broker_tells_its_clock(stamps: list[float], has_workers: bool, state: str, said: str) -> None:
    found = compare_clocks(map(stamped, stamps), NOW, has_workers)
    assert (found.state, said in found.detail) == (state, True), found.detail


def test_a_stamp_of_a_producer_tells_nothing_of_a_broker() -> None:
    assert compare_clocks([stamped(900.0, by_the_broker=False)], NOW, True).state == "skipped"


@pytest.mark.parametrize("end", [datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2055, 6, 7, tzinfo=UTC)])
def test_the_end_of_a_certificate_is_read_from_its_bytes(end: datetime) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("kafka.example.com", not_after=end, not_before=end - timedelta(days=400))
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    assert not_after(der) == end.timestamp()


def test_certificates_that_end_within_a_month_are_named_with_their_day() -> None:
    found = judge_certificates({"kafka-1:9093": NOW + 200 * DAY, "kafka-2:9093": NOW + 3 * DAY}, NOW)
    day = datetime.fromtimestamp(NOW + 3 * DAY, UTC)
    assert found.state == "note"
    assert found.detail == f"those end within 30 days: kafka-2:9093 on {day:%Y-%m-%d}"
    assert judge_certificates({"kafka-1:9093": NOW + 200 * DAY}, NOW).state == "ok"
    assert judge_certificates({}, NOW).state == "skipped"
