"""What a dialect is: one vendor's records in, canonical events out (docs/capture/README.md), purely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import orjson

from touchpoint.dialects.lines import Lines
from touchpoint.dialects.memory import Memory
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities
from touchpoint.stitching.rules_version import labelled

Event = dict[str, Any]
"""A canonical CloudEvent as JSON has it."""

Record = Any
"""One record of a vendor, as the dialect's `read` makes it."""

MAX_ID = 200  # characters
_OF_AN_AGENT = (".alerting", ".answered")
_DIGITS = 12  # of the seconds since 1970: more is no time of this calendar
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FormError(ValueError):
    """A field is of another form than its kind has; the message gives the value."""


class Unknown(NamedTuple):
    """A record that was not understood; a dead letter if it names a media item or cannot even be read."""

    reason: str
    dead_letter: bool = True


@dataclass
class Feed:
    """One feed: what its operator says of it, and its memory. A feed's records are translated in their order.

    `source`: the events' `source`, where the records do not name their system; it must be the same for live capture
    and backfill. `zone`: of stamps that are local time. `own`: the organisation's mail addresses as
    `mailto:` URIs, and `@domain` for all of a domain. `lines`: which channels and numbers of a phone system are ours.
    """

    source: str | None = None
    tenant: str | None = None
    zone: tzinfo = UTC
    memory: Memory = field(default_factory=Memory)
    own: frozenset[str] = frozenset()
    lines: Lines = Lines()  # noqa: RUF009 - a NamedTuple is immutable

    def with_memory(self, memory: Memory) -> Feed:
        """The same feed with another memory."""
        return Feed(self.source, self.tenant, self.zone, memory, self.own, self.lines)

    def is_own(self, address: str) -> bool:
        """Whether a mail address in lower case is the organisation's."""
        return f"mailto:{address}" in self.own or address[address.rfind("@") :] in self.own


class IdsChanged(NamedTuple):
    """From one version of a dialect's rules on, some records give events with other ids than before.

    An event that was captured before an upgrade and is translated again after it then counts twice.
    """

    rules_version: int
    release: str  # the first with this version
    since: str  # RFC 3339: the release; no installation gave the new ids before it
    what: str  # the records that are concerned


@dataclass(frozen=True)
class Dialect:
    """One vendor's feed. `read` splits bytes into records; `rules` is the mapping of its page in docs/capture."""

    name: str
    capabilities: Capabilities
    read: Callable[[Iterable[bytes]], Iterator[Record | Unknown]]
    rules: Callable[[Record, Feed], list[Event] | Unknown]
    reads: str  # the forms that `read` knows, for whoever gives it another
    rules_version: int = 1  # the next number in each release in which some records become other events
    ids_changed: tuple[IdsChanged, ...] = ()

    @property
    def label(self) -> str:
        """What its events have as `dialect`: its name, with the version of its rules if that is not 1."""
        return labelled(self.name, self.rules_version)

    def translate(self, record: Record | Unknown, feed: Feed) -> list[Event] | Unknown:
        """The events of one record, none for one that says nothing of a media item. Never raises."""
        if isinstance(record, Unknown):
            return record
        try:
            if isinstance(said := self.rules(record, feed), Unknown):
                return said
            orjson.dumps(said)  # raises TypeError for what JSON cannot hold: a vendor's own number of thirty digits
        except KeyError as fault:
            return Unknown(f"a field is missing: {fault.args[0]}")
        except FormError as fault:
            return Unknown(f"a field is of another form: {fault}")
        except (TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as fault:
            return Unknown(f"a field is missing or of another form: {type(fault).__name__}")
        for event in said:
            event["source"] = event.get("source") or feed.source or f"/{self.name}"
            event["dialect"] = self.label
            if feed.tenant is not None:
                event["tenant"] = feed.tenant
        return said


def event(
    type_: str,
    time: Micros,
    subject: str,
    id_: str,
    data: dict[str, Any] | None = None,
    *,
    source: str | None = None,
    sequence: str | None = None,
) -> Event:
    """One canonical event. Absent and empty fields of `data`, and of the objects in it, are left out.

    Raises FormError or KeyError for what could be no event: without a media item or its agent, or of no time.
    """
    if not 0 < len(subject) <= MAX_ID or len(id_) > MAX_ID:
        raise FormError(f"a media item's id has 1 to {MAX_ID} characters, not {len(subject)}")
    if time < 0:
        raise FormError("a time is before 1970")
    made: Event = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": instant(time)}
    made["subject"] = subject
    if sequence is not None:
        made["sequence"] = sequence
    present = _present(data or {})
    if type_.endswith(_OF_AN_AGENT) and "resource" not in present:
        raise KeyError("the agent")
    if present:
        made["data"] = present
    return made


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    kept = {name: _present(value) if isinstance(value, dict) else value for name, value in fields.items()}
    return {name: value for name, value in kept.items() if value is not None and value not in ("", {}, [])}


def agent(id_: str | None, name: str | None = None) -> dict[str, Any] | None:
    """A `resource` that is an agent; None without an id."""
    return {"id": id_, "name": name if name != id_ else None, "kind": "agent"} if id_ else None


def instant(time: Micros) -> str:
    """RFC 3339 in UTC with six digits, so that texts sort as times do."""
    return (_EPOCH + timedelta(microseconds=time)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def micros(text: str, zone: tzinfo = UTC) -> Micros:
    """An ISO 8601 text; without an offset it is of `zone`. Raises FormError for anything else."""
    at = moment(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(text: str) -> datetime:
    """An ISO 8601 text. Raises FormError for anything else."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise FormError(f"{text[:40]!r} is no ISO 8601 time") from None


def whole_number(text: str | None, digits: int = _DIGITS) -> int | None:
    """A whole number; None for other text, and for more digits: nothing counts so much, and no memory keeps it."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= digits else None


def seconds(text: str | float) -> Micros:
    """Seconds since 1970 as text or number, exact to the microsecond. Raises FormError for anything else."""
    whole, _, rest = str(text).partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= _DIGITS) or (
        rest and not (rest.isascii() and rest.isdigit())
    ):
        raise FormError(f"{str(text)[:40]!r} is not in seconds since 1970")
    return int(whole) * SECOND + int((rest + "000000")[:6])
