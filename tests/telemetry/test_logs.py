"""What the worker logs of an error leads to its place and holds no person's data."""

from __future__ import annotations

import asyncpg
import pytest

from touchpoint.telemetry.logs import explained, place_of, traced

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
