"""What differs from a fold because the rules have changed since it was stored, apart from what differs otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from touchpoint.cli.comparison import Comparison
from touchpoint.cli.database import ask
from touchpoint.dialects import DIALECTS
from touchpoint.stitching.record import InteractionRecord
from touchpoint.stitching.rules_version import RULES_VERSION, Rules, earlier_rules

NOW = Rules(RULES_VERSION, [dialect.label for dialect in DIALECTS.values()])


class Apart(NamedTuple):
    """Differences, and the interactions that earlier rules made: stored ones, and folded ones that have their items."""

    found: Comparison
    earlier: list[str]


def apart(database: str, found: Comparison, folded: Mapping[str, InteractionRecord]) -> Apart:
    """Take out of the differences what earlier rules explain.

    A stored interaction that differs, or that is not folded any more, if its rules are earlier than those of the fold;
    a folded one that is not stored, if such an interaction has one of its media items or activities. Takes the role
    touchpoint_admin.
    """
    from touchpoint.history.reader import stored_items, stored_rules

    if found.same:
        return Apart(found, [])
    rules = ask(database, stored_rules(database, [*found.different, *found.extra]))
    replaced = {id_ for id_ in found.different if earlier_rules(rules[id_], rules_of(folded[id_]))}
    replaced |= {id_ for id_ in found.extra if earlier_rules(rules[id_], NOW)}
    held = ask(database, stored_items(database, sorted(replaced))) if replaced and found.missing else set()
    replaced |= {id_ for id_ in found.missing if not held.isdisjoint(items_of(folded[id_]))}
    left = Comparison(*([id_ for id_ in ids if id_ not in replaced] for ids in found))
    return Apart(left, sorted(replaced))


def rules_of(record: InteractionRecord) -> Rules:
    """The rules that a record says it was made by."""
    return Rules(record.rules_version, record.dialects)


def items_of(record: InteractionRecord) -> set[tuple[str, str]]:
    """Tenant and id of each media item and activity of a record."""
    named = [item.media_item_id for item in record.media_items]
    named += [activity.activity_id for activity in record.activities]
    return {(record.tenant, name) for name in named}
