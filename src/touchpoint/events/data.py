"""What `data` may hold: one class for each set of fields (contract.md 3); `catalogue.py` says which verb has which."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from touchpoint.events.fields import (
    MAX_ELEMENTS,
    Address,
    Count,
    Data,
    DurationMs,
    Id,
    Instant,
    MessageId,
    Name,
    Resource,
    Target,
    Text,
    TouchedObject,
)


def _as_target(value: Any) -> Any:
    """A consult often names just the other agent: `{"id": "B"}` is `{"resource": {"id": "B"}}`."""
    if isinstance(value, dict) and "id" in value and "resource" not in value:
        return {"resource": value}
    return value


To = Annotated[Target, BeforeValidator(_as_target)]
References = Annotated[list[MessageId], Field(max_length=MAX_ELEMENTS)]


class Offered(Data):
    dialed: Address | None = None
    message_id: MessageId | None = None
    in_reply_to: MessageId | None = None
    references: References | None = None


class SelfService(Data):
    flow: Name | None = None


class Queued(Data):
    priority: Count | Name | None = None


class Dequeued(Data):
    reason: (
        Literal["answered", "abandoned", "timeout", "empty", "key", "overflow", "withdrawn", "transferred", "callback"]
        | None
    ) = None


class ToAgent(Data):
    """Alerting and answered mean nothing without the agent."""

    resource: Resource


class AlertEnded(Data):
    reason: Literal["no_answer", "rejected", "busy", "canceled", "rescinded", "failed", "bridge_failed"] | None = None


class Consult(Data):
    to: To | None = None


class Transferred(Data):
    kind: Literal["blind", "attended"] | None = None
    to: To | None = None


class Conference(Data):
    role: Literal["agent", "customer", "supervisor", "external"] | None = None
    mode: Literal["normal", "monitor", "coach", "barge"] | None = None


class Dialing(Data):
    dialed: Address | None = None
    attempt: Count | None = None


class Draft(Data):
    message_id: MessageId | None = None
    in_reply_to: MessageId | None = None
    references: References | None = None
    kind: Literal["reply", "forward", "auto_reply", "new"] | None = None


class Transmission(Data):
    pages: Count | None = None
    total_pages: Count | None = None
    attempt: Count | None = None


class Message(Data):
    """No text is ever carried; a message without its writer's role says nothing."""

    role: Literal["customer", "agent", "bot"]
    length: Count | None = None


class Disconnected(Data):
    by: Literal["customer", "agent", "system", "network"] | None = None


class Summary(Disconnected):
    """`by`: who disconnected, where the record tells."""


class WrapUp(Data):
    duration_ms: DurationMs | None = None
    outcome: Text | None = None
    result: Text | None = None


class Alias(Data):
    to: Id = Field(description="the media item id that the subject is the same thing as")


class ActivityEnded(Data):
    activity: Id
    action: Name | None = None
    media_item: Name | None = None
    started: Instant | None = None
    ended: Instant | None = None
    outcome: Text | None = None
    result: Text | None = None
    objects: Annotated[list[TouchedObject], Field(max_length=MAX_ELEMENTS)] | None = None


class Activity(ActivityEnded):
    action: Id = Field(description="order, quote, fax, note, or any other by name")


class WrappedUp(Data):
    outcome: Text | None = None
    result: Text | None = None
    follow_up: Text | None = None


class Identified(Data):
    id: Id = Field(description="the party id that the subject, an address, belongs to")
    account: Name | None = None
    name: Text | None = None


class Merged(Data):
    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    from_: Id = Field(alias="from", description="a party id that is no longer used")
    into: Id = Field(description="the party id that stands for both")


class Flushed(Data):
    until: Instant


class ErasureRequested(Data):
    request: Name | None = None
