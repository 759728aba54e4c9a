"""What the sources of an item do not tell for certain, as flags (stitching.md, 2)."""

from __future__ import annotations

from collections.abc import Collection

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.flags import Flag


def doubtful(odd: Collection[Fact], facts: Collection[Fact], item_id: str, limits: Limits) -> set[Flag]:
    """The flags of the doubts in ``odd``. A doubt about the party counts only where no event of the item names one."""
    named = {doubt for fact in odd if fact.subject == item_id for doubt in fact.data.get("doubts", ())}
    found = {Flag.AMBIGUOUS_TIME} if "time" in named else set()
    if "party" in named and not any(_names_party(fact, item_id, limits) for fact in facts):
        found.add(Flag.PARTY_UNKNOWN)
    return found


def _names_party(fact: Fact, item_id: str, limits: Limits) -> bool:
    party = fact.data.get("party") if fact.subject == item_id else None
    if party is None:
        return False
    address = party.get("address")
    return "id" in party or (address is not None and address not in limits.own_addresses)
