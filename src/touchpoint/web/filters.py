"""What a list of interactions may be narrowed by. All filters combine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from touchpoint.events import NumberPlan, spellings

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")

Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
"""What PostgreSQL takes as text."""
Instant = Annotated[AwareDatetime, Field(description="RFC 3339, with an offset, from 1970 to 2100")]


Outcome = Literal["answered", "abandoned", "abandoned_in_queue", "abandoned_while_ringing", "other"]


class Period(BaseModel):
    """From an instant to before another."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None

    @field_validator(
        "since", "until", "wait_from", "wait_to", "work_from", "work_to", mode="before", check_fields=False
    )
    @classmethod
    def _written(cls, text: Any) -> Any:
        if isinstance(text, str) and not _RFC_3339.match(text):  # pydantic takes a number for seconds since 1970
            raise ValueError("must be RFC 3339 with an offset, such as 2026-01-05T09:00:00Z")
        return text

    @field_validator("since", "until", "wait_from", "wait_to", "work_from", "work_to", check_fields=False)
    @classmethod
    def _years(cls, instant: datetime | None) -> datetime | None:
        if instant is not None and not _FIRST <= instant < _LAST:
            raise ValueError("must be from 1970 to 2100")
        return instant

    @model_validator(mode="after")
    def _order(self) -> Period:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("from must be before to")
        return self


class Filters(Period):
    """`from` and `to` are of the interaction's end, by which lists are ordered, newest first."""

    party: Annotated[Text | None, Field(description="opaque key, id, or any spelling of a number or address")] = None
    account: Text | None = None
    object_type: Text | None = None
    object_id: Annotated[Text | None, Field(description="needs object_type")] = None
    channel: Text | None = None
    direction: Text | None = None
    queue: Annotated[Text | None, Field(description="in which one of its media items waited")] = None
    resource: Annotated[Text | None, Field(description="an agent in it")] = None
    outcome: Text | None = None
    campaign: Text | None = None
    parent: UUID | None = None
    flag: Annotated[Text | None, Field(description="of it or of one of its media items")] = None
    wait_from: Annotated[Instant | None, Field(description="the wait in the queue began then or later")] = None
    wait_to: Annotated[Instant | None, Field(description="the wait in the queue began before")] = None
    wait_outcome: Annotated[Outcome | None, Field(description="of the wait")] = None
    work_from: Annotated[Instant | None, Field(description="the agent was connected or in wrap-up after it")] = None
    work_to: Annotated[Instant | None, Field(description="the agent was connected or in wrap-up before it")] = None
    min_duration: Annotated[int | None, Field(ge=0, le=2**53, description="milliseconds")] = None

    @model_validator(mode="after")
    def _needed(self) -> Filters:
        if self.object_id is not None and self.object_type is None:
            raise ValueError("object_id needs object_type")
        if self.queue is None and (self.wait_from or self.wait_to or self.wait_outcome):
            raise ValueError("wait_from, wait_to and wait_outcome need queue")
        if self.resource is None and (self.work_from or self.work_to):
            raise ValueError("work_from and work_to need resource")
        return self

    def wanted(self, plan: NumberPlan) -> dict[str, Any]:
        """As `touchpoint.search_interactions` takes it."""
        members = self.model_dump(mode="json", exclude_none=True, by_alias=True, include=set(Filters.model_fields))
        if self.party is not None:
            members["party"] = names(self.party, plan)
        return members


def names(party: str, plan: NumberPlan) -> list[str]:
    """What somebody may have meant: the text itself, as a key or an id, and the addresses that it spells."""
    return list(dict.fromkeys((party.strip(), *spellings(party, plan))))


class Page(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str | None, Field(max_length=2000, description="out of a `next` link")] = None
