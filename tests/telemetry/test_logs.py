"""What the worker logs of an error leads to its place, holds no person's data, and is not said ten times a second."""

from __future__ import annotations

import logging

import asyncpg
import pytest

from touchpoint.telemetry.logs import QuietFilter, explained, place_of, set_level, toggle_debugging, traced

NUMBER = "tel:+441632960960"


def looked_up() -> None:
    try:
        {}[NUMBER]  # type: ignore[index]
    except KeyError as error:
        raise ValueError(f"nobody has {NUMBER}") from error


def test_the_places_of_an_error_and_its_cause_are_logged_and_never_their_texts() -> None:
    with pytest.raises(ValueError, match="nobody") as raised:
        looked_up()
    text = traced(raised.value)
    assert text.startswith("KeyError\n")
    assert "and from that\nValueError\n" in text
    assert text.count(__file__) >= 3
    assert place_of(raised.value).startswith(f"ValueError at {__file__}:")
    assert NUMBER not in text + place_of(raised.value)


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError(NUMBER), asyncpg.DataError(NUMBER), ValueError(NUMBER)])
def test_of_an_error_that_may_quote_values_only_the_type_is_logged(error: Exception) -> None:
    assert explained(error) == type(error).__name__


def test_of_an_error_of_connections_and_rights_the_text_is_logged_too() -> None:
    assert explained(asyncpg.InsufficientPrivilegeError("permission denied for table party")).endswith("table party")
    assert explained(ConnectionRefusedError(111, "refused")) == "ConnectionRefusedError: [Errno 111] refused"


def line(level: int, text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("aiokafka.client", level, __file__, 1, text, args, None)


def passed(quiet: QuietFilter, record: logging.LogRecord) -> str | None:
    return record.getMessage() if quiet.filter(record) else None


def test_an_error_ten_times_a_second_is_one_line_a_minute_with_the_number_of_the_others() -> None:
    now = 0.0
    quiet = QuietFilter(lambda: now)
    said = []
    for tenth in range(1300):
        now = tenth / 10
        said.append(passed(quiet, line(logging.ERROR, "Unable connect to node with id %s: %s", 1, "refused")))
    assert [text for text in said if text] == [
        "Unable connect to node with id 1: refused",
        "Unable connect to node with id 1: refused (and 599 times more since the last such line)",
        "Unable connect to node with id 1: refused (and 599 times more since the last such line)",
    ]


def test_lines_that_differ_in_more_than_a_fraction_are_all_passed_and_so_is_information() -> None:
    quiet = QuietFilter(lambda: 0.0)
    again = "%s partition %d: trying again in %.1f s"
    assert passed(quiet, line(logging.WARNING, again, "media", 1, 0.4))
    assert passed(quiet, line(logging.WARNING, again, "media", 2, 0.4))
    assert passed(quiet, line(logging.WARNING, again, "media", 1, 0.8)) is None
    assert passed(quiet, line(logging.INFO, "read %s changelog records", 5))
    assert passed(quiet, line(logging.INFO, "read %s changelog records", 5))


def test_what_faust_notes_of_its_services_is_left_out_but_for_worker_ready_and_trouble() -> None:
    quiet = QuietFilter(lambda: 0.0)
    assert passed(quiet, line(logging.INFO, "[^--ChangelogRecovery]: Restore complete!")) is None
    assert passed(quiet, line(logging.INFO, "[^--ChangelogRecovery]: Worker ready")) == "Worker ready"
    assert passed(quiet, line(logging.ERROR, "[^--Table: media]: crashed")) == "crashed"


def test_debugging_is_switched_on_and_off_and_never_shows_what_libraries_debug() -> None:
    root, library = logging.getLogger(), logging.getLogger("aiokafka")
    before, library_before = root.level, library.level
    try:
        set_level("warning")
        toggle_debugging("warning")
        assert (root.level, library.level) == (logging.DEBUG, logging.INFO)
        toggle_debugging("warning")
        assert (root.level, library.level) == (logging.WARNING, logging.WARNING)
    finally:
        root.setLevel(before)
        library.setLevel(library_before)
