"""Events made of the contract's models, so that a mistake shows where it is made and not as a dead letter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from touchpoint.events import causes
from touchpoint.events.catalogue import Event, event_model, event_types


class InvalidEventError(ValueError):
    """The contract does not accept the event. The message names the field, why, and what is allowed."""


def event(
    type_: str,
    *,
    source: str,
    id: str,  # noqa: A002 - the attribute's name
    time: datetime,
    subject: str | None = None,
    data: BaseModel | Mapping[str, Any] | None = None,
    **attributes: str,
) -> Event:
    """One event of the contract (docs/events.md), such as `call.answered`.

    `id`: unique within `source`, and the same each time the same event is sent: it is what makes a repetition count
    once. `time`: when it happened, with an offset. `subject`: the media item. `data`: a class of
    `touchpoint.events.data`, or a mapping. `attributes`: `sequence`, `correlationid`, `tenant` ...
    Raises InvalidEventError.
    """
    if time.tzinfo is None:
        raise InvalidEventError("time has no offset: give the datetime a tzinfo, such as datetime.UTC")
    made = {"specversion": "1.0", "id": id, "source": source, "type": type_, "time": time.isoformat(), **attributes}
    if subject is not None:
        made["subject"] = subject
    content = as_json(data) if isinstance(data, BaseModel) else data
    try:
        return event_model(type_).model_validate(made | ({} if content is None else {"data": content}))
    except KeyError:
        raise InvalidEventError(causes.unknown_type(type_[:120], event_types())) from None
    except ValidationError as error:
        raise InvalidEventError(causes.invalid(made, error).cause) from None


def as_json(model: BaseModel) -> dict[str, Any]:
    """A model as JSON has it: without what is not set."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
