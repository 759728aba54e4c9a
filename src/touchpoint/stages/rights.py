"""What the events of an input topic may say: its types, its tenants, and what of identity (contract.md, 1).

Kafka's ACLs decide who may write to a topic; this decides what a record of that topic counts for. Without it, whoever
may write to any input could erase, merge and close for everybody (docs/operations.md, Who may say what).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from touchpoint.events import Accepted, DeadLetter, Verdict
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.verbs import WRAPUPS

Identifies = Literal["none", "address", "all"]
"""What events may say of who a party is: nothing, its address, or whatever the contract allows."""


class Rights(msgspec.Struct, frozen=True):
    """What the events of one topic may say. ``judge`` is a pure function of a decoder's verdict."""

    topic: str  # as operators know it
    kinds: frozenset[str]  # what the types begin with
    wrapups: frozenset[str]  # the channels whose wrap-ups it carries besides
    homes: Mapping[str, str]  # kind -> the topic that carries it, for causes
    tenants: frozenset[str] | None  # None: any
    identity: Identifies

    def judge(self, verdict: Verdict) -> Verdict:
        """The verdict on a record of this topic: unchanged, a dead letter, or accepted without its identity."""
        if isinstance(verdict, Accepted):
            refused = self._refused(verdict.fact)
            if refused is not None:
                return refused
            return verdict if self.identity == "all" else self._bounded(verdict)
        if isinstance(verdict, DeadLetter) and verdict.about is not None:
            return self._refused(verdict.about) or verdict  # what may not be said here flags no media item either
        return verdict

    def _refused(self, fact: Fact) -> DeadLetter | None:
        kind, verb = fact.kind, fact.verb
        if kind not in self.kinds and not (verb in WRAPUPS and kind in self.wrapups):
            carried = ", ".join(f"{each}.*" for each in sorted(self.kinds))
            way_out = f"; send it to topic {self.homes[kind]}" if kind in self.homes else ""
            return DeadLetter(f"topic {self.topic} carries {carried}, and no {kind}.* events{way_out}", "type")
        if self.tenants is not None and fact.tenant not in self.tenants:
            return DeadLetter(
                f"the event's tenant is not one of those that topic {self.topic} is bound to; send it to the topic of "
                f"its tenant, or add the tenant to TOUCHPOINT_TOPICS",
                "tenant",
            )
        if kind == "party" and self.identity != "all":
            return DeadLetter(
                f"topic {self.topic} may not say who a party is (identity = {self.identity!r} in TOUCHPOINT_TOPICS)",
                "identity",
            )
        return None

    def _bounded(self, verdict: Accepted) -> Accepted:
        """Of the party the address alone, or nothing."""
        fact = verdict.fact
        party = fact.data.get("party")
        if party is None:
            return verdict
        address = party.get("address") if self.identity == "address" else None
        data = {name: value for name, value in fact.data.items() if name != "party"}
        if address is not None:
            data["party"] = {"address": address}
        return Accepted(msgspec.structs.replace(fact, data=data))
