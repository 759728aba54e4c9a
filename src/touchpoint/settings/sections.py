"""The parts of the configuration, and how their values are written."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

from touchpoint.dialects import DIALECTS, Feed, Lines
from touchpoint.stages.rights import Identifies
from touchpoint.stitching.facts import DAY, HOUR, MINUTE, SECOND, Micros
from touchpoint.stitching.limits import CHANNELS, DEFAULT, KNOWN, ChannelLimits, Profile

_UNITS = {"ms": 1_000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_LISTED = re.compile(r"[\s,]+")


def _span(value: Any) -> Any:
    """``90s``, ``10m``, ``4h``, ``30d`` or a number of seconds, to microseconds."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if match is None:
            raise ValueError("must be a span of time such as 90s, 10m, 4h or 30d")
        return int(float(match[1]) * _UNITS[match[2] or "s"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value * SECOND)
    return value


def as_texts(section: BaseModel) -> dict[str, str]:
    """What is set in a section, by name, as one writes it: for comparing and showing."""
    values = {name: getattr(section, name) for name in type(section).model_fields}
    return {
        name: _span_text(value) if _is_span(type(section).model_fields[name]) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _is_span(field: FieldInfo) -> bool:
    marks = [*field.metadata, *(m for part in get_args(field.annotation) for m in getattr(part, "__metadata__", ()))]
    return any(isinstance(mark, BeforeValidator) and mark.func is _span for mark in marks)


def _span_text(value: Micros) -> str:
    units = sorted(_UNITS.items(), key=lambda unit: -unit[1])
    return next(
        (f"{value // size}{unit}" for unit, size in units if value and value % size == 0), f"{value / SECOND:g}s"
    )


def _listed(value: Any) -> Any:
    """A comma separated text, or a list."""
    if isinstance(value, str):
        return tuple(part for part in _LISTED.split(value) if part)
    return value


Span = Annotated[Micros, BeforeValidator(_span), Field(ge=0)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Section(BaseModel):
    """A part of the configuration; a name that is no setting is a mistake."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ChannelSettings(Section):
    """A channel beyond call, email, fax and chat, or other limits for one of them.

    `sms`, `message`, `social` and `video` have limits of their own, so `{"sms": {}}` is enough.
    """

    topic: str | None = None
    """its input topic without the prefix; unset: the channel's name"""
    like: Profile | None = None
    """which channel it behaves like; unset: call for video, else chat"""
    stitch_gap: Span | None = None
    """two items of a party no further apart are one interaction; unset: 10m, or what a channel of the contract has"""
    age: Span | None = None
    """after which an item without events completes; unset: 24h, or what a channel of the contract has"""
    linger: Span | None = None
    """how long its interaction waits after its end; unset: the stitch gap, or what a channel of the contract has"""
    engaged_age: Span | None = None
    """as `age`, while in a queue or with an agent of a source that tells ends; unset: 7d, or what such a channel has"""

    def over(self, name: str) -> ChannelLimits:
        """The limits of the channel of that name: what is set, else what is usual for it."""
        usual = CHANNELS.get(name) or KNOWN.get(name)
        if usual is None:
            usual = ChannelLimits(10 * MINUTE, 24 * HOUR, 10 * MINUTE, "chat", 7 * DAY)
        set_here = {field: value for field, value in self if field != "topic" and value is not None}
        if self.stitch_gap is not None:
            set_here.setdefault("linger", self.stitch_gap)
        return msgspec.structs.replace(usual, **set_here)


class DialectTopic(Section):
    """A topic that another system fills with its own records."""

    dialect: str
    """what the records are: one of docs/capture"""
    source: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """the events' source, where the records do not name their system; unset: one of the dialect's name"""
    tenant: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """the events' tenant; unset: the default one"""
    zone: str = "UTC"
    """of stamps that are local time, such as Europe/London"""

    def feed(self, own: frozenset[str] = frozenset(), lines: Lines | None = None) -> Feed:
        """What dialects know of it. ``own``: own addresses; ``lines``: which phones are ours."""
        return Feed(self.source, self.tenant, ZoneInfo(self.zone), own=own, lines=lines or Lines())

    @field_validator("dialect")
    @classmethod
    def _dialect(cls, name: str) -> str:
        if name not in DIALECTS:
            raise ValueError("must be one of " + ", ".join(DIALECTS))
        return name

    @field_validator("zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("must be a time zone such as Europe/London") from None
        return name


class TopicSettings(Section):
    """What the events of one input topic may say, beyond the types that belong to it."""

    tenants: Texts = ()
    """the only tenants that its events may have; unset: any"""
    identity: Identifies = "all"
    """what counts of the `party` of its events: all; its address only; or none of it"""


class LineSettings(Section):
    """Which side of a phone system is ours, for Asterisk and FreeSWITCH; patterns with * and ?, with commas between."""

    agents: Texts = ()
    """interfaces or numbers of agents' phones, such as PJSIP/3??, 3??; who calls from one is no customer"""
    trunks: Texts = ()
    """interfaces of trunks, such as PJSIP/carrier*; who comes in by one is a customer"""
    numbers: Texts = ()
    """our own numbers, such as +4420794600*; who dials one calls us"""

    def lines(self) -> Lines:
        """As dialects read them."""
        return Lines(self.agents, self.trunks, self.numbers)


class LimitSettings(Section):
    """The numbers of stitching.md; the defaults are the core's."""

    item_facts: Annotated[int, Field(ge=100)] = DEFAULT.item_facts
    """events of one media item that are kept; beyond, it is flagged and summed up"""
    interaction_size: Annotated[int, Field(ge=10)] = DEFAULT.interaction_size
    """media items and activities of one interaction; a number that never rests begins another then"""
    party_open: Annotated[int, Field(ge=10)] = DEFAULT.party_open
    """media items and activities of one party that are open at once; of more the oldest interaction closes"""
    quiet: Span = DEFAULT.quiet
    """after its end, how long a media item waits for what is still to come"""
    wrapup_begins_within: Span = DEFAULT.wrapup_begins_within
    """how long after an agent's release their wrap-up may begin"""
    wrapped_up_wait: Span = DEFAULT.wrapped_up_wait
    """how long after `interaction.wrapped_up` a media item without an open wrap-up is waited for"""
    wrapup_at_most: Span = DEFAULT.wrapup_at_most
    """how long an open wrap-up holds its item back"""
    chat_idle: Span = DEFAULT.chat_idle
    """without a message for so long, a chat waits for the customer"""
    short_abandon: Span = DEFAULT.short_abandon
    """who gives up sooner is a short abandon"""
    activity_gap: Span = DEFAULT.activity_gap
    """the stitch gap of activities that name no media item"""
    activity_age: Span = DEFAULT.activity_age
    """after which an activity that was started and never ended is over"""
    interaction_age: Span = DEFAULT.interaction_age
    """the longest an interaction stays open"""
    disorder: Span = DEFAULT.disorder
    """how late an event may come after later ones, and still be in its place"""
    silence: Span = DEFAULT.silence
    """without a heartbeat for so long, a source counts as silent; the time of it does not age its items"""
    ahead: Annotated[Span, Field(le=DAY)] = DEFAULT.ahead
    """how far an event may be ahead of the time at which Kafka took it; beyond that it is a dead letter"""
