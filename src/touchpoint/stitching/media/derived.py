"""Events that nobody sent but that another event tells of; they carry `provenance` in their data, and its id."""

from __future__ import annotations

from typing import Any

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.verbs import Verb


def derive(fact: Fact, verb: Verb, time: Micros, provenance: str, **data: Any) -> Fact:
    """An event that was read out of `fact`."""
    data = {name: value for name, value in data.items() if value is not None}
    return msgspec.structs.replace(fact, verb=verb, time=time, sequence=None, data={**data, "provenance": provenance})


def agent_of(fact: Fact) -> str | None:
    resource = fact.data.get("resource")
    return None if resource is None else resource["id"]
