"""Bytes of a record in, a verdict out: pure, and it never raises, whatever the bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import phonenumbers
from pydantic_core import ValidationError

from touchpoint.events import causes, wire
from touchpoint.events.addresses import party_address
from touchpoint.events.catalogue import CHANNELS, Event, check_channels, event_model, event_types
from touchpoint.events.condense import Fields, condense, message
from touchpoint.events.fields import MAX_TEXT
from touchpoint.events.instants import micros
from touchpoint.events.numbers import NumberPlan
from touchpoint.events.salvage import unreadable
from touchpoint.events.verdicts import TOMBSTONE, Accepted, DeadLetter, Rejected, Verdict
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.verbs import FactVerb

MAJOR = 1
"""The major version of the contract that this program reads."""

_version = re.compile(r"(?:/|^urn:.*:)v?([0-9]{1,6})(?:[.][0-9]{1,6}){0,2}(?:[.]json)?/?(?:#.*)?$")


class Decoder:
    """The inbound contract as one function.

    `channels`: further channels beside call, email, fax and chat. `default_region`: ISO 3166 code of the
    country whose form bare phone numbers have, or the whole plan of numbers.
    Raises ValueError for a channel or a region that cannot be.
    """

    def __init__(
        self,
        channels: Iterable[str] = CHANNELS,
        default_region: str | NumberPlan = "GB",
    ) -> None:
        self.channels = check_channels(channels)
        self._plan = default_region if isinstance(default_region, NumberPlan) else NumberPlan(default_region)
        _check_region(self._plan.region)
        self._entries = _Entries(self.channels)

    def decode(self, value: bytes | None, headers: wire.Headers = (), key: bytes | None = None) -> Verdict:
        """The verdict on one record. `headers` may hold a binary event; of `key` only length and encoding matter."""
        if value is None:
            return TOMBSTONE
        attributes: Fields = {}
        try:
            if key is not None and (len(key) > MAX_TEXT or not key.isascii()):
                _check_key(key)
            attributes = wire.read(value, headers)
            return Accepted(self._fact(attributes))
        except Rejected as fault:
            return DeadLetter(fault.cause, fault.code, unreadable(attributes, self.channels))
        except Exception as fault:  # noqa: BLE001 - no input may stop a worker; the tests hold it never comes here
            return DeadLetter(f"the record cannot be read: {type(fault).__name__}", "internal")

    def _fact(self, attributes: Fields) -> Fact:
        """Hot path: one dictionary look-up, one pydantic-core call, one pass over the fields that are there."""
        try:
            kind, verb, validate, media = self._entries[attributes["type"]]
            event = validate(attributes)
        except ValidationError as error:
            raise causes.invalid(attributes, error) from None
        except (KeyError, TypeError):  # no type, or one that is a list or an object
            raise causes.not_an_event(attributes) from None
        if event.dataschema:
            _check_version(event.dataschema)
        tenant = event.tenant or "default"
        subject, data, ext = event.subject or "", {}, event.__pydantic_extra__ or {}
        if event.data is not None:
            unknown: Fields = {}
            data = condense(event.data, unknown, self._plan)
            if unknown:
                ext["data"] = unknown
        if not media:
            subject = _subject(kind, verb, subject, data, self._plan)
        if ext:
            wire.check(ext)
        fact = Fact(
            micros(event.time, "time"),
            kind,
            verb,
            event.source,
            event.id,
            subject,
            tenant,
            event.sequence or None,
            micros(event.recordedtime, "recordedtime") if event.recordedtime else None,
            event.correlationid or None,
            event.dialect or None,
            data,
            ext,
        )
        return message(fact) if verb == "message" else fact


class _Entry(NamedTuple):
    kind: str
    verb: FactVerb
    validate: Callable[[Any], Event]
    media: bool  # an event of a channel


class _Entries(dict[str, _Entry]):
    """By type; an entry is made when its type is first seen, as a hundred models take a while to build."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        super().__init__()
        self._channels = channels
        self._types = event_types(channels)
        self._known = frozenset(self._types)

    def __missing__(self, name: str) -> _Entry:
        if not isinstance(name, str):
            raise TypeError("type is not text")
        if name not in self._known:
            raise Rejected("type", causes.unknown_type(name[:120], self._types))
        kind, _, verb = name.partition(".")  # a known one
        validate = event_model(name).__pydantic_validator__.validate_python
        entry = self[name] = _Entry(kind, cast("FactVerb", verb), validate, kind in self._channels)
        return entry


def _subject(kind: str, verb: str, subject: str, data: Fields, plan: NumberPlan) -> str:
    """The subject of an event that is not of a channel; completes its data where subject and data say one thing."""
    if kind == "activity":  # the media item stands in the subject or in the data; afterwards in both
        item: str = data.get("media_item") or subject
        if item:
            data["media_item"] = item
        return subject or item
    if kind != "party":
        return subject
    address = party_address(subject, plan)
    if verb == "merged":  # it speaks of party ids, so its subject need not be an address
        data["from"] = data.pop("from_")
        return address or subject
    if address is None:
        raise Rejected("value", "subject is not an address; of a party event it is one: tel:, mailto:, sip: ...")
    return address


def _check_version(dataschema: str) -> None:
    """A dataschema that ends in a version (`.../1`, `.../v1.2`, `urn:...:1`) claims that version of the contract."""
    version = _version.search(dataschema)
    if version is not None and int(version[1]) != MAJOR:
        raise Rejected("schema", f"dataschema claims version {version[1]}; this program reads version {MAJOR}")


def _check_key(key: bytes) -> None:
    if len(key) > MAX_TEXT:
        raise Rejected("too_large", f"the record's key has {len(key):,} bytes; at most {MAX_TEXT}")
    try:
        key.decode()
    except UnicodeDecodeError as fault:
        raise Rejected("key", f"the record's key is not UTF-8: byte {fault.start}") from None


def _check_region(region: str) -> None:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"region {region!r}: use an ISO 3166 country code, such as GB")
