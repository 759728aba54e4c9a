"""The field types and the small objects that events share (contract.md 2 and 3), with their limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from touchpoint.events.instants import INSTANT_PATTERN

MAX_ID = 200  # characters
MAX_MESSAGE_ID = 998  # characters: a line of RFC 5322, which a Message-ID may fill
MAX_ADDRESS = 1_000  # characters
MAX_TEXT = 4_096  # bytes of UTF-8
MAX_ELEMENTS = 1_000  # of any list
MAX_COUNT = 2**31 - 1
MAX_DURATION_MS = 10 * 366 * 86_400_000  # ten years


class Shape(BaseModel):
    """Strict about what the contract names, open to what it does not: unknown fields are kept."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Field(max_length=MAX_ID)]
"""An optional id: an empty one is an absent one."""
Text = Annotated[str, Field(max_length=MAX_TEXT)]
MessageId = Annotated[str, Field(max_length=MAX_MESSAGE_ID)]
Address = Annotated[str, Field(max_length=MAX_ADDRESS)]
Instant = Annotated[str, Field(pattern=INSTANT_PATTERN, json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
DurationMs = Annotated[int, Field(ge=0, le=MAX_DURATION_MS)]


class Party(Shape):
    """The customer: known by address, by id, or not at all."""

    address: Address | None = None
    id: Name | None = None
    name: Text | None = None


class Resource(Shape):
    """An agent, a bot or a system."""

    id: Id
    name: Text | None = None
    kind: Literal["agent", "bot", "system"] | None = None


class Related(Shape):
    """Other media items that this one belongs to."""

    parent: Name | None = None
    previous: Name | None = None
    thread: MessageId | None = None
    resumes: Name | None = None


class Target(Shape):
    """Whom a consult or a transfer goes to. A plain resource object is read as `{"resource": ...}`."""

    resource: Resource | None = None
    queue: Name | None = None
    address: Address | None = None


class Reported(Shape):
    """What the source itself claims. Any further `*_at` is an instant too, any `*_ms` a duration."""

    started_at: Instant | None = None
    ended_at: Instant | None = None
    connected_ms: DurationMs | None = None
    hold_ms: DurationMs | None = None


class TouchedObject(Shape):
    """A business object that an activity touched."""

    type: Id
    """account, contact, service_request, activity, work_order, lead, opportunity, order, or any other by name."""
    id: Id
    action: Literal["created", "updated", "viewed", "reopened", "closed"] | None = None


class Data(Shape):
    """The fields that any event may carry."""

    direction: Literal["inbound", "outbound", "internal"] | None = None
    party: Party | None = None
    resource: Resource | None = None
    queue: Name | None = None
    reason: Text | None = None
    related: Related | None = None
    campaign: Name | None = None
    reported: Reported | None = None
    doubts: Annotated[list[Literal["party", "time"]], Field(max_length=2)] | None = Field(
        None, description="what the source does not tell for certain: who the party is, or of which hour the time is"
    )
    ext: dict[str, Any] | None = Field(None, description="anything; kept as it came")
