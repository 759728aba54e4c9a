"""The forms of a vendor's fields: what stands in another JSON type is read where it means the same, else it is named.

A client between the vendor and us may write a number as text or text as a number, and names in another case. What
cannot be read so raises FormError, which says which field and what was expected: `segments[2].segmentStart must be a
time, not a list`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from touchpoint.dialects.dialect import FormError, instant, moment, whole_number
from touchpoint.stitching.facts import SECOND

ABSENT = frozenset({"NULL", "null", "(null)", "\\N"})
"""NULL as databases export it and C prints it: no value."""
_SPELLINGS = 4_096
"""Names of fields that are remembered as they came; whoever fills a topic may use any."""
_OF_JSON = 16  # digits of a whole number: microseconds since 1970
_DIGITS = 15  # of a decimal number that is the same text again
_OF_MILLISECONDS = 100_000_000_000
"""A number since 1970 from which on it is of milliseconds: in seconds it is the year 5138."""


class Form(Protocol):
    """Reads one value. Raises FormError, whose text goes on behind the field's name."""

    def read(self, value: Any) -> Any: ...


class Plain(NamedTuple):
    """A value that is no object. `expected`: its form in words."""

    expected: str
    convert: Callable[[Any], Any]  # raises ValueError

    def read(self, value: Any) -> Any:
        try:
            return self.convert(value)
        except (ValueError, OverflowError):
            raise FormError(f" must be {self.expected}, not {_kind(value)}") from None


class ListOf(NamedTuple):
    """A list of values of one form."""

    form: Form

    def read(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise FormError(f" must be a list, not {_kind(value)}")
        found = []
        for n, each in enumerate(value):
            try:
                found.append(self.form.read(each))
            except FormError as fault:
                raise FormError(f"[{n}]{fault}") from None
        return found


class Fields:
    """An object: the fields that a dialect reads, by the vendor's names; all others stay as they are.

    Names are known without regard to case, `_` and `-`. What is null is absent.
    """

    def __init__(self, forms: Mapping[str, Form]) -> None:
        self._alike = {plain_name(name): (name, form) for name, form in forms.items()}
        self._spelled: dict[str, tuple[str, Form] | None] = {name: (name, form) for name, form in forms.items()}

    def read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise FormError(f" must be an object, not {_kind(value)}")
        found: dict[str, Any] = {}
        for name, given in value.items():
            try:
                known = self._spelled[name]
            except KeyError:
                known = self._known(name)
            if known is None:
                found[name] = given
                continue
            own, form = known
            if given is None or (own != name and own in value):
                continue
            if type(given) is str and (form is TEXT or not given):  # hot path
                if given not in ABSENT:
                    found[own] = given
                continue
            if type(given) is not str or given not in ABSENT:
                found[own] = _read(name, form, given)
        return found

    def _known(self, name: str) -> tuple[str, Form] | None:
        """Of a name that is not spelled as the vendor does, or that nothing is read of."""
        known = self._alike.get(plain_name(name))
        if len(self._spelled) < _SPELLINGS:
            self._spelled[name] = known
        return known

    def record(self, value: Any) -> dict[str, Any]:
        """A whole record. Raises FormError."""
        try:
            return self.read(value)
        except FormError as fault:
            said = str(fault)
            raise FormError(said[1:] if said[0] == "." else f"a record{said}") from None


class AsJson(NamedTuple):
    """An object, or its JSON as text."""

    form: Fields

    def read(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            if not value:
                return {}
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                raise FormError(" must be an object or its JSON, not other text") from None
            if value is None:
                return {}
        return self.form.read(value)


def _read(name: str, form: Form, given: Any) -> Any:
    try:
        return form.read(given)
    except FormError as fault:
        raise FormError(f".{name}{fault}") from None


def plain_name(name: str) -> str:
    """A field's name without what spellings differ in."""
    return name.replace("_", "").replace("-", "").lower()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if type(value) is float and len(text := repr(value)) <= _DIGITS + 1 and "e" not in text and "n" not in text:
        return text
    raise ValueError


def _whole(value: Any) -> int:
    if isinstance(value, str) and (told := whole_number(value.strip(), _OF_JSON)) is not None:
        return told
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and 0 <= value < 10**_OF_JSON:
        return value
    raise ValueError


def _time(value: Any) -> str:
    """As ISO 8601: of a number, the seconds or milliseconds since 1970."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        moment(value)
        return value
    number = float(value) if isinstance(value, str) or type(value) in (int, float) else -1.0
    if not 0 <= number < _OF_MILLISECONDS * 1_000:
        raise ValueError
    unit = 1_000 if number >= _OF_MILLISECONDS else SECOND
    whole = int(value) if type(value) is int or (isinstance(value, str) and value.isdigit()) else None
    return instant(whole * unit if whole is not None else round(number * unit))


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a decimal number", str: "other text", list: "a list"}
    return names.get(type(value), "an object")


def _moment(value: Any) -> str:
    return value if isinstance(value, str) and not value.isdigit() else _time(value)


def _stamp(value: Any) -> str:
    return f"{value:.6f}" if type(value) is float and 0 <= value < _OF_MILLISECONDS else _text(value)


def _yes(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else _text(value)


TEXT = Plain("text", _text)
MOMENT = Plain("a time", _moment)
STAMP = Plain("a time", _stamp)
YES = Plain("text", _yes)
ANYTHING = Plain("anything", lambda value: value)
WHOLE = Plain("a whole number", _whole)
TIME = Plain("a time in ISO 8601", _time)
