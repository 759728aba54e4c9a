"""Which media item an id stands for (stitching.md, 1, alias)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from touchpoint.stitching.facts import UNREADABLE, Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import fold


def alias_map(facts: Collection[Fact], limits: Limits) -> dict[str, str]:
    """Item -> what it is the same thing as, by the last alias event of each that came in time."""
    last: dict[str, Fact] = {}
    for fact in facts:
        if fact.verb == "alias" and fact.data["to"] != fact.subject and _in_time(fact, facts, limits):
            known = last.get(fact.subject)
            if known is None or (known.time, known.source, known.id) < (fact.time, fact.source, fact.id):
                last[fact.subject] = fact
    return {subject: fact.data["to"] for subject, fact in last.items()}


def _in_time(alias: Fact, facts: Collection[Fact], limits: Limits) -> bool:
    """What had been complete by then stays what it was: its interaction may have closed."""
    own = (fact for fact in facts if fact.subject == alias.subject and fact.verb != UNREADABLE)
    before = [fact for fact in own if fact.time < alias.time]
    return not before or fold(alias.subject, before, limits).complete_at >= alias.time


def root(item_id: str, aliases: Mapping[str, str]) -> str:
    """The end of the chain of aliases that begins at an item; of a cycle its smallest id."""
    path = [item_id]
    while (following := aliases.get(path[-1])) is not None:
        if following in path:
            return min(path[path.index(following) :])
        path.append(following)
    return path[-1]
